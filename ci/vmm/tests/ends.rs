//! How a machine ends, by guests of a few instructions: each end has its exit
//! status, and what went wrong is said with the CPU's place and registers. No
//! guest takes the monitor with it.
//!
//! Where there is no KVM, a trial is shown as ignored with the reason; with
//! `MUSTER_DENY_SKIPS=1` it fails.

mod guest;
#[path = "../../tests/skips/mod.rs"]
mod skips;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use engine::Config;
use guest::{AT, TABLE, image, notes};
use libtest_mimic::{Arguments, Completion, Failed, Trial, run};
use microcode::Vendor;
use skips::skipped;
use stand_in::Topology;
use vmm::{CRASHED, REFUSED, RESET, TIMED_OUT};

/// A guest and how its machine ends.
struct Case {
    name: &'static str,
    code: Vec<u8>,
    status: i32,
    /// What the monitor says, in part.
    said: &'static [&'static str],
}

const NR_CPUS: u32 = 2;
const SIGNATURE: u32 = 0x0005_0654;
/// Behind the image's table, where it is clear.
const CLEAR: u64 = AT + 0x280;
/// Where no memory is.
const NOWHERE: [u8; 4] = 0xd100_0000_u32.to_le_bytes();
/// ud2
const UNDEFINED: [u8; 2] = [0x0f, 0x0b];
/// The instructions that give these registers a value.
const MOV_EAX: u8 = 0xb8;
const MOV_ECX: u8 = 0xb9;
const MOV_EDX: u8 = 0xba;
const MOV_EDI: u8 = 0xbf;

fn mov(register: u8, value: u32) -> Vec<u8> {
    [&[register][..], &value.to_le_bytes()].concat()
}

/// `out port, al` with that value.
fn out(port: u16, value: u8) -> Vec<u8> {
    let mut code = mov(MOV_EDX, port.into());
    code.extend([0xb0, value, 0xee]);
    code
}

/// No exception has a handler.
fn without_handlers() -> Vec<u8> {
    let clear = u32::try_from(CLEAR).unwrap();
    [&[0x0f, 0x01, 0x1d][..], &clear.to_le_bytes()].concat()
}

fn done() -> Vec<u8> {
    out(report::exit::PORT, report::exit::DONE)
}

const fn case(
    name: &'static str,
    code: Vec<u8>,
    status: i32,
    said: &'static [&'static str],
) -> Case {
    Case {
        name,
        code,
        status,
        said,
    }
}

/// Those that end or go on.
fn ends_and_hangs() -> Vec<Case> {
    let done_status = report::exit::status(report::exit::DONE);
    vec![
        case(
            "what_is_written_to_the_exit_port_is_the_status",
            done(),
            done_status,
            &[],
        ),
        case(
            "a_guest_that_resets_the_machine_ends_it",
            out(0xcf9, 6),
            RESET,
            &[],
        ),
        case(
            "a_guest_that_spins_for_ever_is_ended_with_its_cpus_places",
            vec![0xeb, 0xfe],
            TIMED_OUT,
            &[
                "no end after 1 s",
                "CPU 0 was running at 0x200204, where the bytes are eb fe",
                "CPU 1 was never started",
            ],
        ),
        case(
            "a_guest_that_sleeps_for_ever_is_ended_as_well",
            vec![0xfa, 0xf4],
            TIMED_OUT,
            &["no end after 1 s", "CPU 0 was halted at 0x200206"],
        ),
        case(
            "strings_of_any_length_to_and_from_ports_reach_no_other_memory",
            [
                mov(MOV_EDI, u32::try_from(CLEAR).unwrap()),
                mov(MOV_ECX, 100),
                mov(MOV_EDX, 0x3f8),
                // rep insb; then dwords from where nobody answers.
                vec![0xf3, 0x6c],
                mov(MOV_ECX, 20),
                mov(MOV_EDX, 0x9999),
                vec![0xf3, 0x6d],
                done(),
            ]
            .concat(),
            done_status,
            &[],
        ),
    ]
}

