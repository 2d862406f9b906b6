//! What the guest writes to the debug-exit port, and what the host makes of it.
//!
//! QEMU's `isa-debug-exit` turns a written value *v* into the exit status
//! *2v + 1*, so a status is always odd and never 0. The values start at 16 to
//! stay clear of QEMU's own statuses. The kernel series writes `PANIC` and
//! `EXCEPTION` itself (`kernel-patches/README.md`).

/// The I/O port of the debug-exit device.
pub const PORT: u16 = 0xf4;

/// The report is complete; the verdict is in the report, not in the status.
pub const DONE: u8 = 0x10;
/// The guest panicked; the serial log has the message.
pub const PANIC: u8 = 0x11;
/// A CPU took an exception that nothing handles; the serial log names it.
pub const EXCEPTION: u8 = 0x12;

/// QEMU's exit status for a value written to the debug-exit port.
#[must_use]
pub const fn status(value: u8) -> i32 {
    value as i32 * 2 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_distinct_and_never_success() {
        let all = [status(DONE), status(PANIC), status(EXCEPTION)];
        assert_eq!(all, [33, 35, 37]);
    }
}
