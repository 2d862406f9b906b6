//! A QEMU plugin that stands behind the guest's RDMSR, WRMSR and CPUID, and
//! lets an [`engine`] answer for the registers of microcode.
//!
//! ```text
//! guest:   wrmsr ──▶ plugin: whose register? ── another's ─▶ QEMU executes it
//!                      │ ours
//!                      ▼
//!                    engine: a value, done, #GP; perhaps a load that takes time
//!                      │
//!                      ▼
//!          write registers, go on behind the instruction
//! ```
//!
//! CPUID is executed by QEMU, and `features` changes the answer after it.
//!
//! QEMU starts it with `-plugin file=libcpu_model.so,config=FILE,log=FILE`;
//! with `probe=on` it says whether this QEMU has all that it needs, and ends.
//!
//! Rejected: the registry's bindings, which stop before the version of the
//! interface that can write registers; and linking against QEMU's symbols,
//! since a QEMU that lacks one would then refuse the plugin without saying
//! which.

mod api;
mod apic;
mod callbacks;
mod features;
mod options;
mod state;

use std::ffi::{c_char, c_int};
use std::process;

use api::{Api, Info, PluginId};
use options::Options;
use stand_in::StandIn;
use state::{STATE, State};

/// What this is, in the machine's log.
const KIND: &str = "qemu-plugin";

/// The version of the interface that this is written against, which QEMU
/// compares with its own before it calls anything.
// SAFETY: nothing else in the library has this name.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = api::VERSION;

/// Where QEMU enters the plugin.
///
/// # Safety
///
/// QEMU's interface: `info` is valid during the call, and `arguments` is an
/// array of `nr_arguments` strings.
// SAFETY: nothing else in the library has this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn qemu_plugin_install(
    id: PluginId,
    info: *const Info,
    nr_arguments: c_int,
    arguments: *const *const c_char,
) -> c_int {
    // SAFETY: the caller's promise.
    let arguments = unsafe { api::strings(nr_arguments, arguments) };
    // SAFETY: the caller's promise.
    let info = unsafe { &*info };
    match install(id, info, &arguments) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("cpu-model: {error}");
            1
        }
    }
}

/// Why the plugin does not start.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Options(#[from] options::Error),
    #[error(transparent)]
    Api(#[from] api::Error),
    #[error("this QEMU emulates {0}: the model is for qemu-system-x86_64")]
    Target(String),
    #[error(
        "the machine has {machine} CPUs and the configuration {configured}: give both the same \
         number"
    )]
    Cpus { machine: u32, configured: u32 },
    #[error("{}: {error}", path.display())]
    Log {
        path: std::path::PathBuf,
        error: std::io::Error,
    },
}

fn install(id: PluginId, info: &Info, arguments: &[String]) -> Result<(), Error> {
    let options = Options::parse(arguments)?;
    let api = Api::load()?;
    let target = info.target_name();
    if target != "x86_64" {
        return Err(Error::Target(target));
    }
    let Options::Run(run) = options else {
        println!("cpu-model ready api={}", info.newest_version());
        process::exit(0);
    };
    let configured = run.engine.config().cpus;
    let machine = info.nr_cpus();
    if machine != configured {
        return Err(Error::Cpus {
            machine,
            configured,
        });
    }
    let cpus = StandIn::create(run.engine, &run.log, KIND).map_err(|error| Error::Log {
        path: run.log.clone(),
        error,
    })?;
    let state = STATE.get_or_init(|| State::new(api, cpus, run.topology));
    callbacks::register(state, id);
    Ok(())
}
