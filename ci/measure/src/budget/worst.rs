//! How long each protocol may take at the worst: its time-outs, one after another,
//! as its code enforces them.
//!
//! What is added up is the longest way of a CPU whose own write takes what writes
//! take: the others are as late and as slow as they can be without a time-out that
//! ends it earlier. A test plays these ways through. A wait looks at its clock once
//! in some rounds, so each may take a microsecond more.

use rendezvous::{Name, OnHang, Order};

use super::{Part, Us};
use crate::simulated::Setting;

/// Batches of `batches`, by the lowest bits of the APIC ids.
const NR_BATCHES: u32 = 8;

/// The sizes and times of a setting.
struct Sizes {
    cpus: u64,
    cores: u64,
    call_in: Us,
    update: Us,
    load: Us,
}

/// The parts of the longest way, and how long a CPU stands still in it.
pub(super) struct Worst {
    pub(super) parts: Vec<Part>,
    pub(super) stopped: Us,
}

pub(super) fn worst(setting: &Setting) -> Worst {
    let sizes = Sizes {
        cpus: setting.nr_cpus().into(),
        cores: (setting.nr_cpus() / setting.nr_threads).into(),
        call_in: Us(setting.timeouts.call_in_us),
        update: Us(setting.timeouts.update_us),
        load: Us(setting.load_us),
    };
    let parts = match setting.protocol {
        Name::Muster => muster(setting, &sizes),
        Name::SerialChain => return serial_chain(setting, &sizes),
        Name::XenV5 => xen_v5(&sizes),
        Name::Xen => xen(setting, &sizes),
        Name::Linux => linux(setting, &sizes),
        Name::Batches => batches(setting, &sizes),
    };
    let stopped = parts.iter().map(|part| part.at_most).sum();
    Worst { parts, stopped }
}

fn part(at_most: Us, why: impl Into<String>) -> Part {
    Part {
        at_most,
        why: why.into(),
    }
}

fn muster(setting: &Setting, sizes: &Sizes) -> Vec<Part> {
    let Sizes {
        cores,
        call_in,
        update,
        load,
        ..
    } = *sizes;
    let (nr_steps, steps) = match setting.options.order {
        Order::Serial => (cores, format!("one step for each of {cores} cores")),
        Order::Canary if cores > 1 => (2, "a step for the canary and one for the rest".into()),
        Order::Parallel | Order::Canary => (1, "one step, since all cores write at once".into()),
    };
    vec![
        part(
            call_in,
            "The gate opens or closes before that, counted from the call, for all CPUs.",
        ),
        part(
            update * nr_steps,
            format!("From the gate on each step has {update}: {steps}. Then all leave."),
        ),
        part(
            load,
            "A thread that began to write just before that is not torn out of its write.",
        ),
    ]
}

fn serial_chain(setting: &Setting, sizes: &Sizes) -> Worst {
    let Sizes {
        cpus,
        call_in,
        update,
        load,
        ..
    } = *sizes;
    let parse = Us(setting.costs.parse.div_ceil(1000));
    let nr_before = cpus - 1;
    let parts = vec![
        part(
            call_in,
            "The first CPU's turn has to come before that, counted from the call.",
        ),
        part(
            update * nr_before,
            format!("Each CPU waits {update} longer for each before it: {nr_before} at the last."),
        ),
        part(
            parse + load,
            "A CPU whose turn comes just before that reads the blob and writes.",
        ),
    ];
    // Who waits has interrupts on.
    Worst {
        parts,
        stopped: load,
    }
}

/// The end of those that Xen and Linux stop by their own means.
fn stop_machine(sizes: &Sizes) -> Part {
    let Sizes {
        cpus,
        call_in,
        update,
        ..
    } = *sizes;
    part(
        call_in + update * cpus,
        format!(
            "Nobody leaves before all are through. Where one is not, those that wait leave after \
             the time of the call-in and {update} for each of {cpus} CPUs; the protocol's origin \
             waits for ever."
        ),
    )
}

fn xen_v5(sizes: &Sizes) -> Vec<Part> {
    let Sizes {
        cpus,
        call_in,
        update,
        load,
        ..
    } = *sizes;
    let nr_others = cpus - 1;
    vec![
        part(
            call_in,
            "Each CPU waits as long as that for the others, counted from its own call-in.",
        ),
        part(load, "It writes."),
        part(
            update * nr_others,
            format!(
                "It waits for the others to come out, for {update} that is granted anew after \
                 each: {nr_others} times. Whoever then misses one goes on."
            ),
        ),
        stop_machine(sizes),
    ]
}

fn xen(setting: &Setting, sizes: &Sizes) -> Vec<Part> {
    let Sizes {
        cpus,
        cores,
        call_in,
        update,
        load,
    } = *sizes;
    let nr_writers = if setting.is_amd { cpus } else { cores };
    let nr_others = nr_writers - 1;
    if cpus == 1 {
        return vec![part(load, "It writes, and there is nobody to wait for.")];
    }
    let nr_patience = cpus + 1;
    vec![
        part(
            call_in + update * nr_patience,
            format!(
                "Another thread waits for the control thread, which writes first, as long as the \
                 call-in has and {update} for each of {cpus} CPUs and once more; the protocol's \
                 origin for ever."
            ),
        ),
        part(load, "It writes when the control thread has."),
        part(
            update * nr_others,
            format!(
                "The control thread waits for those that write besides it, for {update} that is \
                 granted anew after each: {nr_others} times."
            ),
        ),
        stop_machine(sizes),
    ]
}

fn linux(setting: &Setting, sizes: &Sizes) -> Vec<Part> {
    let Sizes {
        call_in,
        update,
        load,
        ..
    } = *sizes;
    let mut parts = vec![part(
        call_in,
        "Each CPU waits as long as that for the others, counted from its own call-in.",
    )];
    if setting.nr_threads > 1 {
        parts.push(part(
            update,
            "A sibling waits as long as that for its core's first thread.",
        ));
    }
    parts.push(part(
        load,
        "It writes, where it finds its revision old (each on AMD's CPUs, else the first thread).",
    ));
    parts.push(stop_machine(sizes));
    parts
}

fn batches(setting: &Setting, sizes: &Sizes) -> Vec<Part> {
    let Sizes {
        call_in,
        update,
        load,
        ..
    } = *sizes;
    let batch = (0..setting.nr_cpus()).map(|cpu| setting.apic_id(cpu) % NR_BATCHES);
    let nr_waits = u64::from(batch.max().unwrap_or(0)) + 2;
    let patience = call_in + update * nr_waits;
    let drive = update * NR_BATCHES.into();
    if patience < drive {
        return vec![
            part(load, "The control CPU writes first."),
            part(
                drive,
                format!(
                    "It gives {update} to each of {NR_BATCHES} batches, those without CPUs \
                     among them where one CPU is not through."
                ),
            ),
        ];
    }
    vec![
        part(
            patience,
            format!(
                "A CPU of the last batch waits for its call as long as the call-in has and \
                 {nr_waits} times {update}, counted from the request; the first CPU's write and \
                 the batches before it are over by then."
            ),
        ),
        part(
            load,
            "A CPU that is called just before that writes to the end.",
        ),
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
