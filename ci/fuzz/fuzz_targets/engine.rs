//! Any accesses by any threads, on any memory: the model answers, a revision
//! changes by a finished load alone, and what it takes the loader's own reader
//! takes too.

#![no_main]
#![forbid(unsafe_code)]

use engine::{Access, Engine, Load, Reply};
use libfuzzer_sys::fuzz_target;
use microcode::profile::MinimumRule;
use microcode::{CpuKind, Policy, Reason, Vendor};
use muster_fuzz::accesses::{INTEL, Input, NR_CPUS, START};

fuzz_target!(|input: Input<'_>| {
    let memory = input.memory();
    let vendor = input.vendor();
    let engine = Engine::new(input.config()).expect("the configuration is sound");
    let mut unfinished: Vec<Load> = Vec::new();
    let revisions = || {
        (0..NR_CPUS)
            .map(|cpu| engine.revision(cpu))
            .collect::<Vec<_>>()
    };

    for step in &input.steps {
        let before = revisions();
        let Some((cpu, access)) = step.access(vendor) else {
            if !unfinished.is_empty() {
                engine.finish(&unfinished.remove(0));
            }
            continue;
        };
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
