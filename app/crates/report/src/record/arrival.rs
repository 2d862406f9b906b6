//! CPUs that come online after the load.

use core::fmt;

use super::Field;
use crate::logfmt::Hex32;
use crate::names::Outcome;

record! {
    /// A CPU that was left out at boot and came online after the loads: what it
    /// did before anything else.
    pub struct Arrival = "arrival" {
        /// Kernel's number of the CPU.
        id: u32 = "id",
        /// APIC id.
        apic_id: u32 = "apic",
        /// Package number.
        package: u32 = "package",
        /// Core number within the package.
        core: u32 = "core",
        /// Thread number within the core, from 0.
        thread: u32 = "thread",
        /// Revision that it came with.
        before: Hex32 = "before",
        /// Revision once it was at work.
        after: Option<Hex32> = "after",
        /// Revision that the others have proven; absent when there is none for
        /// its kind.
        target: Option<Hex32> = "target",
        /// What happened.
        outcome: Outcome = "outcome",
        /// How often it wrote.
        nr_loads: u32 = "loads",
    }
}
