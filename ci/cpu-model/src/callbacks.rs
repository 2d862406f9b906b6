//! What QEMU calls: when a block is translated, when one of the three
//! instructions is about to be executed, when an exception was taken, at the
//! end.
//!
//! A #GP is made by letting QEMU execute the instruction on a register for
//! which its own CPU raises one; the guest's registers are restored when the
//! exception is taken, before its handler runs.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use engine::{Access, msr};
use stand_in::Effect;

use crate::api::{Block, DISCONTINUITY_EXCEPTION, DISCONTINUITY_INTERRUPT, PluginId, RegisterUse};
use crate::features;
use crate::state::{GuestMemory, Registers, STATE, State};

/// A register whose read raises #GP: no local APIC has one of that number in
/// x2APIC mode, and in the other mode none of them can be read (Intel SDM
/// volume 3, table "Local APIC Register Address Map Supported by x2APIC").
const FAULTS_WHEN_READ: u64 = 0x80e;
/// A register whose write with an odd value raises #GP: VM_HSAVE_PA takes
/// addresses of pages (AMD APM volume 2, "VM_HSAVE_PA MSR").
const FAULTS_WHEN_WRITTEN: u64 = 0xc001_0117;

/// The longest encoding of the three: prefixes do not change them, and nobody
/// writes more than two.
const LONGEST: usize = 4;
/// How long a hung CPU sleeps before it looks whether QEMU wants to stop it.
const HUNG_NAP: Duration = Duration::from_millis(1);

/// Lets QEMU call.
pub(crate) fn register(state: &State, id: PluginId) {
    let kinds = if state.changes_features() {
        DISCONTINUITY_INTERRUPT | DISCONTINUITY_EXCEPTION
    } else {
        DISCONTINUITY_EXCEPTION
    };
    let discontinuity = (kinds, on_discontinuity as _);
    state
        .api
        .register(id, on_block, on_vcpu, discontinuity, on_end);
}

/// Which of the three an instruction is.
#[derive(Clone, Copy)]
enum Kind {
    Rdmsr,
    Wrmsr,
    Cpuid,
}

fn kind(encoding: &[u8]) -> Option<Kind> {
    let (opcode, prefixes) = (encoding.last_chunk()?, &encoding[..encoding.len() - 2]);
    // Legacy prefixes and REX, which say nothing here.
    let is_prefix = |byte: &u8| matches!(byte, 0x40..=0x4f | 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf2 | 0xf3);
    let kind = match opcode {
        [0x0f, 0x30] => Kind::Wrmsr,
        [0x0f, 0x32] => Kind::Rdmsr,
        [0x0f, 0xa2] => Kind::Cpuid,
        _ => return None,
    };
    prefixes.iter().all(is_prefix).then_some(kind)
}

/// An instruction's address and size in one word, as a callback's data. The
/// upper bits of an address repeat one another, so four can be spared.
fn pack(address: u64, size: usize) -> Option<usize> {
    usize::try_from(address << 4 | size as u64).ok()
}

fn unpack(userdata: *mut c_void) -> (u64, u64) {
    let word = userdata.addr() as u64;
    ((word.cast_signed() >> 4).cast_unsigned(), word & 0xf)
}

extern "C" fn on_block(block: *mut Block, _: *mut c_void) {
    let Some(state) = STATE.get() else { return };
    let api = &state.api;
    let changes_features = state.changes_features();
    // The CPUID before a block may be the end of another.
    let mut follows_cpuid = true;
    for instruction in api.instructions(block) {
        let (address, size) = api.place(instruction);
        if changes_features
            && follows_cpuid
            && let Some(place) = pack(address, size)
        {
            // Before the instruction's own callback, which is to find the
            // registers changed.
            api.instrument(instruction, on_next, RegisterUse::ReadWrite, place);
        }
        follows_cpuid = false;
        if !(2..=LONGEST).contains(&size) {
            continue;
        }
        let mut room = [0; LONGEST];
        let Some(kind) = kind(api.encoding(instruction, &mut room)) else {
            continue;
        };
        let (callback, registers) = match kind {
            Kind::Rdmsr => (on_rdmsr as _, RegisterUse::ReadWriteAndPc),
            Kind::Wrmsr => (on_wrmsr as _, RegisterUse::ReadWriteAndPc),
            Kind::Cpuid if changes_features => (on_cpuid as _, RegisterUse::Read),
            Kind::Cpuid => (on_cpuid as _, RegisterUse::None),
        };
        if let Some(place) = pack(address, size) {
            api.instrument(instruction, callback, registers, place);
        }
        follows_cpuid = matches!(kind, Kind::Cpuid);
    }
}

/// The handles of registers can be had only here.
extern "C" fn on_vcpu(_: c_uint, _: *mut c_void) {
    let Some(State { api, registers, .. }) = STATE.get() else {
        return;
    };
    if registers.get().is_some() {
        return;
    }
    let names = [c"rax", c"rbx", c"rcx", c"rdx"].map(|name| api.find_register(name));
    let [Some(rax), Some(rbx), Some(rcx), Some(rdx)] = names else {
        eprintln!("cpu-model: this QEMU shows no register named rax, rbx, rcx or rdx");
        std::process::exit(1);
    };
    // Another CPU may have been first; the handles are the same.
    let _ = registers.set(Registers { rax, rbx, rcx, rdx });
}

