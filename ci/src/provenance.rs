//! Finds out what makes a result: tree, kernel, QEMU, host.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::machine::Machine;
use crate::result::Provenance;

/// KVM modules by what backs /dev/kvm; the most telling first, which needs no
/// hardware and interprets.
const KVM_MODULES: [&str; 4] = ["kvm_pvm", "kvm_intel", "kvm_amd", "kvm"];

/// The provenance of a run on `machine`; what concerns the image and QEMU is
/// known once they are built and found.
pub(crate) fn collect(root: &Path, machine: Machine) -> Provenance {
    let kvm = machine.is_kvm().then(kvm_module).flatten();
    Provenance {
        commit: commit(root),
        kernel: None,
        toolchain: None,
        qemu: None,
        host_cpu: cpuinfo("model name"),
        kvm_interprets: kvm.as_deref().is_some_and(interprets),
        kvm,
    }
}

fn commit(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(arguments)
            .output();
        output.ok().filter(|output| output.status.success())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let head = String::from_utf8_lossy(&head.stdout).trim().to_owned();
    let changes = git(&["status", "--porcelain"])?;
    Some(if changes.stdout.is_empty() {
        head
    } else {
        format!("{head}-dirty")
    })
}

/// The value of a key in `/proc/cpuinfo`, of the first CPU there.
pub(crate) fn cpuinfo(key: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == key).then(|| value.trim().to_owned())
    })
}

/// Whether KVM interprets whatever of a guest is privileged: by its module, or
/// because the CPU has nothing that could run a guest.
fn interprets(module: &str) -> bool {
    let flags = cpuinfo("flags").unwrap_or_default();
    let virtualizes = flags.split(' ').any(|flag| matches!(flag, "vmx" | "svm"));
    module == KVM_MODULES[0] || !virtualizes
}

fn kvm_module() -> Option<String> {
    KVM_MODULES
        .into_iter()
        .find(|module| Path::new("/sys/module").join(module).is_dir())
        .map(str::to_owned)
}
