//! Two jobs beside the main one, about the CPUs alone: whether their registers
//! answer as the vectors say, and whether many reads at once are ever wrong.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use cpu::tsc::Clock;
use engine::conformance::{self, ALIGNMENT, Way};
use engine::{Access, Reply};
use hermit::ring0;
use microcode::Vendor;
use report::Status;

use crate::arguments::{Arguments, Job};
use crate::errand::{self, Errand, Outcome};
use crate::hardware::Model;
use crate::tests::Tests;
use crate::verdicts::{cpu_vendor, microcode_vendor};
use crate::{job, records, worker};

/// The CPUs of this machine, as the runner of the vectors sees them.
struct Machine {
    clock: Clock,
}

fn run_errand(cpu: u32, errand: Errand, clock: Clock) -> Result<Outcome, String> {
    errand::send(cpu, errand)?;
    errand::receive(cpu, clock)
}

impl Way for Machine {
    fn access(&mut self, cpu: u32, access: Access) -> Result<Reply, String> {
        match run_errand(cpu, Errand::Access(access), self.clock)? {
            Outcome::Reply(reply) => Ok(reply),
            Outcome::NrWrong(_) => Err("the answer to another errand".into()),
        }
    }

    fn place(&mut self, bytes: Vec<u8>) -> u64 {
        // The allocator's boundary may be a smaller one.
        let mut room: Vec<u8> = Vec::with_capacity(bytes.len() + ALIGNMENT);
        let start = room.as_ptr().addr().wrapping_neg() % ALIGNMENT;
        room.resize(start, 0);
        room.extend(bytes);
        let placed: &'static [u8] = &Box::leak(room.into_boxed_slice())[start..];
        errand::place(placed);
        placed.as_ptr().expose_provenance() as u64
    }
}

/// Does one of the two jobs and reports it.
pub(crate) fn run(arguments: &Arguments) {
    let clock = Clock::new(job::tsc_frequency().khz);
    let end = prepare(arguments, clock).and_then(|vendor| match arguments.job {
        Job::Reads { nr_times } => {
            let mut tests = Tests::plan(["reads"]);
            tests.check(reads_complaint(vendor, nr_times, clock));
            Ok(tests)
        }
        Job::Conformance | Job::Load | Job::DryRun => {
            let vectors = conformance::vectors(vendor).map_err(|bad| bad.to_string())?;
            let mut tests = Tests::plan(vectors.iter().map(|vector| vector.name));
            let mut machine = Machine { clock };
            for vector in &vectors {
                let end = conformance::run(vector, vendor, &mut machine);
                tests.check(end.err().map(|deviation| deviation.to_string()));
            }
            Ok(tests)
        }
    });
    match end {
        Ok(tests) => tests.close(),
        Err(reason) => {
            let mut tests = Tests::plan(["prepare"]);
            tests.stop(Status::Error, &reason);
            tests.close();
        }
    }
}

/// Starts the workers, says who is here, and lets the CPUs be sent on errands:
/// the real ones, or the vectors' own as a model.
fn prepare(arguments: &Arguments, clock: Clock) -> Result<Vendor, String> {
    let probes = worker::start()?;
    let topology = job::topology(&probes);
    records::header(&probes[0], &topology, job::tsc_frequency(), 0, arguments);
    let vendor = microcode_vendor(probes[0].identity.vendor);
    let nr_cpus = ring0::nr_cpus();
    let config = engine::Config {
        cpus: nr_cpus,
        threads: nr_cpus / topology.nr_cores(),
        ..conformance::config(vendor)
    };
    let model = arguments
        .is_modelled
        .then(|| Model::given(config, clock, nr_cpus))
        .transpose()?;
    errand::open(nr_cpus, model);
    worker::gather(|cpu| cpu != 0);
    Ok(vendor)
}

/// Lets every CPU read its revision so often, all at once, with a load in the
/// middle; how many reads were wrong, if any.
fn reads_complaint(vendor: Vendor, nr_times: u32, clock: Clock) -> Option<String> {
    let mut machine = Machine { clock };
    let mut all = || {
        let [before, after] = conformance::revisions(vendor);
        let load =
            conformance::load(vendor, "newer", &mut machine).ok_or("there is no update to load")?;
        for cpu in 0..ring0::nr_cpus() {
            let errand = Errand::ReadAndLoad {
                vendor: cpu_vendor(vendor),
                nr_times,
                before,
                load,
                after,
            };
            errand::send(cpu, errand)?;
        }
        let mut nr_wrong = 0;
        for cpu in 0..ring0::nr_cpus() {
            if let Outcome::NrWrong(nr) = errand::receive(cpu, clock)? {
                nr_wrong += nr;
            }
        }
        Ok::<_, String>(nr_wrong)
    };
    match all() {
        Ok(0) => None,
        Ok(nr_wrong) => Some(format!(
            "{nr_wrong} reads showed another revision than the CPU's"
        )),
        Err(reason) => Some(reason),
    }
}
