//! What stands behind a virtual machine's CPUs on the host: the [engine], whose
//! loads take the host's time, and the machine's log.
//!
//! ```text
//!  who sees the access            this                       engine
//!  ───────────────────            ────                       ──────
//!  QEMU's plugin ┐
//!                ├─▶ access() ─▶ begin ─────────────────────▶ Answer
//!  KVM monitor   ┘               log misuse, let time pass
//!                                finish ────────────────────▶ new revision
//!                ◀── Effect ◀─── log load
//! ```

#![forbid(unsafe_code)]

mod configuration;
mod log;
mod topology;

pub use configuration::{ConfigurationError, configuration};
pub use topology::{MAX_CPUS, Place, Topology, TopologyError};

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use engine::{Access, Engine, Load, Memory, Reply};
use log::Log;

/// How much of a load's time a thread spins, since a sleep may last longer than
/// it should; the rest it sleeps.
const SPIN: Duration = Duration::from_micros(100);

/// What an access comes to, once its time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Not the model's register: whatever the machine makes of it.
    Pass,
    /// The value read.
    Value(u64),
    /// The write passed, with or without an effect.
    Done,
    /// A general-protection fault.
    GpFault,
    /// The CPU is inside a load that never ends.
    Hung,
}

/// The CPUs of a machine, and their log.
#[derive(Debug)]
pub struct StandIn {
    engine: Engine,
    log: Log,
}

impl StandIn {
    /// Begins the log of such CPUs; `kind` is what the machine is
    /// ([`report::record::Machine`]).
    pub fn create(engine: Engine, log: &Path, kind: &str) -> io::Result<Self> {
        let log = Log::create(log, engine.config(), kind)?;
        Ok(Self { engine, log })
    }

    /// The model.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A CPU accesses a register, or executes CPUID: returns when that is over.
    ///
    /// # Panics
    ///
    /// If there is no such CPU.
    #[must_use]
    pub fn access(&self, cpu: u32, access: Access, memory: &impl Memory) -> Effect {
        let began_ns = self.log.now_ns();
        let answer = self.engine.begin(cpu, access, memory);
        if let Some(misuse) = answer.misuse {
            self.log.misuse(cpu, misuse, access);
        }
        if let (Some(load), Access::Write(msr, value)) = (&answer.load, access) {
            if load.is_accepted() && load.hangs() {
                self.log.load(began_ns, load, msr, value, load.before);
                return Effect::Hung;
            }
            self.finish(began_ns, load);
            let after = self.engine.revision(cpu);
            self.log.load(began_ns, load, msr, value, after);
        }
        self.pass_ns(began_ns, answer.cost_ns);
        match answer.reply {
            Reply::Pass => Effect::Pass,
            Reply::Value(value) => Effect::Value(value),
            Reply::Done => Effect::Done,
            Reply::GpFault => Effect::GpFault,
        }
    }

    /// Writes a further record into the log.
    pub fn note(&self, record: &impl Display) {
        self.log.write(record);
    }

    /// Writes what every CPU did in all.
    pub fn close(&self) {
        self.log.close(&self.engine);
    }

    /// Lets a load's time pass, and makes its revision the CPU's.
    fn finish(&self, began_ns: u64, load: &Load) {
        self.pass_ns(began_ns, load.duration_ns);
        self.engine.finish(load);
    }

    /// Returns when so much time has passed since `began_ns`.
    fn pass_ns(&self, began_ns: u64, duration_ns: u64) {
        let end_ns = began_ns.saturating_add(duration_ns);
        loop {
            let left = Duration::from_nanos(end_ns.saturating_sub(self.log.now_ns()));
            match left.checked_sub(SPIN) {
                _ if left.is_zero() => return,
                Some(nap) if !nap.is_zero() => thread::sleep(nap),
                _ => std::hint::spin_loop(),
            }
        }
    }
}
