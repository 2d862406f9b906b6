//! Boots a peer and reads what it and its machine say.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::case::Case;
use super::compare::Seen;
use super::packages::Program;
use super::{Error, MACHINE, Observation, Peer, Words, at};
use crate::firmware::Firmware;
use crate::judge::Ending;
use crate::machine::emulator::Emulator;
use crate::machine::qemu::{Plugin, Qemu};
use crate::machine::{Payload, Topology};
use crate::result::{Files, read_lossy};
use crate::scenario::MachineTable;
use crate::tree::Tree;
use crate::verdict::Verdict;

/// How long a peer may take: boots that take four seconds are given a minute.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Memory in MiB; both peers refuse to start with the guest's own.
const MEMORY_MIB: u64 = 512;

/// A boot that came to an end.
#[derive(Clone, Debug)]
pub(super) struct Boot {
    /// What its machine saw.
    pub(super) seen: Seen,
    /// What it said.
    pub(super) words: Words,
    /// How long it took.
    pub(super) seconds: f64,
}

/// A peer and the QEMU that it runs on.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// The peer.
    pub(super) program: Program,
    /// QEMU.
    pub(super) emulator: Emulator,
    /// What makes its CPUs take updates.
    pub(super) plugin: Option<PathBuf>,
}

/// Boots the peer on the case's machine with this microcode.
pub(super) fn boot(
    tree: &Tree,
    peer: Peer,
    host: &Host,
    case: &Case,
    topology: Topology,
    firmware: &Firmware,
) -> Result<Boot, Error> {
    let runs = tree.runs();
    let name = format!("peer-{}-{}", peer.to_string().to_lowercase(), case.name);
    let files = Files::create(&runs, &name, Timestamp::now()).map_err(at(&runs))?;
    let qemu = qemu(&files, peer, host, case, topology, firmware);
    run(&files, peer, &qemu, &firmware.initrd).map_err(at(files.dir()))
}

fn qemu(
    files: &Files,
    peer: Peer,
    host: &Host,
    case: &Case,
    topology: Topology,
    firmware: &Firmware,
) -> Qemu {
    let MachineTable {
        cpu,
        revision,
        model,
        ..
    } = &case.machine;
    let config = firmware
        .kind(cpu, *revision, model)
        .map(|kind| model.config(&kind, topology));
    Qemu {
        emulator: host.emulator.clone(),
        machine: MACHINE,
        accel: MACHINE.default_accel(topology.nr_cpus()).to_owned(),
        cpu: cpu.clone(),
        revision: *revision,
        model: host
            .plugin
            .clone()
            .zip(config)
            .map(|(library, config)| Plugin { library, config }),
        is_bare: true,
        payload: Payload {
            topology,
            image: host.program.image.clone(),
            module: Some(peer.module(&files.initrd())),
            nr_initrd_bytes: firmware.initrd.len() as u64,
            command_line: peer.command_line(case.checks_digests),
        },
        extra: vec!["-m".to_owned(), format!("{MEMORY_MIB}M")],
    }
}

fn run(files: &Files, peer: Peer, qemu: &Qemu, initrd: &[u8]) -> io::Result<Boot> {
    fs::write(files.initrd(), initrd)?;
    let begin = Instant::now();
    let serial = files.serial();
    let ending = qemu.run_until(files, TIMEOUT, &|| {
        read_lossy(&serial).is_ok_and(|log| log.contains(peer.end()))
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Boot {
        seen: Seen {
            observation: Observation::read(&read_lossy(&files.machine())?).ok_or(match ending {
                Ending::TimedOut { .. } => Verdict::Timeout,
                _ => Verdict::Crash,
            }),
            directory: Tree::shown(files.dir()),
        },
        words: peer.words(&read_lossy(&serial)?),
        seconds,
    })
}
