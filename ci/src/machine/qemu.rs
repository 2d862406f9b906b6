//! QEMU: its command line.
//!
//! The machine has no default devices: each one that is there is named here.
//! The guest's stream goes to a file behind a virtio console, as QEMU drops
//! console data when a socket reader is slow. A reset ends QEMU (`-no-reboot`)
//! so that a triple fault is seen as an end and not as a second boot.
//!
//! The machine `model` has a plugin that stands behind the CPUs. QEMU cannot
//! say which CPU a plugin is called for where one host thread runs all of them;
//! there the plugin asks the local APIC, which answers only while it is not in
//! x2APIC mode.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Config, LateLoad};

use super::emulator::Emulator;
use super::{Cpu, Machine, Payload, Topology, process};
use crate::judge::Ending;
use crate::result::Files;

/// A machine to start.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// Which QEMU.
    pub emulator: Emulator,
    /// Which accelerator.
    pub machine: Machine,
    /// Its options, as `-accel` takes them.
    pub accel: String,
    /// The guest's CPU.
    pub cpu: Cpu,
    /// The revision that it starts with; QEMU's own without it.
    pub revision: Option<u32>,
    /// What stands behind it, if anything does.
    pub model: Option<Plugin>,
    /// Whether the CPU keeps quiet about what it runs under.
    pub is_bare: bool,
    /// How many of it, and what runs on them.
    pub payload: Payload,
    /// What the user adds.
    pub extra: Vec<String>,
}

/// The plugin with the CPUs that take updates.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its library.
    pub library: PathBuf,
    /// What the CPUs are.
    pub config: Config,
}

impl Qemu {
    /// Whether one host thread runs all CPUs in turns.
    fn has_one_thread(&self) -> bool {
        let counts = |word: &str| word.contains("thread=single");
        counts(&self.accel)
            || self
                .extra
                .iter()
                .any(|word| counts(word) || word == "-icount")
    }

    /// What every CPU of this machine has beside its model's own properties.
    fn properties(&self) -> String {
        let has_control = |plugin: &Plugin| plugin.config.late_load != LateLoad::Always;
        let mut properties = String::new();
        if self.is_bare {
            properties += ",hypervisor=off";
        }
        if self.model.is_some() && self.has_one_thread() {
            properties += ",x2apic=off";
        }
        if self.model.as_ref().is_some_and(has_control) {
            // QEMU's own CPU has no IA32_ARCH_CAPABILITIES.
            properties += ",arch-capabilities=on,x-force-features=on";
        }
        properties
    }

    /// What `-plugin` is given.
    fn plugin(&self, plugin: &Plugin, files: &Files) -> String {
        let path = |path: &Path| text(path).replace(',', ",,");
        let cores = if self.has_one_thread() {
            format!(",cores={}", self.payload.topology.nr_cores)
        } else {
            String::new()
        };
        format!(
            "file={},config={},log={}{cores}",
            path(&plugin.library),
            path(&files.cpus()),
            path(&files.machine())
        )
    }

    /// `-smp`, and a device for each CPU beyond the first where some differ:
    /// QEMU's own CPUs are all alike.
    fn smp(&self) -> Vec<String> {
        let Topology {
            nr_packages,
            nr_cores,
            nr_threads,
        } = self.payload.topology;
        let nr_cpus = self.payload.topology.nr_cpus();
        let shape = format!("sockets={nr_packages},cores={nr_cores},threads={nr_threads}");
        let config = self.model.as_ref().map(|model| &model.config);
        let own = |core: u32| {
            let cores = config
                .map(|config| config.core.as_slice())
                .unwrap_or_default();
            cores.iter().find(|own| own.id == core)?.signature
        };
        let cores = 0..nr_packages * nr_cores;
        if cores.clone().all(|core| own(core).is_none()) {
            return ["-smp".to_owned(), format!("cpus={nr_cpus},{shape}")].into();
        }
        let mut words = vec![
            "-smp".to_owned(),
            format!("cpus=1,maxcpus={nr_cpus},{shape}"),
        ];
        for cpu in 1..nr_cpus {
            let core = cpu / nr_threads;
            let kind = self.cpu.device(own(core));
            words.extend([
                "-device".to_owned(),
                format!(
                    "{kind}{},socket-id={},core-id={},thread-id={}",
                    self.properties(),
                    core / nr_cores,
                    core % nr_cores,
                    cpu % nr_threads
                ),
            ]);
        }
        words
    }

