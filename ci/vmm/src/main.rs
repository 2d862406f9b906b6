//! The monitor as a program.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use vmm::devices::Ended;
use vmm::options::Options;
use vmm::{CRASHED, End, REFUSED, RESET, TIMED_OUT, run};

fn main() -> ExitCode {
    let began = Instant::now();
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let status = if error.use_stderr() { REFUSED } else { 0 };
            let _ = error.print();
            return code(status);
        }
    };
    let status = match run(&options, began) {
        Ok(End::Ended(Ended::Wrote(value))) => report::exit::status(value),
        Ok(End::Ended(Ended::Reset)) => RESET,
        Ok(End::Crashed(what)) => {
            eprintln!("muster-vmm: {what}");
            CRASHED
        }
        Ok(End::TimedOut(places)) => {
            eprintln!("muster-vmm: no end after {} s", options.timeout.as_secs());
            for place in places {
                eprintln!("muster-vmm: {place}");
            }
            TIMED_OUT
        }
        Err(error) => {
            eprintln!("muster-vmm: {error}");
            REFUSED
        }
    };
    code(status)
}

/// A status has eight bits; the guest's highest is cut off as QEMU's is.
fn code(status: i32) -> ExitCode {
    ExitCode::from(status.to_le_bytes()[0])
}
