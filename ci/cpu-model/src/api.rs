//! QEMU's plugin interface, as far as the model needs it
//! (`include/plugins/qemu-plugin.h`, version 7), and GLib's byte arrays, in
//! which that interface passes bytes.
//!
//! Every function is looked up by its name in the running program, so that one
//! that is missing is an error with a name.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libloading::os::unix::{Library, Symbol};

/// The version of the interface.
pub(crate) const VERSION: c_int = 7;

/// QEMU's handle of this plugin.
pub(crate) type PluginId = u64;

/// `qemu_info_t`.
#[repr(C)]
pub(crate) struct Info {
    target_name: *const c_char,
    oldest_version: c_int,
    newest_version: c_int,
    system_emulation: bool,
    nr_cpus: c_int,
    nr_cpus_at_most: c_int,
}

impl Info {
    pub(crate) fn target_name(&self) -> String {
        // SAFETY: QEMU sets it to a string that lives as long as the program.
        let name = unsafe { CStr::from_ptr(self.target_name) };
        name.to_string_lossy().into_owned()
    }

    pub(crate) const fn newest_version(&self) -> c_int {
        self.newest_version
    }

    /// All CPUs that the machine can have: those that come later too.
    pub(crate) fn nr_cpus(&self) -> u32 {
        u32::try_from(self.nr_cpus_at_most).unwrap_or(0)
    }
}

/// The strings of an array in C's manner.
///
/// # Safety
///
/// `strings` is an array of `nr` strings, or `nr` is 0.
pub(crate) unsafe fn strings(nr: c_int, strings: *const *const c_char) -> Vec<String> {
    let nr = usize::try_from(nr).unwrap_or(0);
    (0..nr)
        .map(|place| {
            // SAFETY: the caller's promise: the place is within the array.
            let string = unsafe { strings.add(place) };
            // SAFETY: as above, so there is a pointer.
            let string = unsafe { *string };
            // SAFETY: the caller's promise: it is a string.
            let string = unsafe { CStr::from_ptr(string) };
            string.to_string_lossy().into_owned()
        })
        .collect()
}

/// A block of instructions while it is translated.
#[repr(C)]
pub(crate) struct Block {
    opaque: [u8; 0],
}

/// An instruction of a block.
#[repr(C)]
pub(crate) struct Instruction {
    opaque: [u8; 0],
}

/// A register's handle: the same for all CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Register(*mut c_void);

// SAFETY: it is an offset in disguise, which QEMU never follows.
unsafe impl Send for Register {}
// SAFETY: as above.
unsafe impl Sync for Register {}

/// `qemu_plugin_reg_descriptor`.
#[repr(C)]
struct Descriptor {
    handle: Register,
    name: *const c_char,
    feature: *const c_char,
    is_readonly: bool,
}

/// `GByteArray` and `GArray`, whose public parts are alike.
#[repr(C)]
pub(crate) struct Bytes {
    data: *mut u8,
    len: c_uint,
}

/// What a callback does with registers.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) enum RegisterUse {
    None = 0,
    Read = 1,
    ReadWrite = 2,
    ReadWriteAndPc = 3,
}

/// Of `qemu_plugin_discon_type`: what takes a CPU from where it was to go on.
/// Bits, of which a callback is given one.
pub(crate) const DISCONTINUITY_INTERRUPT: c_int = 1;
pub(crate) const DISCONTINUITY_EXCEPTION: c_int = 2;

pub(crate) type OnVcpu = extern "C" fn(c_uint, *mut c_void);
pub(crate) type OnBlock = extern "C" fn(*mut Block, *mut c_void);
pub(crate) type OnEnd = extern "C" fn(*mut c_void);
pub(crate) type OnDiscontinuity = extern "C" fn(c_uint, c_int, u64, u64, *mut c_void);

