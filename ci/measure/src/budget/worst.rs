//! How long each protocol may take at the worst: its time-outs, one after another,
//! as its code enforces them.
//!
//! What may go wrong is what a load can bring about: another CPU answers the call
//! late or never, or its write takes longer or never ends, always so that no time-out
//! ends it earlier than need be. Of all ways that a CPU can then go whose own write
//! takes what writes take, the longest counts, from its call-in to its leaving. Tests
//! play these ways through, and many others by chance.
//!
//! Left out is what a CPU does between its waits, and that a wait looks at its clock
//! once in some rounds: microseconds. CPUs that are held up elsewhere, by an SMI or
//! by a hypervisor, come on top.

use rendezvous::{NR_BATCHES, Name, OnHang, Order};

use super::{Part, Us};
use crate::simulated::Setting;

/// The parts of a CPU's way, one after another.
type Way = Vec<Part>;

/// The sizes and times of a setting.
struct Sizes {
    cpus: u64,
    cores: u64,
    has_siblings: bool,
    /// CPUs that write: each on AMD's, else the lowest of each core.
    writers: u64,
    call_in: Us,
    update: Us,
    load: Us,
}

/// The longest way, and how long a CPU stands still in it.
pub(super) struct Worst {
    pub(super) parts: Way,
    pub(super) stopped: Us,
}

pub(super) fn worst(setting: &Setting) -> Worst {
    let sizes = Sizes::of(setting);
    let ways = match setting.protocol {
        _ if sizes.cpus == 1 => vec![alone(setting, &sizes)],
        Name::Muster => muster(setting, &sizes),
        Name::SerialChain => vec![serial_chain(setting, &sizes)],
        Name::XenV5 => xen_v5(&sizes),
        Name::Xen => xen(&sizes),
        Name::Linux => linux(setting, &sizes),
        Name::Batches => batches(setting, &sizes),
    };
    let parts = ways.into_iter().max_by_key(|way| total(way));
    let mut parts = parts.unwrap_or_default();
    parts.retain(|part| part.at_most > Us(0));
    let stopped = if stops_all(setting) {
        total(&parts)
    } else {
        sizes.load
    };
    Worst { parts, stopped }
}

/// Whether a CPU stands still from its call-in until it leaves, or for its own write
/// alone.
pub(super) fn stops_all(setting: &Setting) -> bool {
    setting.protocol != Name::SerialChain
}

/// How long all parts take.
pub(super) fn total(way: &[Part]) -> Us {
    way.iter().map(|part| part.at_most).sum()
}

impl Sizes {
    fn of(setting: &Setting) -> Self {
        let cpus = setting.nr_cpus().into();
        let cores = u64::from(setting.nr_packages) * u64::from(setting.nr_cores);
        Self {
            cpus,
            cores,
            has_siblings: setting.nr_threads > 1,
            writers: if setting.is_amd { cpus } else { cores },
            call_in: Us(setting.timeouts.call_in_us),
            update: Us(setting.timeouts.update_us),
            load: Us(setting.load_us),
        }
    }
}

fn part(at_most: Us, why: impl Into<String>) -> Part {
    Part {
        at_most,
        why: why.into(),
    }
}

/// Looking the update up once more.
fn parse(setting: &Setting) -> Us {
    Us(setting.costs.parse.div_ceil(1000))
}

fn alone(setting: &Setting, sizes: &Sizes) -> Way {
    let parse = match setting.protocol {
        Name::SerialChain => parse(setting),
        _ => Us(0),
    };
    vec![
        part(parse, "It reads the blob."),
        part(sizes.load, "It writes, and there is nobody to wait for."),
    ]
}

fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{number} times"),
    }
}

fn muster(setting: &Setting, sizes: &Sizes) -> Vec<Way> {
    let &Sizes {
        cores,
        call_in,
        update,
        load,
        ..
    } = sizes;
    let (nr_steps, steps) = match setting.options.order {
        Order::Serial if cores > 1 => (cores, format!("one step for each of {cores} cores")),
        Order::Canary if cores > 1 => (2, "a step for the canary and one for the rest".into()),
        _ => (1, "one step, since all cores write at once".into()),
    };
    let gate = || {
        part(
            call_in,
            "The gate opens or closes before that, counted from the call, for all CPUs.",
        )
    };
    let mut through = vec![
        gate(),
        part(
            update * nr_steps,
            format!("From the gate on each step has {update}: {steps}. Whoever can then leaves."),
        ),
    ];
    if setting.is_amd && sizes.has_siblings {
        through.push(part(
            load,
            "A thread that began to write just before that is not torn out of its write.",
        ));
        return vec![through];
    }
    let longer_than_its_step = vec![
        gate(),
        part(
            update * (nr_steps - 1),
            format!("From the gate on each step before the last has {update}: {steps}."),
        ),
        part(
            load,
            "A leader of the last step is not torn out of its write, which takes longer.",
        ),
    ];
    vec![through, longer_than_its_step]
}

fn serial_chain(setting: &Setting, sizes: &Sizes) -> Way {
    let &Sizes {
        call_in, update, ..
    } = sizes;
    let nr_before = sizes.cpus - 1;
    vec![
        part(
            call_in,
            "The first CPU's turn has to come before that, counted from the call.",
        ),
        part(
            update * nr_before,
            format!("Each CPU waits {update} longer for each before it: {nr_before} at the last."),
        ),
        part(
            parse(setting) + sizes.load,
            "A CPU whose turn comes just before that reads the blob and writes.",
        ),
    ]
}

