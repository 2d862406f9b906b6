//! Any accesses by any threads, on any memory: the model answers, a revision
//! changes by a finished load alone, and what it takes the loader's own reader
//! takes too.

#![no_main]
#![forbid(unsafe_code)]

use engine::{Access, Config, Engine, LateLoad, Load, Reply, msr};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use microcode::profile::MinimumRule;
use microcode::{CpuKind, Policy, Reason, Vendor};
use muster_fuzz::repair;

/// Where the memory lies, and how many CPUs of two threads a core there are.
const START: u64 = 0x1_0000;
const NR_CPUS: u32 = 4;
const INTEL: u32 = 0x0005_06e3;
const AMD: u32 = 0x0080_0f12;
const REGISTERS: [u32; 7] = [
    msr::PLATFORM_ID,
    msr::BIOS_UPDT_TRIG,
    msr::BIOS_SIGN_ID,
    msr::ARCH_CAPABILITIES,
    msr::MCU_CONTROL,
    msr::PATCH_LOADER,
    0x1b,
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Whether the sums are made right first.
    repair: bool,
    is_amd: bool,
    platform_id: u8,
    steps: Vec<Step>,
    memory: &'a [u8],
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Cpuid {
        cpu: u8,
    },
    Read {
        cpu: u8,
        register: u8,
    },
    Write {
        cpu: u8,
        register: u8,
        value: u64,
    },
    /// A write of the load register with an address within the memory or near.
    Load {
        cpu: u8,
        offset: u16,
    },
    /// The oldest load that is not finished is.
    Finish,
}

fuzz_target!(|input: Input<'_>| {
    let mut memory = input.memory.to_vec();
    if input.repair {
        repair(&mut memory);
    }
    let (vendor, signature, load_register) = if input.is_amd {
        (Vendor::Amd, AMD, msr::PATCH_LOADER)
    } else {
        (Vendor::Intel, INTEL, msr::BIOS_UPDT_TRIG)
    };
    let config = Config {
        threads: 2,
        platform_id: if input.is_amd {
            0
        } else {
            input.platform_id % 8
        },
        late_load: if input.is_amd {
            LateLoad::Always
        } else {
            LateLoad::Enabled
        },
        ..Config::new(vendor, signature, NR_CPUS)
    };
    let engine = Engine::new(config).expect("the configuration is sound");
    let mut unfinished: Vec<Load> = Vec::new();
    let revisions = || {
        (0..NR_CPUS)
            .map(|cpu| engine.revision(cpu))
            .collect::<Vec<_>>()
    };

    for step in input.steps {
        let before = revisions();
        let (cpu, access) = match step {
            Step::Cpuid { cpu } => (cpu, Access::Cpuid),
            Step::Read { cpu, register } => (cpu, Access::Read(number(register))),
            Step::Write {
                cpu,
                register,
                value,
            } => (cpu, Access::Write(number(register), value)),
            Step::Load { cpu, offset } => {
                let address = START + u64::from(offset);
                (cpu, Access::Write(load_register, address))
            }
            Step::Finish => {
                if !unfinished.is_empty() {
                    engine.finish(&unfinished.remove(0));
                }
                continue;
            }
        };
        let cpu = u32::from(cpu) % NR_CPUS;
        let answer = engine.begin(cpu, access, &(START, memory.as_slice()));
        assert_eq!(revisions(), before, "only a finished load changes one");
        if let Some(load) = answer.load {
            assert_ne!(answer.reply, Reply::Pass);
            if load.is_accepted() {
                let siblings = unfinished.iter().filter(|l| l.thread / 2 == cpu / 2);
                assert_eq!(siblings.count(), 0, "two inside one core");
                agree(&memory, access, &load, vendor, engine.config().platform_id);
                unfinished.push(load);
            }
        }
    }
});

fn number(register: u8) -> u32 {
    REGISTERS[usize::from(register) % REGISTERS.len()]
}

/// What the model takes of Intel's, the loader's reader would load, unless what
/// lies behind the data is damaged or cut, at which a CPU of the main header
/// never looks.
fn agree(memory: &[u8], access: Access, load: &Load, vendor: Vendor, platform_id: u8) {
    let (Access::Write(_, address), Vendor::Intel) = (access, vendor) else {
        return;
    };
    let start = usize::try_from(address - START - 48).expect("the header was read");
    let scan = microcode::scan(&memory[start..]);
    let kind = CpuKind {
        platform_id,
        revision: load.before,
        ..CpuKind::new(vendor, INTEL)
    };
    let policy = Policy {
        force: true,
        // A loader minds it, a CPU does not.
        minimum: Some(MinimumRule::Ignored),
        ..Policy::default()
    };
    let first = scan.candidates.first().expect("an update is there");
    assert_eq!(Ok(first.update.revision()), load.outcome);
    let behind_data = first.defect.is_some_and(|defect| {
        let name = defect.name();
        let is_cut = name == "cut" && first.checksum_ok() == Some(true);
        is_cut || name.contains("table") || name.contains("entry")
    });
    let reason = &microcode::judge(&scan, &kind, &policy)[0];
    assert!(
        behind_data || matches!(reason, Reason::Chosen | Reason::Superseded { .. }),
        "{reason:?}"
    );
}
