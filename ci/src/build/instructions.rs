//! Which instructions the image has.
//!
//! Some hosts have a KVM without hardware virtualization, which interprets ring 0
//! and knows few instructions beyond the first 64-bit CPUs'. The guest, which is
//! ring 0 throughout, is compiled without floating point and vectors and so keeps to
//! those. Here that is looked at: whatever is neither known to be interpreted nor
//! known to be left alone is an error of the build. One image is looked at, as the
//! code is the same whatever initrd is linked.

use std::collections::BTreeSet;
use std::fmt::Write;

use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

use super::Error;

/// So many places are named; one is enough to find the cause of all.
const MOST_SHOWN: usize = 10;

/// What is executed, by the feature that an instruction came with.
const INTERPRETED: [CpuidFeature; 18] = [
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL186,
    CpuidFeature::INTEL286,
    CpuidFeature::INTEL386,
    CpuidFeature::INTEL486,
    CpuidFeature::X64,
    CpuidFeature::CMOV,
    CpuidFeature::CPUID,
    CpuidFeature::CX8,
    CpuidFeature::FXSR,
    CpuidFeature::FSGSBASE,
    CpuidFeature::MSR,
    CpuidFeature::MULTIBYTENOP,
    CpuidFeature::PAUSE,
    CpuidFeature::RDRAND,
    CpuidFeature::SMAP,
    CpuidFeature::SYSCALL,
    CpuidFeature::TSC,
];

/// Single instructions of other features that are executed, or that the image has
/// and never comes to there.
const EXCEPTIONS: [Mnemonic; 12] = [
    Mnemonic::Lfence,
    Mnemonic::Mfence,
    Mnemonic::Sfence,
    // BSF with a prefix that is ignored where it is not known; the results differ
    // for 0 alone, which compilers take care of.
    Mnemonic::Tzcnt,
    // The kernel asks CPUID first.
    Mnemonic::Rdtscp,
    Mnemonic::Xsave,
    Mnemonic::Xrstor,
    Mnemonic::Xgetbv,
    Mnemonic::Xsetbv,
    // For tasks that use the floating-point unit, of which there are none.
    Mnemonic::Fnclex,
    // For another hypervisor's way to its devices, which nobody takes.
    Mnemonic::Vmcall,
    // To reset the machine by a triple fault, where nothing else did.
    Mnemonic::Int3,
];

fn is_known(instruction: &Instruction) -> bool {
    let mut features = instruction.cpuid_features().iter();
    EXCEPTIONS.contains(&instruction.mnemonic())
        || features.all(|feature| INTERPRETED.contains(feature))
}

/// Checks an image with symbols; what stands in no function, such as the code
/// that other CPUs start with, is assembly that runs in other modes and is not
/// looked at.
pub(super) fn check(image: &[u8]) -> Result<(), Error> {
    let unknown = unknown(image).map_err(|why| Error::Instructions {
        list: format!("the image cannot be read: {why}"),
    })?;
    if unknown.is_empty() {
        return Ok(());
    }
    let mut list = String::new();
    for line in unknown.iter().take(MOST_SHOWN) {
        // Writing to a string cannot fail.
        let _ = write!(list, "\n  {line}");
    }
    if let Some(nr_more) = unknown
        .len()
        .checked_sub(MOST_SHOWN)
        .filter(|&more| more > 0)
    {
        let _ = write!(list, "\n  and {nr_more} more");
    }
    Err(Error::Instructions { list })
}

/// The instructions that are not known: what, where and in which function.
fn unknown(image: &[u8]) -> Result<BTreeSet<String>, String> {
    let file = object::File::parse(image).map_err(|error| error.to_string())?;
    let text = file
        .sections()
        .find(|section| section.kind() == SectionKind::Text)
        .ok_or("it has no code")?;
    let mut unknown = BTreeSet::new();
    let functions = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text);
    for function in functions.filter(|function| function.size() > 0) {
        let bytes = text.data_range(function.address(), function.size());
        let Ok(Some(bytes)) = bytes else { continue };
        let decoder = Decoder::with_ip(64, bytes, function.address(), DecoderOptions::NONE);
        for instruction in decoder {
            if !is_known(&instruction) {
                let name = function.name().unwrap_or("?");
                let at = instruction.ip();
                unknown.insert(format!("{at:#x} {:?} in {name}", instruction.code()));
            }
        }
    }
    Ok(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(bytes: &[u8]) -> bool {
        let mut decoder = Decoder::new(64, bytes, DecoderOptions::NONE);
        let instruction = decoder.decode();
        assert_eq!(instruction.len(), bytes.len(), "{instruction:?}");
        is_known(&instruction)
    }

    #[test]
    fn integers_and_what_the_kernel_asks_for_are_known_and_vectors_are_not() {
        let known: [&[u8]; 6] = [
            &[0x48, 0x01, 0xd8],             // add rax, rbx
            &[0xf0, 0x48, 0x0f, 0xb1, 0x0f], // lock cmpxchg [rdi], rcx
            &[0xf3, 0x48, 0x0f, 0xbc, 0xc1], // tzcnt rax, rcx
            &[0x0f, 0xae, 0xe8],             // lfence
            &[0x0f, 0x01, 0xf9],             // rdtscp
            &[0x0f, 0x30],                   // wrmsr
        ];
        for bytes in known {
            assert!(knows(bytes), "{bytes:02x?}");
        }
        let unknown: [&[u8]; 6] = [
            &[0xf2, 0x0f, 0x58, 0xc1],       // addsd xmm0, xmm1
            &[0xd9, 0xe8],                   // fld1
            &[0xf3, 0x48, 0x0f, 0xb8, 0xc1], // popcnt rax, rcx
            &[0x48, 0x0f, 0xc7, 0x0f],       // cmpxchg16b [rdi]
            &[0xc4, 0xe2, 0xf0, 0xf2, 0xc2], // andn rax, rcx, rdx
            &[0x0f, 0x01, 0xc9],             // mwait
        ];
        for bytes in unknown {
            assert!(!knows(bytes), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_no_image_is_an_error_and_not_a_pass() {
        assert!(check(b"no image").is_err());
    }
}
