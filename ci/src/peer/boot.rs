//! Boots a peer and reads what it and its machine say.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::case::Case;
use super::compare::Seen;
use super::packages::Program;
use super::{Error, Observation, Peer, Words, at};
use crate::machine::qemu::Qemu;
use crate::machine::{Machine, Topology};
use crate::result::{Files, read_lossy};
use crate::tree::Tree;

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

/// Boots the peer on the case's machine with this initrd.
pub(super) fn boot(
    tree: &Tree,
    peer: Peer,
    program: &Program,
    case: &Case,
    topology: Topology,
    blob: &[u8],
) -> Result<Boot, Error> {
    let runs = tree.runs();
    let name = format!("peer-{}-{}", peer.to_string().to_lowercase(), case.name);
    let files = Files::create(&runs, &name, Timestamp::now()).map_err(at(&runs))?;
    boot_in(&files, peer, program, case, topology, blob).map_err(at(files.dir()))
}

fn boot_in(
    files: &Files,
    peer: Peer,
    program: &Program,
    case: &Case,
    topology: Topology,
    blob: &[u8],
) -> io::Result<Boot> {
    fs::write(files.initrd(), blob)?;
    let machine = Machine::default();
    let qemu = Qemu {
        machine,
        accel: machine.default_accel().to_owned(),
        cpu: case.machine.cpu.clone(),
        revision: case.machine.revision,
        topology,
        image: program.image.clone(),
        module: Some(peer.module(&files.initrd())),
        nr_initrd_bytes: blob.len() as u64,
        command_line: peer.command_line(case.checks_digests),
        extra: vec!["-m".to_owned(), format!("{MEMORY_MIB}M")],
    };
    let begin = Instant::now();
    let serial = files.serial();
    qemu.run_until(files, TIMEOUT, &|| {
        read_lossy(&serial).is_ok_and(|log| log.contains(peer.end()))
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Boot {
        seen: Seen {
            observation: Observation::read(&read_lossy(&files.machine())?),
            directory: Tree::shown(files.dir()),
        },
        words: peer.words(&read_lossy(&serial)?),
        seconds,
    })
}
