//! The state of all CPUs, and what an access makes of it.
//!
//! Each field is an atomic of its own, so that threads run at once without a
//! lock. What they agree on is one word per core: who is inside a load.

mod load;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use microcode::Vendor;

use crate::answer::{Access, Answer, Load, Misuse, Reply};
use crate::config::{Config, ConfigError, Domain, LateLoad};
use crate::feature::{self, CpuidChange};
use crate::memory::Memory;
use crate::msr;

/// Nobody is inside a load.
const NOBODY: u32 = 0;

/// In a revision's word: it was loaded after the start.
const IS_LOADED: u64 = 1 << 32;

/// What of a core decides which update it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) signature: u32,
    pub(crate) platform_id: u8,
}

/// An update that the CPU can read and that is for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Examined {
    pub(crate) revision: u32,
    /// Where its header lies.
    pub(crate) start: u64,
    pub(crate) nr_bytes: u32,
}

#[derive(Debug)]
struct Core {
    kind: Kind,
    /// The thread inside a load, plus 1.
    inside: AtomicU32,
    /// IA32_MCU_CONTROL.
    mcu_control: AtomicU64,
}

#[derive(Debug, Default)]
struct Thread {
    /// What it reads from IA32_BIOS_SIGN_ID.
    latch: AtomicU64,
    nr_reads: AtomicU64,
    nr_loads: AtomicU32,
    nr_misuses: AtomicU32,
}

/// What one thread did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reads of the revision's register.
    pub nr_reads: u64,
    /// Writes of the load register.
    pub nr_loads: u32,
    /// What it did wrong.
    pub nr_misuses: u32,
}

/// The CPUs of a machine.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    cores: Box<[CachePadded<Core>]>,
    threads: Box<[CachePadded<Thread>]>,
    /// A revision for each core or thread, as the domain says, and whether it
    /// was loaded: one word, so that nobody sees the one without the other.
    revisions: Box<[CachePadded<AtomicU64>]>,
}