/// The end of those that Xen and Linux stop by their own means.
fn stop_machine(sizes: &Sizes) -> Part {
    let &Sizes {
        cpus,
        call_in,
        update,
        ..
    } = sizes;
    part(
        call_in + update * cpus,
        format!(
            "Nobody leaves before all are through. Where one is not, those that wait leave after \
             the time of the call-in and {update} for each of {cpus} CPUs; the protocol's origin \
             waits for ever."
        ),
    )
}

/// Each CPU's own wait for all, of those that decide by themselves.
fn own_call_in(sizes: &Sizes) -> Part {
    part(
        sizes.call_in,
        "Each CPU waits as long as that for the others, counted from its own call-in.",
    )
}

fn write(sizes: &Sizes) -> Part {
    part(sizes.load, "It writes.")
}

fn xen_v5(sizes: &Sizes) -> Vec<Way> {
    let &Sizes { cores, update, .. } = sizes;
    let wait_for = |nr_leaders: u64| {
        // One that gave up at its call-in does not come out either.
        let nr_times = nr_leaders.max(1);
        part(
            update * nr_times,
            format!(
                "It waits for the others to come out, for {update} that is granted anew after \
                 each that wrote: {}. Whoever then misses one goes on.",
                times(nr_times)
            ),
        )
    };
    let mut leader = vec![own_call_in(sizes), write(sizes), wait_for(cores - 1)];
    if cores > 1 {
        leader.push(stop_machine(sizes));
    }
    let mut ways = vec![leader];
    if sizes.has_siblings {
        ways.push(vec![
            own_call_in(sizes),
            wait_for(cores),
            stop_machine(sizes),
        ]);
    }
    ways
}

fn xen(sizes: &Sizes) -> Vec<Way> {
    let &Sizes {
        cpus,
        writers,
        call_in,
        update,
        load,
        ..
    } = sizes;
    let wait_for_control = || {
        part(
            call_in + update * (cpus + 1),
            format!(
                "Another thread waits for the control thread, which writes first, as long as the \
                 call-in has and {update} for each of {cpus} CPUs and once more; the protocol's \
                 origin for ever."
            ),
        )
    };
    let wait_for = |nr_writers: u64| {
        part(
            update * nr_writers,
            format!(
                "The control thread waits for others that write besides it, for {update} that is \
                 granted anew after each: {}.",
                times(nr_writers)
            ),
        )
    };
    let mut control = vec![
        part(
            call_in,
            "The control thread waits as long as that for the others.",
        ),
        write(sizes),
        wait_for(writers - 1),
    ];
    let mut ways = vec![vec![wait_for_control(), stop_machine(sizes)]];
    if writers > 1 {
        control.push(stop_machine(sizes));
        let mut other = vec![wait_for_control(), write(sizes)];
        // Beside itself and the control thread, which are through; and without those that
        // kept the control thread waiting while it wrote.
        if writers > 2 {
            let nr_meanwhile = load.0.checked_div(update.0).unwrap_or(writers);
            other.push(wait_for((writers - 2).saturating_sub(nr_meanwhile)));
            other.push(stop_machine(sizes));
        }
        ways.push(other);
    }
    ways.push(control);
    ways
}

fn linux(setting: &Setting, sizes: &Sizes) -> Vec<Way> {
    let mut leader = vec![own_call_in(sizes), write(sizes)];
    if sizes.writers > 1 {
        leader.push(stop_machine(sizes));
    }
    let mut ways = vec![leader];
    if sizes.has_siblings {
        let wait = || {
            part(
                sizes.update,
                "A sibling waits as long as that for its core's first thread.",
            )
        };
        ways.push(vec![own_call_in(sizes), wait(), stop_machine(sizes)]);
        if setting.is_amd {
            let mut writes = vec![own_call_in(sizes), wait(), write(sizes)];
            // Beside itself and its core's first thread, which is through.
            if sizes.cpus > 2 {
                writes.push(stop_machine(sizes));
            }
            ways.push(writes);
        }
    }
    ways
}

fn batches(setting: &Setting, sizes: &Sizes) -> Vec<Way> {
    let &Sizes {
        call_in,
        update,
        load,
        ..
    } = sizes;
    let nr_batches = NR_BATCHES as u64;
    let batch = |cpu| u64::from(setting.apic_id(cpu)) % nr_batches;
    let called = || (1..setting.nr_cpus()).map(batch);
    let (first, last) = (called().min().unwrap_or(0), called().max().unwrap_or(0));
    let nr_drives = nr_batches - first;
    let nr_waits = last + 2;
    vec![
        vec![
            part(load, "The control CPU writes first."),
            part(
                update * nr_drives,
                format!(
                    "It gives {update} to each of {nr_drives} batches from the first that has \
                     CPUs, those without among them where one CPU is not through."
                ),
            ),
        ],
        vec![
            part(
                call_in + update * nr_waits,
                format!(
                    "A CPU of the last batch waits for its call as long as the call-in has and \
                     {nr_waits} times {update}, counted from the request; the first CPU's write \
                     and the batches before it are over by then."
                ),
            ),
            part(
                load,
                "A CPU that is called just before that writes to the end.",
            ),
        ],
    ]
}

/// What becomes of a machine on which a wait for another CPU's write ends so.
pub(super) fn on_time_out(setting: &Setting) -> &'static str {
    match (setting.protocol, setting.options.on_hang) {
        (Name::SerialChain | Name::Batches, _) => {
            "A CPU whose time is over leaves without a write."
        }
        (_, OnHang::Leave) => "A CPU that is missed is left where it is; the others go on.",
        (_, OnHang::Panic) => "The machine panics when a CPU is missed, by its options.",
    }
}
