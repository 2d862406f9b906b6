//! Running a tool.

use std::process::{Command, Output, Stdio};

use super::Error;

/// What of the environment would change a build of the guest or the fuzzers:
/// settings for the host's, among them those that Cargo makes for a program that it runs.
const FOREIGN: [&str; 10] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "CARGO_MAKEFLAGS",
];

/// A command without them.
pub(crate) fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for variable in FOREIGN {
        command.env_remove(variable);
    }
    command
}

/// Runs a command to its end; its output, or what it said when it failed.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<Output, Error> {
    let result = command.stdin(Stdio::null()).output();
    let output = result.map_err(|why| Error::Tool {
        tool: command.get_program().to_string_lossy().into_owned(),
        why,
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let output = [said(&output.stdout), said(&output.stderr)].join("\n");
    Err(Error::Failed {
        what: what.to_owned(),
        command: command_line(command),
        output: output.trim().to_owned(),
    })
}

/// A command as it would be typed, without the environment.
pub(crate) fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    shlex::try_join(words.iter().map(AsRef::as_ref)).unwrap_or_else(|_| words.join(" "))
}
