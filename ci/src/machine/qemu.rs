//! QEMU: its command line, and waiting for its end.
//!
//! The machine has no default devices: each one that is there is named here.
//! The guest's stream goes to a file behind a virtio console, as QEMU drops
//! console data when a socket reader is slow. A reset ends QEMU (`-no-reboot`)
//! so that a triple fault is seen as an end and not as a second boot.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wait_timeout::ChildExt;

use super::{Cpu, Machine, Topology};
use crate::judge::Ending;
use crate::result::Files;

/// The program's name.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// How often a guest is looked at that does not end by itself.
const POLL: Duration = Duration::from_millis(50);

const MIB: u64 = 1 << 20;
/// Kernel, image and heap, and what each CPU adds (stacks, per-core data).
const MEMORY_MIB: u64 = 128;
const MEMORY_PER_CPU_MIB: u64 = 2;

/// A machine to start.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// Which accelerator.
    pub machine: Machine,
    /// Its options, as `-accel` takes them.
    pub accel: String,
    /// The guest's CPU.
    pub cpu: Cpu,
    /// The revision that it starts with; QEMU's own without it.
    pub revision: Option<u32>,
    /// How many of it.
    pub topology: Topology,
    /// The unikernel.
    pub image: PathBuf,
    /// The initrd that the boot loader hands over, if any.
    pub module: Option<PathBuf>,
    /// Size of the microcode in bytes, whichever way it comes in.
    pub nr_initrd_bytes: u64,
    /// The guest's command line.
    pub command_line: String,
    /// What the user adds.
    pub extra: Vec<String>,
}

impl Qemu {
    /// Memory in MiB. The microcode lies in it twice: as it was given, and as
    /// the guest's copies.
    const fn memory_mib(&self) -> u64 {
        MEMORY_MIB
            + MEMORY_PER_CPU_MIB * self.topology.nr_cpus() as u64
            + (2 * self.nr_initrd_bytes).div_ceil(MIB)
    }

    /// QEMU's arguments.
    #[must_use]
    pub fn arguments(&self, files: &Files) -> Vec<String> {
        let Topology {
            nr_packages,
            nr_cores,
            nr_threads,
        } = self.topology;
        let smp = format!(
            "cpus={},sockets={nr_packages},cores={nr_cores},threads={nr_threads}",
            self.topology.nr_cpus()
        );
        let mut arguments: Vec<String> = [
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            "-machine",
            "q35",
            "-accel",
            &self.accel,
            "-cpu",
            &self.cpu.qemu_cpu(self.machine, self.revision),
            "-smp",
            &smp,
            "-m",
            &format!("{}M", self.memory_mib()),
            "-kernel",
            &text(&self.image),
            "-append",
            &self.command_line,
            "-serial",
            &format!("file:{}", text(&files.serial())),
            "-device",
            "virtio-serial-pci,disable-legacy=on,max_ports=1",
            "-chardev",
            // Within an option list QEMU reads a doubled comma as one.
            &format!(
                "file,id=console,path={}",
                text(&files.console()).replace(',', ",,")
            ),
            "-device",
            "virtconsole,chardev=console",
            "-device",
            &format!(
                "isa-debug-exit,iobase={:#x},iosize=0x04",
                report::exit::PORT
            ),
        ]
        .map(str::to_owned)
        .into();
        if let Some(module) = &self.module {
            arguments.extend(["-initrd".to_owned(), text(module)]);
        }
        arguments.extend_from_slice(&self.extra);
        arguments
    }

    /// Starts QEMU and waits for its end, `timeout` at most; then it is
    /// killed.
    ///
    /// `machine.log` gets what QEMU says, `cmdline.txt` the command as a
    /// shell takes it.
    pub fn run(&self, files: &Files, timeout: Duration) -> io::Result<Ending> {
        self.run_until(files, timeout, &|| false)
    }

    /// The same for a guest that does not end by itself: QEMU is asked to end
    /// once `is_over` says so, and what it writes at its end is written.
    pub fn run_until(
        &self,
        files: &Files,
        timeout: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> io::Result<Ending> {
        let arguments = self.arguments(files);
        let words = std::iter::once(PROGRAM).chain(arguments.iter().map(String::as_str));
        let line = shlex::try_join(words).map_err(io::Error::other)?;
        std::fs::write(files.cmdline(), line + "\n")?;
        let log = File::create(files.machine())?;
        let mut child = Command::new(PROGRAM)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let begin = Instant::now();
        let mut is_asked = false;
        while begin.elapsed() < timeout {
            if let Some(status) = child.wait_timeout(POLL)? {
                return Ok(ending(status));
            }
            if !is_asked && is_over() {
                kill_process(Pid::from_child(&child), Signal::TERM)?;
                is_asked = true;
            }
        }
        child.kill()?;
        child.wait()?;
        Ok(Ending::TimedOut {
            timeout_s: u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX),
        })
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(status), _) => Ending::Exited { status },
        (None, Some(signal)) => Ending::Killed { signal },
        (None, None) => Ending::Unknown,
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The first line of `qemu-system-x86_64 --version`, if there is a QEMU.
#[must_use]
pub fn version() -> Option<String> {
    let output = Command::new(PROGRAM).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qemu() -> Qemu {
        Qemu {
            machine: Machine::Tcg,
            accel: "tcg,thread=multi".to_owned(),
            cpu: Cpu::default(),
            revision: None,
            topology: Topology::new(8, 2, 2).unwrap(),
            image: "/i/muster.elf".into(),
            module: None,
            nr_initrd_bytes: MIB + 1,
            command_line: "muster -- protocol=muster".to_owned(),
            extra: vec!["-icount".to_owned(), "shift=0".to_owned()],
        }
    }

    /// The values that follow `option`.
    fn values<'a>(arguments: &'a [String], option: &str) -> Vec<&'a str> {
        let pairs = arguments.windows(2).filter(|pair| pair[0] == option);
        pairs.map(|pair| pair[1].as_str()).collect()
    }

    #[test]
    fn topology_and_memory_are_those_of_the_job() {
        let arguments = qemu().arguments(&Files::at(Path::new("/r,1")));
        assert_eq!(
            values(&arguments, "-smp"),
            ["cpus=8,sockets=2,cores=2,threads=2"]
        );
        assert_eq!(values(&arguments, "-m"), ["147M"]);
        assert_eq!(values(&arguments, "-serial"), ["file:/r,1/serial.log"]);
        assert_eq!(
            values(&arguments, "-chardev"),
            ["file,id=console,path=/r,,1/console.log"]
        );
        assert!(arguments.ends_with(&["-icount".to_owned(), "shift=0".to_owned()]));
    }

    #[test]
    fn an_initrd_is_given_only_as_a_module() {
        let mut qemu = qemu();
        let files = Files::at(Path::new("/r"));
        assert!(!qemu.arguments(&files).contains(&"-initrd".to_owned()));
        qemu.module = Some("/r/initrd.img".into());
        assert_eq!(
            values(&qemu.arguments(&files), "-initrd"),
            ["/r/initrd.img"]
        );
    }
}
