//! What becomes of a write of the load register.

use core::sync::atomic::Ordering;

use microcode::Vendor;

use super::{Core, Engine, Examined, NOBODY};
use crate::answer::{Answer, Load, Misuse, Refusal, Reply};
use crate::config::Downgrade;
use crate::fault::{Fault, FaultKind};
use crate::memory::{Memory, Unmapped, is_canonical};
use crate::{amd, intel, msr};

/// The boundary that Intel's updates have to lie on, in bytes (SDM volume 3,
/// "Microcode Update Loader"). AMD's patches have none: early loaders write
/// them from within their container, where they lie 4 bytes off any larger one.
const INTEL_ALIGNMENT: u64 = 16;

impl Engine {
    /// A write of the load register.
    pub(super) fn load(&self, thread: u32, address: u64, memory: &impl Memory) -> Answer {
        let core = self.core(thread);
        // Relaxed: a count of this thread.
        let nth = 1 + self.threads[thread as usize]
            .nr_loads
            .fetch_add(1, Ordering::Relaxed);
        let mut load = Load {
            thread,
            before: self.revision(thread),
            outcome: Err(Refusal::Busy),
            nr_bytes: 0,
            duration_ns: self.config.cost.access_ns.into(),
        };
        // Acquire pairs with the Release in `finish`. Whoever comes second
        // gets nothing.
        if core
            .inside
            .compare_exchange(NOBODY, thread + 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return self.answer(thread, load, Some(Misuse::TwoThreads));
        }
        load.before = self.revision(thread);
        load.outcome = self.examine(core, address, memory).and_then(|examined| {
            load.nr_bytes = examined.nr_bytes;
            self.accept(&mut load, &examined, nth)
        });
        let misuse = match load.outcome {
            Err(Refusal::Misaligned) => Some(Misuse::Misaligned),
            Err(Refusal::Unmapped) => Some(Misuse::Unmapped),
            _ => None,
        };
        if !load.is_accepted() {
            // Release pairs with the Acquire above.
            core.inside.store(NOBODY, Ordering::Release);
        }
        self.answer(thread, load, misuse)
    }

    fn answer(&self, thread: u32, load: Load, misuse: Option<Misuse>) -> Answer {
        Answer {
            reply: match load.outcome {
                Err(refusal) if refusal.faults() => Reply::GpFault,
                _ => Reply::Done,
            },
            misuse: self.note(thread, misuse),
            load: Some(load),
            cost_ns: 0,
        }
    }

    /// Whether what lies at the address is an update for this CPU.
    fn examine(
        &self,
        core: &Core,
        address: u64,
        memory: &impl Memory,
    ) -> Result<Examined, Refusal> {
        let Self { config, .. } = self;
        // Relaxed: whoever switched loading off did so before on this core.
        if core.mcu_control.load(Ordering::Relaxed) & msr::DIS_MCU_LOAD != 0 {
            return Err(Refusal::Disabled);
        }
        if !is_canonical(address) {
            return Err(Unmapped.into());
        }
        if config.vendor == Vendor::Intel && !address.is_multiple_of(INTEL_ALIGNMENT) {
            return Err(Refusal::Misaligned);
        }
        let mut examined = match config.vendor {
            Vendor::Intel => intel::examine(memory, address, core.kind),
            Vendor::Amd => amd::examine(memory, address, core.kind, &config.equivalence_ids),
        }?;
        if !config.seal.is_empty() {
            let seal = config
                .seal
                .iter()
                .find(|seal| seal.revision == examined.revision)
                .ok_or(Refusal::Seal)?;
            if !seal.holds(memory, examined.start)? {
                return Err(Refusal::Seal);
            }
            examined.nr_bytes = seal.bytes;
        }
        Ok(examined)
    }

    /// What becomes of an update that is for this CPU: the revision after it.
    /// Sets how long that takes.
    fn accept(&self, load: &mut Load, examined: &Examined, nth: u32) -> Result<u32, Refusal> {
        let Self { config, .. } = self;
        let older = config
            .vendor
            .compare_revisions(examined.revision, load.before)
            .is_lt();
        if older && config.older == Downgrade::Refused {
            return Err(Refusal::Older);
        }
        let nr_kib = u64::from(examined.nr_bytes.div_ceil(1024));
        load.duration_ns =
            us(config.cost.load_us) + nr_kib * u64::from(config.cost.load_ns_per_kib);
        let core = self.core_of(load.thread);
        let faults = config.fault.iter();
        let mut revision = examined.revision;
        for fault in faults.filter(|fault: &&Fault| fault.meets(load.thread, core, nth)) {
            match fault.kind {
                FaultKind::GpFault => return Err(Refusal::GpFault),
                FaultKind::NotTaken => return Err(Refusal::NotTaken),
                FaultKind::Mismatch { revision: wrong } => revision = wrong,
                FaultKind::Slow { us: more } => {
                    load.duration_ns = load.duration_ns.saturating_add(us(more));
                }
                // What comes later never comes: least of all a refusal, which would
                // last for ever then.
                FaultKind::Hang => {
                    load.duration_ns = Load::FOREVER;
                    break;
                }
            }
        }
        Ok(revision)
    }
}

const fn us(us: u32) -> u64 {
    us as u64 * 1000
}