extern "C" fn on_cpuid(vcpu: c_uint, place: *mut c_void) {
    let Some((state, registers)) = ready() else {
        return;
    };
    let vcpu = state.running(vcpu);
    // It has no effect but time's passing, and QEMU gives the answer.
    let _ = state
        .cpus
        .access(vcpu, Access::Cpuid, &GuestMemory(&state.api));
    if state.changes_features() {
        let (address, size) = unpack(place);
        features::before_cpuid(state, registers, vcpu, address + size);
    }
}

/// What may follow a CPUID is about to be executed.
extern "C" fn on_next(vcpu: c_uint, place: *mut c_void) {
    let Some((state, registers)) = ready() else {
        return;
    };
    // First, as to ask which CPU runs costs more.
    if features::is_any_pending(state) {
        let (address, _) = unpack(place);
        features::after_cpuid(state, registers, state.running(vcpu), address);
    }
}

extern "C" fn on_rdmsr(vcpu: c_uint, place: *mut c_void) {
    let Some((state, registers)) = ready() else {
        return;
    };
    let Some(number) = number(state, registers) else {
        return;
    };
    let next = answer(state, registers, vcpu, Access::Read(number), place);
    if let Some(next) = next {
        // SAFETY: nothing in this frame is left to drop.
        unsafe { state.api.go_to(next) };
    }
}

extern "C" fn on_wrmsr(vcpu: c_uint, place: *mut c_void) {
    let Some((state, registers)) = ready() else {
        return;
    };
    let Some(number) = number(state, registers) else {
        return;
    };
    let low = state.api.read(registers.rax) & 0xffff_ffff;
    let value = state.api.read(registers.rdx) << 32 | low;
    let next = answer(state, registers, vcpu, Access::Write(number, value), place);
    if let Some(next) = next {
        // SAFETY: nothing in this frame is left to drop.
        unsafe { state.api.go_to(next) };
    }
}

fn ready() -> Option<(&'static State, Registers)> {
    let state = STATE.get()?;
    state.registers.get().map(|registers| (state, *registers))
}

/// The register in question, if a model may answer it.
fn number(state: &State, registers: Registers) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "the register is ECX")]
    let number = state.api.read(registers.rcx) as u32;
    msr::ANSWERED.contains(&number).then_some(number)
}

/// Does what the engine says. Where to go on, unless QEMU shall execute the
/// instruction.
fn answer(
    state: &State,
    registers: Registers,
    vcpu: u32,
    access: Access,
    place: *mut c_void,
) -> Option<u64> {
    let (address, size) = unpack(place);
    let vcpu = state.running(vcpu);
    let own = &state.vcpus[vcpu as usize];
    // Relaxed, here and below: only this CPU's thread uses it.
    if own.is_hung.load(Ordering::Relaxed) {
        thread::sleep(HUNG_NAP);
        return Some(address);
    }
    match state.cpus.access(vcpu, access, &GuestMemory(&state.api)) {
        Effect::Hung => {
            own.is_hung.store(true, Ordering::Relaxed);
            Some(address)
        }
        Effect::Pass => None,
        Effect::Done => Some(address + size),
        Effect::Value(value) => {
            state.api.write(registers.rax, value & 0xffff_ffff);
            state.api.write(registers.rdx, value >> 32);
            Some(address + size)
        }
        Effect::GpFault => {
            own.rax
                .store(state.api.read(registers.rax), Ordering::Relaxed);
            own.rcx
                .store(state.api.read(registers.rcx), Ordering::Relaxed);
            own.is_faulting.store(true, Ordering::Relaxed);
            let faulting = match access {
                Access::Read(_) => FAULTS_WHEN_READ,
                Access::Write(..) | Access::Cpuid => FAULTS_WHEN_WRITTEN,
            };
            state.api.write(registers.rcx, faulting);
            state.api.write(registers.rax, 1);
            None
        }
    }
}

/// An interrupt or an exception was taken: the handler shall find a CPUID's
/// answer changed and, if it is the #GP that was asked for, the guest's registers.
extern "C" fn on_discontinuity(vcpu: c_uint, _: c_int, from: u64, _: u64, _: *mut c_void) {
    let Some((state, registers)) = ready() else {
        return;
    };
    let Some(own) = state.vcpus.get(vcpu as usize) else {
        return;
    };
    features::after_cpuid(state, registers, vcpu, from);
    if own.is_faulting.swap(false, Ordering::Relaxed) {
        let rax = own.rax.load(Ordering::Relaxed);
        let rcx = own.rcx.load(Ordering::Relaxed);
        state.api.write(registers.rax, rax);
        state.api.write(registers.rcx, rcx);
    }
}

extern "C" fn on_end(_: *mut c_void) {
    if let Some(state) = STATE.get() {
        state.cpus.close();
    }
}