    /// QEMU's arguments.
    #[must_use]
    pub fn arguments(&self, files: &Files) -> Vec<String> {
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
            &(self.cpu.qemu_cpu(self.machine, self.revision) + &self.properties()),
            "-m",
            &format!("{}M", self.payload.memory_mib()),
            "-kernel",
            &text(&self.payload.image),
            "-append",
            &self.payload.command_line,
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
        arguments.extend(self.smp());
        if let Some(plugin) = &self.model {
            arguments.extend(["-plugin".to_owned(), self.plugin(plugin, files)]);
        }
        if let Some(module) = &self.payload.module {
            arguments.extend(["-initrd".to_owned(), text(module)]);
        }
        arguments.extend_from_slice(&self.extra);
        arguments
    }

    /// Starts QEMU and waits for its end, `timeout` at most.
    pub fn run(&self, files: &Files, timeout: Duration) -> io::Result<Ending> {
        self.run_until(files, timeout, &|| false)
    }

    /// The same for a guest that does not end by itself.
    pub fn run_until(
        &self,
        files: &Files,
        timeout: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> io::Result<Ending> {
        if let Some(plugin) = &self.model {
            let text = toml::to_string(&plugin.config).map_err(io::Error::other)?;
            std::fs::write(files.cpus(), text)?;
        }
        let arguments = self.arguments(files);
        let own = self.emulator.words();
        let words = own.iter().chain(&arguments).map(String::as_str);
        let mut command = self.emulator.command();
        command.args(&arguments);
        process::run(command, words, files, timeout, is_over)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qemu() -> Qemu {
        Qemu {
            emulator: Emulator::system(),
            model: None,
            is_bare: false,
            machine: Machine::Tcg,
            accel: "tcg,thread=multi".to_owned(),
            cpu: Cpu::default(),
            revision: None,
            payload: Payload {
                topology: Topology::new(8, 2, 2).unwrap(),
                image: "/i/muster.elf".into(),
                module: None,
                nr_initrd_bytes: (1 << 20) + 1,
                command_line: "muster -- protocol=muster".to_owned(),
            },
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
    fn a_bare_cpu_has_no_hypervisor_s_bit() {
        let mut qemu = qemu();
        assert_eq!(qemu.properties(), "");
        qemu.is_bare = true;
        assert_eq!(qemu.properties(), ",hypervisor=off");
    }

    /// Two packages of two cores of two threads; the last core has another
    /// stepping.
    fn mixed() -> Qemu {
        let mut config = Config::new(microcode::Vendor::Intel, 0x0005_0654, 8);
        config.threads = 2;
        config.core.push(engine::CoreConfig {
            id: 3,
            signature: Some(0x0005_0657),
            platform_id: None,
            revision: None,
        });
        Qemu {
            model: Some(Plugin {
                library: "/p,1.so".into(),
                config,
            }),
            ..qemu()
        }
    }

    #[test]
    fn cpus_that_differ_are_devices_each_in_its_place() {
        let arguments = mixed().arguments(&Files::at(Path::new("/r")));
        assert_eq!(
            values(&arguments, "-smp"),
            ["cpus=1,maxcpus=8,sockets=2,cores=2,threads=2"]
        );
        let devices = values(&arguments, "-device");
        let cpus: Vec<_> = devices.iter().filter(|d| d.contains("-cpu,")).collect();
        assert_eq!(cpus.len(), 7);
        assert_eq!(
            *cpus[0],
            "Skylake-Server-x86_64-cpu,x2apic=off,socket-id=0,core-id=0,thread-id=1"
        );
        assert_eq!(
            *cpus[6],
            "Skylake-Server-x86_64-cpu,family=6,model=85,stepping=7,x2apic=off,\
             socket-id=1,core-id=1,thread-id=1"
        );
    }

    #[test]
    fn the_plugin_is_told_how_apic_ids_are_made_only_where_it_has_to_ask_for_them() {
        let plugin = |qemu: Qemu| {
            let arguments = qemu.arguments(&Files::at(Path::new("/r")));
            values(&arguments, "-plugin")[0].to_owned()
        };
        let all = "file=/p,,1.so,config=/r/cpus.toml,log=/r/machine.log";
        assert_eq!(plugin(mixed()), format!("{all},cores=2"));
        let many_threads = Qemu {
            extra: Vec::new(),
            ..mixed()
        };
        assert_eq!(plugin(many_threads), all);
    }

    #[test]
    fn an_initrd_is_given_only_as_a_module() {
        let mut qemu = qemu();
        let files = Files::at(Path::new("/r"));
        assert!(!qemu.arguments(&files).contains(&"-initrd".to_owned()));
        qemu.payload.module = Some("/r/initrd.img".into());
        assert_eq!(
            values(&qemu.arguments(&files), "-initrd"),
            ["/r/initrd.img"]
        );
    }
}