/// Those whose CPU cannot go on.
fn crashes() -> Vec<Case> {
    vec![
        case(
            "a_triple_fault_is_a_crash_with_place_and_registers",
            [without_handlers(), mov(MOV_EAX, 0xbead), UNDEFINED.into()].concat(),
            CRASHED,
            &[
                "CPU 0 shut down (triple fault)",
                "at 0x200210, where the bytes are 0f 0b",
                "rax 0x000000000000bead",
                "cr2 0x",
                "efer 0x",
            ],
        ),
        case(
            "a_register_that_nobody_has_is_a_fault",
            [without_handlers(), mov(MOV_ECX, 0xdead), vec![0x0f, 0x32]].concat(),
            CRASHED,
            &[
                "CPU 0 shut down (triple fault)",
                "where the bytes are 0f 32",
            ],
        ),
        case(
            "an_update_that_lies_nowhere_is_a_fault",
            [
                without_handlers(),
                [&[MOV_EAX][..], &NOWHERE].concat(),
                mov(MOV_EDX, 0),
                mov(MOV_ECX, engine::msr::BIOS_UPDT_TRIG),
                vec![0x0f, 0x30],
            ]
            .concat(),
            CRASHED,
            &[
                "CPU 0 shut down (triple fault)",
                "where the bytes are 0f 30",
            ],
        ),
        case(
            "an_instruction_that_kvm_cannot_execute_is_named_by_its_bytes",
            // fld dword [NOWHERE]
            [&[0xd9, 0x05][..], &NOWHERE].concat(),
            CRASHED,
            &[
                "CPU 0 came to an instruction that this KVM cannot execute",
                "at 0x200204, where the bytes are d9 05 00 00 00 d1",
            ],
        ),
        case(
            "a_jump_to_where_no_memory_is_is_a_crash",
            [&[MOV_EAX][..], &NOWHERE, &[0xff, 0xe0]].concat(),
            CRASHED,
            &["CPU 0", "at 0xd1000000, where no memory is"],
        ),
    ]
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = ends_and_hangs().into_iter().chain(crashes());
    let mut trials: Vec<_> = cases
        .map(|case| Trial::ignorable_test(case.name, move || with_kvm(|| ends(&case))))
        .collect();
    trials.push(Trial::ignorable_test(
        "what_cannot_be_started_is_refused_with_one_line_that_says_why",
        || with_kvm(refusals),
    ));
    run(&arguments, trials).exit_code()
}

/// Runs a trial where there is a KVM.
fn with_kvm(trial: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Completion, Failed> {
    let topology = Topology::new(NR_CPUS, 1, 1)?;
    if let Err(lack) = vmm::kvm::open(topology) {
        return skipped(lack.to_string());
    }
    trial().map_err(|error| error.to_string())?;
    Ok(Completion::Completed)
}

/// The status and the words of the monitor for such an image.
fn booted(image: &[u8], nr_cpus: u32, more: &[&str]) -> Result<(i32, String), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    fs::write(path("image"), image)?;
    let config = Config::new(Vendor::Intel, SIGNATURE, nr_cpus);
    fs::write(path("cpus.toml"), toml::to_string(&config)?)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster-vmm"));
    command.current_dir(&dir).args(["--timeout", "1"]);
    for (option, file) in [
        ("--kernel", "image"),
        ("--cpus", "cpus.toml"),
        ("--console", "console.log"),
        ("--serial", "serial.log"),
        ("--log", "machine.log"),
    ] {
        command.args([Path::new(option), &path(file)]);
    }
    let output = command.args(more).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code().unwrap_or(-1), said))
}

fn ends(case: &Case) -> Result<(), Box<dyn Error>> {
    let (status, said) = booted(&image(&notes(TABLE), &case.code), NR_CPUS, &[])?;
    if status != case.status {
        return Err(format!("status {status}, not {}: {said}", case.status).into());
    }
    match case.said.iter().find(|part| !said.contains(**part)) {
        Some(part) => Err(format!("{part:?} is not said: {said}").into()),
        None => Ok(()),
    }
}

fn refusals() -> Result<(), Box<dyn Error>> {
    let sound = image(&notes(TABLE), &done());
    let refused = [
        (b"#!/bin/sh\n".to_vec(), 1, &[][..], "no ELF"),
        (image(&[], &done()), 1, &[], "none of Muster's images"),
        (sound.clone(), 1, &["--memory", "1"], "give 16 to"),
        (sound.clone(), 4096, &[], "CPUs"),
        (sound.clone(), 1, &["--packages", "2"], "packages"),
        (sound, 1, &["--initrd", "none"], "none"),
    ];
    for (image, nr_cpus, more, reason) in refused {
        let (status, said) = booted(&image, nr_cpus, more)?;
        let is_one_line = said.lines().count() == 1;
        if status != REFUSED || !said.contains(reason) || !is_one_line {
            return Err(format!("{reason}: status {status}: {said}").into());
        }
        println!("{}", said.trim_end());
    }
    Ok(())
}
