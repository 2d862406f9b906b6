//! From the microcode to a request: everything that can fail, before anybody is
//! stopped.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

use cpu::update::Loadable;
use cpu::{Native, Registers};
use microcode::Policy;
use rendezvous::{Rendezvous, Task};
use report::Status;
use report::record::Prepare;

use super::{Round, Session};
use crate::arguments::Job;
use crate::complaints;
use crate::console::emit;
use crate::features::After;
use crate::job::Setup;
use crate::plan::Plan;
use crate::records;
use crate::request::{Request, Revisions};
use crate::tests::Stop;

impl Session {
    /// Makes the next load's plan and request; none when all is done.
    pub(super) fn prepare(&mut self) -> Result<Option<Arc<Request>>, Stop> {
        let error = |reason: String| Stop(Status::Error, reason);
        let arguments = &self.setup.arguments;
        if self.history.nr_rounds >= arguments.nr_rounds || self.tests.are_over() {
            return Ok(None);
        }
        if self.lost[self.control as usize].is_some() {
            let reason = "the only CPU that came back cannot load, since its core still does";
            return Err(Stop(Status::Fail, reason.into()));
        }
        let is_first = self.is_first();
        if !is_first && arguments.is_raised() {
            let raised = self.setup.microcode.raise();
            raised.map_err(|refusal| error(refusal.to_string()))?;
        }
        let Setup {
            arguments,
            clock,
            microcode,
            source,
            probes,
            topology,
            ..
        } = &self.setup;
        let (mut request, mut plan) = (self.blank(), Plan::with_capacity(probes.len()));
        let began_ticks = Native.read_tsc();
        let scan = microcode::scan(microcode.bytes());
        let scan_ticks = Native.read_tsc().wrapping_sub(began_ticks);
        let nr_bytes = microcode.bytes().len();
        if is_first {
            records::initrd(&scan, *source, nr_bytes);
            complaints::judge_initrd(&mut self.tests, &scan, nr_bytes)?;
        }
        let policy = Policy {
            force: arguments.force,
            ..Policy::default()
        };
        plan.make(probes, &scan, &policy, &mut self.cache)
            .map_err(error)?;
        for (cpu, _) in (0..).zip(&self.lost).filter(|(_, lost)| lost.is_some()) {
            // Nobody knows what it does, so its siblings must not load.
            let core = topology.core_of(cpu);
            topology.threads_of(core).for_each(|cpu| plan.exclude(cpu));
        }
        plan.park(&arguments.offline, arguments.parked, topology);
        if is_first {
            emit(&Prepare {
                scan_ns: clock.ns(scan_ticks),
                judge_ns: clock.ns(plan.judge_ticks),
                cache_ns: clock.ns(plan.cache_ticks),
            });
            records::candidates(&scan, &plan);
            if arguments.job == Job::DryRun || !plan.loads() {
                records::idle_cpus(probes, &plan);
            }
            complaints::judge_plan(&mut self.tests, &plan)?;
            if arguments.job == Job::DryRun {
                return Ok(None);
            }
        }
        drop(scan);
        if !plan.loads() && self.lost.iter().any(Option::is_some) {
            let reason = "no core is left whose threads are all there";
            return Err(Stop(Status::Fail, reason.into()));
        }
        if !plan.loads() {
            let reason = "every CPU runs the newest update already";
            if is_first {
                self.tests.end(Status::Skip, reason);
                self.tests.end(Status::Skip, reason);
                self.tests.end(Status::Pass, "");
            }
            return Err(Stop(Status::Skip, reason.into()));
        }
        self.fill(&mut request, plan).map_err(error)?;
        self.round = Some(Round {
            request: Arc::clone(&request),
            began_ticks,
        });
        Ok(Some(request))
    }

    /// A request in which nobody loads yet. All the memory that it needs is
    /// allocated here, before there is a request.
    fn blank(&self) -> Arc<Request> {
        let Setup {
            arguments,
            topology,
            clock,
            model,
            probes,
            ..
        } = &self.setup;
        let vendor = probes[0].identity.vendor;
        let is_called =
            |cpu: u32| self.lost[cpu as usize].is_none() && !arguments.offline.contains(&cpu);
        let task = |cpu| {
            if is_called(cpu) {
                Task::Attend
            } else {
                Task::Absent
            }
        };
        let nr_cpus = topology.nr_cpus();
        let plan = rendezvous::Plan::new(
            Arc::clone(topology),
            (0..nr_cpus).map(task).collect(),
            self.control,
            vendor == cpu::Vendor::Amd,
            arguments.options,
            arguments.timeouts,
        );
        Arc::new(Request {
            rendezvous: Rendezvous::new(arguments.protocol, plan),
            plan: Plan::default(),
            vendor,
            clock: *clock,
            model: *model,
            // What is to go wrong in the guest does so once.
            fault: arguments.fault.filter(|_| self.is_first()),
            revisions: Revisions::new(nr_cpus),
            features: self.is_first().then(|| After::new(nr_cpus)),
            is_over: AtomicBool::new(false),
            nr_masked: AtomicU32::new(0),
            has_begun: probes.iter().map(|_| AtomicBool::new(false)).collect(),
            nr_unanswered: AtomicU32::new(0),
            overdue_us: AtomicU64::new(u64::MAX),
        })
    }

    /// Puts into a request what the workers need, so that they need nothing more.
    fn fill(&self, blank: &mut Arc<Request>, plan: Plan) -> Result<(), String> {
        let blank = Arc::get_mut(blank).ok_or("the request is another's already")?;
        let shares = plan.distinct_shares().iter();
        for update in shares.filter_map(|share| share.update.as_ref()) {
            Loadable::new(blank.vendor, update.bytes())
                .map_err(|bad| format!("the cached update cannot be loaded: {bad:?}"))?;
        }
        let Setup {
            arguments,
            topology,
            ..
        } = &self.setup;
        let (offline, lost) = (&arguments.offline, &self.lost);
        let loads = |cpu: u32| {
            let is_there = lost[cpu as usize].is_none() && !offline.contains(&cpu);
            is_there && plan.share(cpu).loads()
        };
        let siblings = |cpu: u32| topology.threads_of(topology.core_of(cpu));
        let task = |cpu: u32| {
            if lost[cpu as usize].is_some() {
                Task::Absent
            } else if !offline.contains(&cpu) {
                plan.share(cpu).task()
            } else if siblings(cpu).any(loads) {
                Task::Hold
            } else {
                Task::Absent
            }
        };
        blank.rendezvous.assign((0..topology.nr_cpus()).map(task));
        blank.plan = plan;
        Ok(())
    }
}
