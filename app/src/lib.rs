//! The unikernel: musters all CPUs, loads microcode on them in lock-step, and
//! reports what each did and what it cost.
//!
//! ```text
//! initrd ─▶ candidates ─▶ plan and cache ─▶ muster ─▶ load ─▶ verify ─▶ records
//!           (one CPU, may allocate and fail)  (all CPUs,      (one CPU)
//!                                              may do neither)
//! ```
//!
//! Everything that can fail happens before anybody is stopped. The kernel is
//! Hermit with the series in `kernel-patches/`; this program runs beside it in
//! ring 0, in one address space, with one pinned worker on every CPU.

#![no_std]
#![deny(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "the guest is 64 bits wide, and its counts are small"
)]

extern crate alloc;

mod arguments;
mod complaints;
mod conformance;
mod console;
mod errand;
mod features;
mod hardware;
mod initrd;
mod job;
mod online;
mod plan;
mod records;
mod request;
mod session;
mod tests;
mod verdicts;
mod worker;

use hermit::ring0;

use session::End;

/// The CPU that the application starts on.
const BOOT_CPU: u32 = 0;

/// Where the kernel enters the application, on a task of CPU 0.
#[expect(unsafe_code, reason = "the kernel looks the symbol up by its name")]
// SAFETY: nothing else in the image has this name.
#[unsafe(no_mangle)]
extern "C" fn runtime_entry(_argc: i32, _argv: *const *const u8, _env: *const *const u8) -> ! {
    console::open();
    match job::run() {
        End::Reported => ring0::exit(report::exit::DONE),
        End::TakenOver => worker::live(BOOT_CPU),
    }
}