/// A function that the plugin calls and this program lacks.
#[derive(Debug, thiserror::Error)]
#[error(
    "this QEMU has no {0}: its plugins cannot write registers; QEMU 11.1 and later can \
     (`muster setup` fetches one)"
)]
pub(crate) struct Error(&'static str);

/// The function of that name.
///
/// # Safety
///
/// `T` is its type.
unsafe fn function<T: Copy>(program: &Library, name: &'static str) -> Result<T, Error> {
    // SAFETY: the caller's promise.
    let symbol: Result<Symbol<T>, _> = unsafe { program.get(name) };
    symbol.map(|symbol| *symbol).map_err(|_| Error(name))
}

macro_rules! functions {
    ($($name:ident = $symbol:literal: $ty:ty;)+) => {
        /// The functions, found.
        pub(crate) struct Api {
            $($name: $ty,)+
        }

        impl Api {
            /// Looks all of them up.
            pub(crate) fn load() -> Result<Self, Error> {
                let program = Library::this();
                Ok(Self {
                    // SAFETY: the headers declare a function of this name and
                    // type; one of another type would be another version,
                    // which QEMU refuses before.
                    $($name: unsafe { function::<$ty>(&program, $symbol) }?,)+
                })
            }
        }
    };
}

functions! {
    on_block_translated = "qemu_plugin_register_vcpu_tb_trans_cb":
        unsafe extern "C" fn(PluginId, OnBlock, *mut c_void);
    on_executed = "qemu_plugin_register_vcpu_insn_exec_cb":
        unsafe extern "C" fn(*mut Instruction, OnVcpu, RegisterUse, *mut c_void);
    on_discontinuity = "qemu_plugin_register_vcpu_discon_cb":
        unsafe extern "C" fn(PluginId, c_int, OnDiscontinuity, *mut c_void);
    on_vcpu = "qemu_plugin_register_vcpu_init_cb":
        unsafe extern "C" fn(PluginId, OnVcpu, *mut c_void);
    on_end = "qemu_plugin_register_atexit_cb":
        unsafe extern "C" fn(PluginId, OnEnd, *mut c_void);
    nr_instructions = "qemu_plugin_tb_n_insns": unsafe extern "C" fn(*const Block) -> usize;
    instruction = "qemu_plugin_tb_get_insn":
        unsafe extern "C" fn(*const Block, usize) -> *mut Instruction;
    instruction_data = "qemu_plugin_insn_data":
        unsafe extern "C" fn(*const Instruction, *mut u8, usize) -> usize;
    instruction_size = "qemu_plugin_insn_size": unsafe extern "C" fn(*const Instruction) -> usize;
    instruction_address = "qemu_plugin_insn_vaddr": unsafe extern "C" fn(*const Instruction) -> u64;
    registers = "qemu_plugin_get_registers": unsafe extern "C" fn() -> *mut Bytes;
    read_register = "qemu_plugin_read_register": unsafe extern "C" fn(Register, *mut Bytes) -> bool;
    write_register = "qemu_plugin_write_register":
        unsafe extern "C" fn(Register, *mut Bytes) -> bool;
    read_memory = "qemu_plugin_read_memory_vaddr":
        unsafe extern "C" fn(u64, *mut Bytes, usize) -> bool;
    read_physical_memory = "qemu_plugin_read_memory_hwaddr":
        unsafe extern "C" fn(u64, *mut Bytes, usize) -> c_int;
    set_pc = "qemu_plugin_set_pc": unsafe extern "C-unwind" fn(u64) -> !;
    new_bytes = "g_byte_array_new": unsafe extern "C" fn() -> *mut Bytes;
    resize_bytes = "g_byte_array_set_size": unsafe extern "C" fn(*mut Bytes, c_uint) -> *mut Bytes;
    free_bytes = "g_byte_array_unref": unsafe extern "C" fn(*mut Bytes);
}

/// A byte array of GLib's, for what one thread reads and writes.
struct Buffer<'a> {
    api: &'a Api,
    bytes: *mut Bytes,
}

impl<'a> Buffer<'a> {
    fn new(api: &'a Api) -> Self {
        // SAFETY: GLib returns an empty array, or ends the program.
        let bytes = unsafe { (api.new_bytes)() };
        Self { api, bytes }
    }

    fn resize(&mut self, len: usize) {
        let len = c_uint::try_from(len).unwrap_or(c_uint::MAX);
        // SAFETY: the array is this buffer's own.
        unsafe { (self.api.resize_bytes)(self.bytes, len) };
    }

    fn as_slice(&self) -> &[u8] {
        // SAFETY: the array is this buffer's own, and GLib keeps it valid.
        let bytes = unsafe { &*self.bytes };
        if bytes.len == 0 {
            return &[];
        }
        // SAFETY: GLib has `len` bytes there, which nobody changes while this
        // buffer is borrowed.
        unsafe { std::slice::from_raw_parts(bytes.data, bytes.len as usize) }
    }

    fn copy_from(&mut self, source: &[u8]) {
        self.resize(source.len());
        // SAFETY: the array is this buffer's own.
        let data = unsafe { (*self.bytes).data };
        // SAFETY: it has room for as many bytes since it was resized, and the
        // two do not overlap.
        unsafe { data.copy_from_nonoverlapping(source.as_ptr(), source.len()) };
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        // SAFETY: the array is this buffer's own, and this is its end.
        unsafe { (self.api.free_bytes)(self.bytes) };
    }
}

/// What QEMU does for a plugin. The methods that speak of registers, memory or
/// the program counter act on the CPU whose callback calls them.
impl Api {
    /// Calls back whenever a block was translated, for each CPU's beginning, at
    /// discontinuities of those kinds, at the end.
    pub(crate) fn register(
        &self,
        id: PluginId,
        block: OnBlock,
        vcpu: OnVcpu,
        (kinds, discontinuity): (c_int, OnDiscontinuity),
        end: OnEnd,
    ) {
        let nothing = std::ptr::null_mut();
        // SAFETY: the callback has the type that the header asks for.
        unsafe { (self.on_block_translated)(id, block, nothing) };
        // SAFETY: as above.
        unsafe { (self.on_vcpu)(id, vcpu, nothing) };
        // SAFETY: as above.
        unsafe { (self.on_discontinuity)(id, kinds, discontinuity, nothing) };
        // SAFETY: as above.
        unsafe { (self.on_end)(id, end, nothing) };
    }

