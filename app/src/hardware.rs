//! What takes the microcode write: the CPU's own registers, or a model of them
//! within this program, for machines on which a write has no effect.
//!
//! All else asks a [`Registers`] and does not know which it is.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::hint::spin_loop;

use cpu::registers::{CpuIdReader, CpuIdResult, Msr};
use cpu::tsc::Clock;
use cpu::{GpFault, Native, Registers};
use engine::{Access, Config, CoreConfig, Cost, Engine, Fault, Feature, Memory, Reply, Unmapped};
use once_cell::race::OnceBox;
use rendezvous::Topology;

use crate::verdicts::microcode_vendor;
use crate::worker::Probe;

/// What the modelled CPUs are told on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelArguments {
    /// The revision that they start with; the real CPU's without it.
    pub(crate) revision: Option<u32>,
    pub(crate) cost: Cost,
    pub(crate) faults: Vec<Fault>,
    pub(crate) features: Vec<Feature>,
}

/// The model of all CPUs.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) engine: Engine,
    clock: Clock,
    /// The model's number of each CPU: it counts threads through cores.
    threads: Vec<u32>,
}

static MODEL: OnceBox<Model> = OnceBox::new();

impl Model {
    /// Models the CPUs that were found.
    pub(crate) fn of(
        probes: &[Probe],
        topology: &Topology,
        clock: Clock,
        arguments: &ModelArguments,
    ) -> Result<&'static Self, String> {
        let first = &probes[0];
        let vendor = microcode_vendor(first.identity.vendor);
        let nr_threads = 1 + probes.iter().map(|p| p.place.thread).max().unwrap_or(0);
        let nr_cores = topology.nr_cores();
        let cores = || (0..).map(|cpu| topology.core_of(cpu)).zip(probes);
        let own = |core: u32| {
            let (_, probe) = cores().find(|(of_probe, _)| *of_probe == core)?;
            Some(CoreConfig {
                id: core,
                signature: Some(probe.identity.signature),
                platform_id: Some(probe.identity.platform_id),
                revision: arguments.revision.or(Some(probe.revision)),
            })
        };
        let config = Config {
            platform_id: first.identity.platform_id,
            revision: arguments.revision.unwrap_or(first.revision),
            threads: nr_threads,
            cost: arguments.cost,
            core: (0..nr_cores).filter_map(own).collect(),
            fault: arguments.faults.clone(),
            feature: arguments.features.clone(),
            ..Config::new(vendor, first.identity.signature, nr_cores * nr_threads)
        };
        let threads = cores()
            .map(|(core, probe)| core * nr_threads + probe.place.thread)
            .collect();
        Self::start(config, clock, threads)
    }

    /// Models CPUs that are given, one for each of `nr_cpus`.
    pub(crate) fn given(
        config: Config,
        clock: Clock,
        nr_cpus: u32,
    ) -> Result<&'static Self, String> {
        Self::start(config, clock, (0..nr_cpus).collect())
    }

    fn start(config: Config, clock: Clock, threads: Vec<u32>) -> Result<&'static Self, String> {
        let engine = Engine::new(config).map_err(|error| error.to_string())?;
        let model = Self {
            engine,
            clock,
            threads,
        };
        Ok(MODEL.get_or_init(|| Box::new(model)))
    }

    /// The model's number of a CPU.
    pub(crate) fn thread(&self, cpu: u32) -> u32 {
        self.threads[cpu as usize]
    }
}

/// The registers of the CPU that uses them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CpuRegisters<'a> {
    /// The real ones.
    Native,
    /// Those of a CPU of the model.
    Modelled {
        model: &'static Model,
        cpu: u32,
        /// What the modelled CPU may read.
        memory: Regions<'a>,
    },
}

impl<'a> CpuRegisters<'a> {
    pub(crate) fn new(model: Option<&'static Model>, cpu: u32, memory: &'a [&'a [u8]]) -> Self {
        model.map_or(Self::Native, |model| Self::Modelled {
            model,
            cpu,
            memory: Regions(memory),
        })
    }
}

/// Memory that a modelled CPU may read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regions<'a>(&'a [&'a [u8]]);

impl Memory for Regions<'_> {
    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Unmapped> {
        self.0
            .iter()
            .find_map(|region| {
                let start = region.as_ptr().addr() as u64;
                (start, *region).read(address, buffer).ok()
            })
            .ok_or(Unmapped)
    }
}

/// Lets a modelled CPU do something, and the time pass that it takes.
#[inline(never)]
fn perform(model: &Model, cpu: u32, access: Access, memory: Regions<'_>) -> Reply {
    let began_ns = model.clock.ns(Native.read_tsc());
    let answer = model.engine.begin(model.thread(cpu), access, &memory);
    let duration_ns = answer.load.map_or(answer.cost_ns, |load| load.duration_ns);
    // A load that hangs does so for ever: that is what it models.
    while model.clock.ns(Native.read_tsc()) - began_ns < duration_ns {
        spin_loop();
    }
    if let Some(load) = &answer.load {
        model.engine.finish(load);
    }
    answer.reply
}

impl CpuIdReader for CpuRegisters<'_> {
    fn cpuid2(&self, leaf: u32, subleaf: u32) -> CpuIdResult {
        let answer = Native.cpuid2(leaf, subleaf);
        let Self::Modelled { model, cpu, memory } = *self else {
            return answer;
        };
        perform(model, cpu, Access::Cpuid, memory);
        changed(model, cpu, (leaf, subleaf), answer)
    }
}

/// What a modelled CPU makes of a real one's answer.
#[inline(never)]
fn changed(model: &Model, cpu: u32, (leaf, subleaf): (u32, u32), real: CpuIdResult) -> CpuIdResult {
    let change = model.engine.cpuid_change(model.thread(cpu), leaf, subleaf);
    let [eax, ebx, ecx, edx] = change.apply([real.eax, real.ebx, real.ecx, real.edx]);
    CpuIdResult { eax, ebx, ecx, edx }
}

impl Registers for CpuRegisters<'_> {
    fn read_msr(&self, msr: Msr) -> Result<u64, GpFault> {
        let Self::Modelled { model, cpu, memory } = *self else {
            return Native.read_msr(msr);
        };
        match perform(model, cpu, Access::Read(msr.0), memory) {
            Reply::Value(value) => Ok(value),
            Reply::GpFault => Err(GpFault),
            Reply::Pass | Reply::Done => Native.read_msr(msr),
        }
    }

    #[expect(unsafe_code, reason = "the trait's contract")]
    unsafe fn write_msr(&self, msr: Msr, value: u64) -> Result<(), GpFault> {
        if let Self::Modelled { model, cpu, memory } = *self {
            match perform(model, cpu, Access::Write(msr.0, value), memory) {
                Reply::Done | Reply::Value(_) => return Ok(()),
                Reply::GpFault => return Err(GpFault),
                Reply::Pass => {}
            }
        }
        // SAFETY: the caller's promise.
        unsafe { Native.write_msr(msr, value) }
    }

    fn read_tsc(&self) -> u64 {
        Native.read_tsc()
    }
}
