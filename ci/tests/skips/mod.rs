//! What becomes of a trial that cannot take place here.

use std::env;

use libtest_mimic::{Arguments, Completion, Failed, FormatSetting};

/// Makes a trial that was ignored one that failed, when it is 1.
const DENY_SKIPS: &str = "MUSTER_DENY_SKIPS";

/// Whether none may be.
pub(crate) fn are_denied() -> bool {
    env::var_os(DENY_SKIPS).is_some_and(|value| value == "1")
}

/// The trial is shown as ignored with the reason, or fails where no skip is
/// allowed.
pub(crate) fn skipped(reason: String) -> Result<Completion, Failed> {
    if are_denied() {
        return Err(format!("{reason} ({DENY_SKIPS} is 1)").into());
    }
    // Only the long form shows why a trial was ignored.
    let arguments = Arguments::from_args();
    let is_long = matches!(arguments.format, None | Some(FormatSetting::Pretty));
    if arguments.quiet || !is_long {
        eprintln!("ignored: {reason}");
    }
    Ok(Completion::ignored_with(reason))
}