    /// The instructions of a block, during the callback for it.
    pub(crate) fn instructions(&self, block: *mut Block) -> impl Iterator<Item = *mut Instruction> {
        // SAFETY: QEMU passed the block to the callback.
        let nr = unsafe { (self.nr_instructions)(block) };
        // SAFETY: as above, and the number is within the block.
        (0..nr).map(move |place| unsafe { (self.instruction)(block, place) })
    }

    /// An instruction's first bytes, up to as many as there is room for, and
    /// its size.
    pub(crate) fn encoding<'a>(
        &self,
        instruction: *const Instruction,
        room: &'a mut [u8],
    ) -> &'a [u8] {
        // SAFETY: the instruction is one of the block's, and the room is as
        // large as is said.
        let len = unsafe { (self.instruction_data)(instruction, room.as_mut_ptr(), room.len()) };
        &room[..len.min(room.len())]
    }

    /// An instruction's address and size in bytes.
    pub(crate) fn place(&self, instruction: *const Instruction) -> (u64, usize) {
        // SAFETY: the instruction is one of the block's.
        let address = unsafe { (self.instruction_address)(instruction) };
        // SAFETY: as above.
        (address, unsafe { (self.instruction_size)(instruction) })
    }

    /// Calls back whenever the instruction is about to be executed.
    pub(crate) fn instrument(
        &self,
        instruction: *mut Instruction,
        callback: OnVcpu,
        registers: RegisterUse,
        userdata: usize,
    ) {
        let userdata = std::ptr::without_provenance_mut(userdata);
        // SAFETY: the instruction is one of the block's, and the callback takes
        // any number for its data.
        unsafe { (self.on_executed)(instruction, callback, registers, userdata) };
    }

    /// The handle of the register of that name.
    pub(crate) fn find_register(&self, name: &CStr) -> Option<Register> {
        // SAFETY: it is called where QEMU allows it, for a CPU's beginning.
        let list = unsafe { (self.registers)() };
        if list.is_null() {
            return None;
        }
        // SAFETY: QEMU returns a valid array.
        let array = unsafe { &*list };
        let first: *const Descriptor = array.data.cast();
        (0..array.len as usize).find_map(|place| {
            // SAFETY: the array has so many descriptors.
            let descriptor = unsafe { first.add(place) };
            // SAFETY: as above; nobody else has the list, and it is not freed.
            let descriptor = unsafe { &*descriptor };
            // SAFETY: a descriptor's name is a string.
            let found = unsafe { CStr::from_ptr(descriptor.name) };
            (found == name).then_some(descriptor.handle)
        })
    }

    /// Reads a register; 0 where QEMU does not give it.
    pub(crate) fn read(&self, register: Register) -> u64 {
        let buffer = Buffer::new(self);
        // SAFETY: the handle is QEMU's, and the callback said that it reads.
        let read = unsafe { (self.read_register)(register, buffer.bytes) };
        let bytes = buffer.as_slice();
        match bytes.first_chunk() {
            Some(bytes) if read => u64::from_le_bytes(*bytes),
            _ => 0,
        }
    }

    /// Writes a register; whether that was allowed.
    pub(crate) fn write(&self, register: Register, value: u64) -> bool {
        let mut buffer = Buffer::new(self);
        buffer.copy_from(&value.to_le_bytes());
        // SAFETY: the handle is QEMU's, the buffer as large as the register,
        // and the callback said that it writes.
        unsafe { (self.write_register)(register, buffer.bytes) }
    }

    /// Fills `bytes` from a linear address on; whether all of it is mapped.
    pub(crate) fn read_memory(&self, address: u64, bytes: &mut [u8]) -> bool {
        let buffer = Buffer::new(self);
        // SAFETY: any address may be asked for, and QEMU makes the room.
        let read = unsafe { (self.read_memory)(address, buffer.bytes, bytes.len()) };
        let found = buffer.as_slice();
        if !read || found.len() != bytes.len() {
            return false;
        }
        bytes.copy_from_slice(found);
        true
    }

    /// The dword at a physical address, which may be a device's.
    pub(crate) fn read_physical(&self, address: u64) -> Option<u32> {
        let buffer = Buffer::new(self);
        // SAFETY: any address may be asked for, and QEMU makes the room.
        let result = unsafe { (self.read_physical_memory)(address, buffer.bytes, 4) };
        let bytes = buffer.as_slice().first_chunk()?;
        (result == 0).then(|| u32::from_le_bytes(*bytes))
    }

    /// Goes on at that address instead. QEMU jumps out of the callback, past
    /// every frame of the plugin.
    ///
    /// # Safety
    ///
    /// No frame between QEMU and this call has anything left to drop.
    pub(crate) unsafe fn go_to(&self, address: u64) -> ! {
        // SAFETY: the callback said that it sets the program counter, and the
        // caller vouches for the frames.
        unsafe { (self.set_pc)(address) }
    }
}
