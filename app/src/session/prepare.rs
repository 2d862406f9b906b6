//! From the microcode to a request: everything that can fail, before anybody is
//! stopped.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32};

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
use crate::request::{Request, Revisions, Work};
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
        let mut plan = Plan::make(probes, &scan, &policy, &mut self.cache).map_err(error)?;
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
        let request = Arc::new(self.request(&plan).map_err(error)?);
        self.round = Some(Round {
            plan,
            request: Arc::clone(&request),
            began_ticks,
        });
        Ok(Some(request))
    }

    /// Puts together all that the workers need, so that they need nothing more.
    fn request(&self, plan: &Plan) -> Result<Request, String> {
        let Setup {
            arguments,
            topology,
            clock,
            model,
            probes,
            ..
        } = &self.setup;
        let work = probes
            .iter()
            .zip(&plan.shares)
            .map(|(probe, share)| {
                let update = share.update.as_ref().filter(|_| share.loads());
                let work = Work {
                    vendor: probe.identity.vendor,
                    update: update.cloned(),
                };
                match work.loadable() {
                    Some(Err(bad)) => Err(format!("the cached update cannot be loaded: {bad:?}")),
                    Some(Ok(_)) | None => Ok(work),
                }
            })
            .collect::<Result<_, _>>()?;
        let loads = |cpu: u32| {
            let is_there = self.lost[cpu as usize].is_none() && !arguments.offline.contains(&cpu);
            is_there && plan.shares[cpu as usize].loads()
        };
        let tasks = (0..)
            .zip(plan.shares.iter().zip(&self.lost))
            .map(|(cpu, (share, lost))| {
                let is_offline = arguments.offline.contains(&cpu);
                let mut siblings = topology.threads_of(topology.core_of(cpu));
                match lost {
                    Some(_) => Task::Absent,
                    None if is_offline && siblings.any(loads) => Task::Hold,
                    None if is_offline => Task::Absent,
                    None => share.task(),
                }
            })
            .collect();
        let plan = rendezvous::Plan::new(
            Arc::clone(topology),
            tasks,
            self.control,
            probes[0].identity.vendor == cpu::Vendor::Amd,
            arguments.options,
            arguments.timeouts,
        );
        Ok(Request {
            rendezvous: Rendezvous::new(arguments.protocol, plan),
            work,
            clock: *clock,
            model: *model,
            // What is to go wrong in the guest does so once.
            fault: arguments.fault.filter(|_| self.is_first()),
            revisions: Revisions::new(probes.len() as u32),
            features: self.is_first().then(|| After::new(probes.len() as u32)),
            is_over: AtomicBool::new(false),
            nr_masked: AtomicU32::new(0),
            has_begun: probes.iter().map(|_| AtomicBool::new(false)).collect(),
            nr_unanswered: AtomicU32::new(0),
        })
    }
}
