//! Errands: what the control CPU has another CPU do and waits for, outside of
//! a rendezvous.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::hint::spin_loop;

use cpu::registers::{CpuIdReader, Msr};
use cpu::{GpFault, Native, Registers, Vendor};
use engine::{Access, Reply};
use once_cell::race::OnceBox;
use spinning_top::Spinlock;

use crate::hardware::{CpuRegisters, Model};

/// How long an errand may take.
const TIMEOUT_NS: u64 = 60_000_000_000;

/// What a CPU is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Errand {
    /// One access of a register.
    Access(Access),
    /// Read the revision so many times, and load in the middle of it.
    ReadAndLoad {
        vendor: Vendor,
        nr_times: u32,
        /// What each read has to show before the load.
        before: u32,
        /// The write of the load register.
        load: Access,
        /// What each read has to show after it.
        after: u32,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What the access saw.
    Reply(Reply),
    /// How many reads saw another revision.
    NrWrong(u32),
}

/// What lies at a CPU's door.
#[derive(Debug)]
enum Mail {
    Empty,
    Out(Errand),
    Done(Outcome),
}

/// What all CPUs share for it.
#[derive(Debug)]
struct Office {
    model: Option<&'static Model>,
    /// What the CPUs can be given to read. It only grows.
    memory: Spinlock<Vec<&'static [u8]>>,
    mail: Vec<Spinlock<Mail>>,
}

static OFFICE: OnceBox<Office> = OnceBox::new();

/// Lets the workers look for errands.
pub(crate) fn open(nr_cpus: u32, model: Option<&'static Model>) {
    let _ = OFFICE.set(Box::new(Office {
        model,
        memory: Spinlock::new(Vec::new()),
        mail: (0..nr_cpus).map(|_| Spinlock::new(Mail::Empty)).collect(),
    }));
}

/// Puts bytes where any CPU can read them, for good.
pub(crate) fn place(bytes: &'static [u8]) {
    if let Some(office) = OFFICE.get() {
        office.memory.lock().push(bytes);
    }
}

/// Does what lies at this CPU's door, if anything does.
pub(crate) fn look(cpu: u32) {
    let Some(office) = OFFICE.get() else { return };
    let door = &office.mail[cpu as usize];
    let errand = match *door.lock() {
        Mail::Out(errand) => errand,
        Mail::Empty | Mail::Done(_) => return,
    };
    let memory = office.memory.lock().clone();
    let registers = CpuRegisters::new(office.model, cpu, &memory);
    let outcome = perform(&registers, errand);
    *door.lock() = Mail::Done(outcome);
}

fn perform(registers: &CpuRegisters<'_>, errand: Errand) -> Outcome {
    match errand {
        Errand::Access(access) => Outcome::Reply(reply(registers, access)),
        Errand::ReadAndLoad {
            vendor,
            nr_times,
            before,
            load,
            after,
        } => {
            let wrong = |nr_times, expected| {
                (0..nr_times)
                    .filter(|_| cpu::update::revision(registers, vendor) != Ok(expected))
                    .count() as u32
            };
            let first = wrong(nr_times / 2, before);
            let _ = reply(registers, load);
            Outcome::NrWrong(first + wrong(nr_times - nr_times / 2, after))
        }
    }
}

fn reply(registers: &CpuRegisters<'_>, access: Access) -> Reply {
    match access {
        Access::Cpuid => {
            registers.cpuid2(1, 0);
            Reply::Done
        }
        Access::Read(msr) => match registers.read_msr(Msr(msr)) {
            Ok(value) => Reply::Value(value),
            Err(GpFault) => Reply::GpFault,
        },
        Access::Write(msr, value) => {
            // SAFETY: the vectors write registers of microcode alone, with
            // addresses that are placed for good or not mapped at all.
            #[expect(unsafe_code, reason = "a write of a register")]
            let written = unsafe { registers.write_msr(Msr(msr), value) };
            written.map_or(Reply::GpFault, |()| Reply::Done)
        }
    }
}

/// Gives a CPU its errand; it is not waited for.
pub(crate) fn send(cpu: u32, errand: Errand) -> Result<(), String> {
    let office = OFFICE.get().ok_or("errands are not open")?;
    let door = office.mail.get(cpu as usize);
    let door = door.ok_or_else(|| alloc::format!("there is no CPU {cpu}"))?;
    *door.lock() = Mail::Out(errand);
    Ok(())
}

/// Waits for what comes of a CPU's errand; this CPU, 0, does its own now.
pub(crate) fn receive(cpu: u32, clock: cpu::tsc::Clock) -> Result<Outcome, String> {
    let office = OFFICE.get().ok_or("errands are not open")?;
    let deadline_ns = clock.ns(Native.read_tsc()) + TIMEOUT_NS;
    loop {
        look(0);
        let mut door = office.mail[cpu as usize].lock();
        if let Mail::Done(outcome) = *door {
            *door = Mail::Empty;
            return Ok(outcome);
        }
        drop(door);
        if clock.ns(Native.read_tsc()) > deadline_ns {
            return Err(alloc::format!("CPU {cpu} did not come back"));
        }
        spin_loop();
    }
}
