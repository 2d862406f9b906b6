//! CPUs that were left out at boot and come online when the loads are done: what
//! each does before it runs anything else.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use cpu::update::Loadable;
use cpu::{Native, Place};
use hermit::ring0;
use microcode::Cache;
use once_cell::race::OnceBox;
use report::record::Arrival;
use report::{Hex32, Outcome, Status};
use spinning_top::Spinlock;

use crate::console::emit;
use crate::plan;
use crate::tests::Tests;
use crate::worker;

/// What the CPUs find that come online.
struct Welcome {
    cache: Cache,
    /// What each did, by its number. Nobody waits for the lock: CPUs come one
    /// after another.
    done: Spinlock<Vec<(u32, Done)>>,
}

/// What a CPU did.
#[derive(Clone, Copy, Debug)]
struct Done {
    place: Place,
    before: u32,
    target: Option<u32>,
    outcome: Outcome,
    nr_loads: u32,
}

static WELCOME: OnceBox<Welcome> = OnceBox::new();

/// The kernel's hook: nothing else has run on this CPU.
fn on_online(cpu: u32) {
    if let Some(welcome) = WELCOME.get()
        && let Ok(done) = bring_up_to_date(&welcome.cache)
    {
        welcome.done.lock().push((cpu, done));
    }
}

/// Loads what the others have proven, if it is newer than what this CPU runs.
fn bring_up_to_date(cache: &Cache) -> Result<Done, cpu::GpFault> {
    let identity = cpu::identity::identity(&Native).map_err(|_| cpu::GpFault)?;
    let vendor = identity.vendor;
    let before = cpu::update::revision(&Native, vendor)?;
    let kind = plan::kind(&identity, before);
    let target = cache.proven(&kind).map(|cached| cached.revision());
    let mut done = Done {
        place: cpu::topology::place(&Native, vendor),
        before,
        target,
        outcome: match target {
            Some(_) if !identity.loading_disabled => Outcome::Already,
            _ => Outcome::Refused,
        },
        nr_loads: 0,
    };
    let loadable = |bytes| Loadable::new(vendor, bytes).ok();
    if let Some(update) = cache.due(&kind).and_then(|due| loadable(due.bytes())) {
        done.nr_loads = 1;
        done.outcome = match cpu::update::load(&Native, &update) {
            Err(_) => Outcome::GpFault,
            Ok(()) => match cpu::update::revision(&Native, vendor)? {
                after if Some(after) == target => Outcome::Updated,
                after if after == before => Outcome::NotTaken,
                _ => Outcome::Mismatch,
            },
        };
    }
    Ok(done)
}

/// Brings every CPU online that was left out, and ends the test about them.
pub(crate) fn bring_all(cache: Cache, tests: &mut Tests) {
    let welcome = WELCOME.get_or_init(|| {
        Box::new(Welcome {
            cache,
            done: Spinlock::new(Vec::new()),
        })
    });
    ring0::set_online_hook(on_online);
    let mut complaint = None;
    let mut is_any_due = false;
    for apic_id in ring0::offline_cpus() {
        let arrival = bring(welcome, apic_id);
        let what = match arrival {
            Err(reason) => Some(format!("the CPU with APIC id {apic_id}: {reason}")),
            Ok(arrival) => {
                emit(&arrival);
                is_any_due |= arrival.target.is_some();
                let is_there = arrival.target.is_none()
                    || arrival.outcome.is_success() && arrival.after == arrival.target;
                (!is_there).then(|| format!("CPU {} ended as {}", arrival.id, arrival.outcome))
            }
        };
        complaint = complaint.or(what);
    }
    if complaint.is_none() && !is_any_due {
        return tests.end(
            Status::Skip,
            "no update was proven that they could be given",
        );
    }
    tests.check(complaint);
}

/// Brings the next CPU online and has a worker look at it.
fn bring(welcome: &Welcome, apic_id: u8) -> Result<Arrival, String> {
    let cpu = ring0::bring_online().map_err(ToString::to_string)?;
    let done = welcome
        .done
        .lock()
        .iter()
        .find(|(of, _)| *of == cpu)
        .copied();
    let (_, done) = done.ok_or("it came without having looked at its revision")?;
    let probe = worker::start_one(cpu)?;
    let Place {
        package,
        core,
        thread,
        ..
    } = done.place;
    Ok(Arrival {
        id: cpu,
        apic_id: apic_id.into(),
        package,
        core,
        thread,
        before: Hex32(done.before),
        after: Some(Hex32(probe.revision)),
        target: done.target.map(Hex32),
        outcome: done.outcome,
        nr_loads: done.nr_loads,
    })
}