impl Engine {
    /// CPUs as they come out of a reset.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let own = |core: u32| config.core.iter().find(|own| own.id == core);
        let cores = (0..config.nr_cores()).map(|core| {
            let own = own(core);
            CachePadded::new(Core {
                kind: Kind {
                    signature: own
                        .and_then(|own| own.signature)
                        .unwrap_or(config.signature),
                    platform_id: own
                        .and_then(|own| own.platform_id)
                        .unwrap_or(config.platform_id),
                },
                inside: AtomicU32::new(NOBODY),
                mcu_control: AtomicU64::new(match config.late_load {
                    LateLoad::Always | LateLoad::Enabled => 0,
                    LateLoad::Disabled => msr::DIS_MCU_LOAD,
                }),
            })
        });
        let cores = cores.collect();
        let revision = |core: u32| {
            let own = own(core).and_then(|own| own.revision);
            CachePadded::new(AtomicU64::new(own.unwrap_or(config.revision).into()))
        };
        let revisions: Vec<_> = match config.domain() {
            Domain::Core => (0..config.nr_cores()).map(revision).collect(),
            Domain::Thread => (0..config.cpus)
                .map(|thread| revision(thread / config.threads))
                .collect(),
        };
        let engine = Self {
            cores,
            threads: (0..config.cpus).map(|_| CachePadded::default()).collect(),
            revisions: revisions.into(),
            config,
        };
        // Firmware has executed CPUID long before a loader runs.
        for thread in 0..engine.config.cpus {
            engine.latch(thread);
        }
        Ok(engine)
    }

    /// What it was made from.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The revision that a thread runs now.
    ///
    /// # Panics
    ///
    /// If there is no such thread.
    #[must_use]
    pub fn revision(&self, thread: u32) -> u32 {
        self.state(thread).0
    }

    /// The revision that a thread runs now, and whether it was loaded after the
    /// start.
    fn state(&self, thread: u32) -> (u32, bool) {
        // Acquire pairs with the Release in `finish`.
        let word = self.slot(thread).load(Ordering::Acquire);
        #[expect(clippy::cast_possible_truncation, reason = "the revision's half")]
        let revision = word as u32;
        (revision, word & IS_LOADED != 0)
    }

    /// What the revision that a thread runs now makes of an answer of CPUID. The
    /// answer itself is the machine's.
    ///
    /// # Panics
    ///
    /// If there is no such thread.
    #[must_use]
    pub fn cpuid_change(&self, thread: u32, leaf: u32, subleaf: u32) -> CpuidChange {
        let Self { config, .. } = self;
        feature::change(
            &config.feature,
            config.vendor,
            self.state(thread),
            (leaf, subleaf),
        )
    }

    /// What a thread did so far.
    ///
    /// # Panics
    ///
    /// If there is no such thread.
    #[must_use]
    pub fn counters(&self, thread: u32) -> Counters {
        let thread = &self.threads[thread as usize];
        // Relaxed: counts, which order nothing.
        Counters {
            nr_reads: thread.nr_reads.load(Ordering::Relaxed),
            nr_loads: thread.nr_loads.load(Ordering::Relaxed),
            nr_misuses: thread.nr_misuses.load(Ordering::Relaxed),
        }
    }

    fn core_of(&self, thread: u32) -> u32 {
        thread / self.config.threads
    }

    fn core(&self, thread: u32) -> &Core {
        &self.cores[self.core_of(thread) as usize]
    }

    fn slot(&self, thread: u32) -> &AtomicU64 {
        let place = match self.config.domain() {
            Domain::Core => self.core_of(thread),
            Domain::Thread => thread,
        };
        &self.revisions[place as usize]
    }

    /// A thread accesses a register, or executes CPUID.
    ///
    /// `memory` is read only where a load register is written.
    ///
    /// # Panics
    ///
    /// If there is no such thread.
    pub fn begin(&self, thread: u32, access: Access, memory: &impl Memory) -> Answer {
        let reply = match access {
            Access::Write(number, address) if number == self.load_register() => {
                return self.load(thread, address, memory);
            }
            Access::Cpuid => {
                self.latch(thread);
                Reply::Done
            }
            Access::Read(number) => self.read(thread, number),
            Access::Write(number, value) => self.write(thread, number, value),
        };
        // Acquire pairs with the Release in `finish`: after it, nobody is
        // disturbed.
        let inside = self.core(thread).inside.load(Ordering::Acquire);
        let disturbs = inside != NOBODY && inside != thread + 1;
        Answer {
            reply,
            misuse: self.note(thread, disturbs.then_some(Misuse::SiblingActivity)),
            load: None,
            cost_ns: match reply {
                Reply::Pass => 0,
                _ => self.config.cost.access_ns.into(),
            },
        }
    }

    const fn load_register(&self) -> u32 {
        match self.config.vendor {
            Vendor::Intel => msr::BIOS_UPDT_TRIG,
            Vendor::Amd => msr::PATCH_LOADER,
        }
    }

    fn note(&self, thread: u32, misuse: Option<Misuse>) -> Option<Misuse> {
        if misuse.is_some() {
            // Relaxed: a count.
            self.threads[thread as usize]
                .nr_misuses
                .fetch_add(1, Ordering::Relaxed);
        }
        misuse
    }

    /// CPUID puts the revision into the upper half of the register. A CPU
    /// without any leaves it alone (SDM volume 3, "Microcode Update Signature
    /// and Verification").
    fn latch(&self, thread: u32) {
        let revision = self.revision(thread);
        if self.config.vendor == Vendor::Intel && revision != 0 {
            // Relaxed: only this thread uses it.
            self.threads[thread as usize]
                .latch
                .store(u64::from(revision) << 32, Ordering::Relaxed);
        }
    }

    fn read(&self, thread: u32, number: u32) -> Reply {
        let Self { config, .. } = self;
        let core = self.core(thread);
        let has_control = config.late_load != LateLoad::Always;
        match (config.vendor, number) {
            (vendor, msr::BIOS_SIGN_ID) => {
                let thread_state = &self.threads[thread as usize];
                // Relaxed, both: a count, and a register of this thread.
                thread_state.nr_reads.fetch_add(1, Ordering::Relaxed);
                Reply::Value(match vendor {
                    Vendor::Intel => thread_state.latch.load(Ordering::Relaxed),
                    Vendor::Amd => self.revision(thread).into(),
                })
            }
            (Vendor::Intel, msr::PLATFORM_ID) => {
                Reply::Value(u64::from(core.kind.platform_id) << msr::PLATFORM_ID_SHIFT)
            }
            (Vendor::Intel, msr::ARCH_CAPABILITIES) if has_control => {
                Reply::Value(msr::HAS_MCU_CONTROL)
            }
            (Vendor::Intel, msr::MCU_CONTROL) if has_control => {
                Reply::Value(core.mcu_control.load(Ordering::Relaxed))
            }
            // Both are for writing only.
            (Vendor::Intel, msr::BIOS_UPDT_TRIG) | (Vendor::Amd, msr::PATCH_LOADER) => {
                Reply::GpFault
            }
            _ => Reply::Pass,
        }
    }

    fn write(&self, thread: u32, number: u32, value: u64) -> Reply {
        let has_control = self.config.late_load != LateLoad::Always;
        match (self.config.vendor, number) {
            (Vendor::Intel, msr::BIOS_SIGN_ID) => {
                // Relaxed: only this thread uses it.
                self.threads[thread as usize]
                    .latch
                    .store(value, Ordering::Relaxed);
                Reply::Done
            }
            // The patch level is for reading only, and so is the platform id.
            (Vendor::Amd, msr::BIOS_SIGN_ID) | (Vendor::Intel, msr::PLATFORM_ID) => Reply::GpFault,
            (Vendor::Intel, msr::MCU_CONTROL) if has_control => {
                let known = msr::MCU_LOCK | msr::DIS_MCU_LOAD | msr::EN_SMM_BYPASS;
                let control = &self.core(thread).mcu_control;
                // Relaxed: the register alone matters.
                let locked = control.load(Ordering::Relaxed) & msr::MCU_LOCK != 0;
                if locked || value & !known != 0 {
                    return Reply::GpFault;
                }
                control.store(value, Ordering::Relaxed);
                Reply::Done
            }
            _ => Reply::Pass,
        }
    }

    /// The time of an accepted load has passed: its revision is the CPU's. One
    /// that hangs never gets here.
    ///
    /// # Panics
    ///
    /// If there is no such thread.
    pub fn finish(&self, load: &Load) {
        let Ok(revision) = load.outcome else {
            return;
        };
        // Release pairs with the Acquire in `state`.
        self.slot(load.thread)
            .store(u64::from(revision) | IS_LOADED, Ordering::Release);
        // Release pairs with the Acquire in `load` and `begin`: whoever finds
        // nobody inside finds the new revision.
        self.core(load.thread)
            .inside
            .store(NOBODY, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
