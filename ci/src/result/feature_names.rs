//! Names of the feature bits that updates are known to have changed, from Intel's
//! SDM (volume 2A, "CPUID", and volume 4, IA32_ARCH_CAPABILITIES) and AMD's APM
//! (volume 3, appendix E).

use report::Register::{Eax, Ebx, Ecx, Edx};
use report::{Hex32, Register};

/// The bits of one word.
struct Word {
    /// Leaf, or number of the model-specific register.
    number: u32,
    /// None for a model-specific register.
    subleaf: Option<u32>,
    register: Register,
    names: &'static [(u32, &'static str)],
}

const WORDS: [Word; 8] = [
    Word {
        number: 0x7,
        subleaf: Some(0),
        register: Ebx,
        names: &[(4, "HLE"), (11, "RTM")],
    },
    Word {
        number: 0x7,
        subleaf: Some(0),
        register: Edx,
        names: &[
            (9, "SRBDS_CTRL"),
            (10, "MD_CLEAR"),
            (11, "RTM_ALWAYS_ABORT"),
            (13, "RTM_FORCE_ABORT"),
            (26, "SPEC_CTRL"),
            (27, "STIBP"),
            (28, "L1D_FLUSH"),
            (29, "ARCH_CAPABILITIES"),
            (31, "SSBD"),
        ],
    },
    Word {
        number: 0x7,
        subleaf: Some(2),
        register: Edx,
        names: &[
            (0, "PSFD"),
            (1, "IPRED_CTRL"),
            (2, "RRSBA_CTRL"),
            (3, "DDPD_U"),
            (4, "BHI_CTRL"),
            (5, "MCDT_NO"),
        ],
    },
    Word {
        number: 0x8000_0008,
        subleaf: Some(0),
        register: Ebx,
        names: &[
            (12, "IBPB"),
            (14, "IBRS"),
            (15, "STIBP"),
            (24, "SSBD"),
            (25, "VIRT_SSBD"),
            (28, "PSFD"),
            (30, "IBPB_RET"),
        ],
    },
    Word {
        number: 0x8000_0021,
        subleaf: Some(0),
        register: Eax,
        names: &[
            (5, "VERW_CLEAR"),
            (27, "SBPB"),
            (28, "IBPB_BRTYPE"),
            (29, "SRSO_NO"),
        ],
    },
    Word {
        number: 0x8000_0021,
        subleaf: Some(0),
        register: Ecx,
        names: &[(1, "TSA_SQ_NO"), (2, "TSA_L1_NO")],
    },
    Word {
        number: 0x10a,
        subleaf: None,
        register: Eax,
        names: &[
            (0, "RDCL_NO"),
            (1, "IBRS_ALL"),
            (2, "RSBA"),
            (3, "SKIP_L1DFL_VMENTRY"),
            (4, "SSB_NO"),
            (5, "MDS_NO"),
            (6, "IF_PSCHANGE_MC_NO"),
            (7, "TSX_CTRL"),
            (8, "TAA_NO"),
            (9, "MCU_CONTROL"),
            (13, "SBDR_SSDP_NO"),
            (14, "FBSDP_NO"),
            (15, "PSDP_NO"),
            (17, "FB_CLEAR"),
            (18, "FB_CLEAR_CTRL"),
            (19, "RRSBA"),
            (20, "BHI_NO"),
            (24, "PBRSB_NO"),
            (25, "GDS_CTRL"),
            (26, "GDS_NO"),
            (27, "RFDS_NO"),
            (28, "RFDS_CLEAR"),
        ],
    },
    // Bit 62 of the register.
    Word {
        number: 0x10a,
        subleaf: None,
        register: Edx,
        names: &[(30, "ITS_NO")],
    },
];

/// The name of a bit of the word of that leaf or register.
pub(super) fn name_of(
    number: Option<Hex32>,
    subleaf: Option<u32>,
    register: Register,
    bit: u32,
) -> Option<&'static str> {
    let Hex32(number) = number?;
    let word = WORDS
        .iter()
        .find(|word| (word.number, word.subleaf, word.register) == (number, subleaf, register))?;
    let mut names = word.names.iter();
    names.find(|name| name.0 == bit).map(|name| name.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_every_bit_stands_there_once() {
        for (place, word) in WORDS.iter().enumerate() {
            let key = |w: &Word| (w.number, w.subleaf, w.register);
            assert!(WORDS[..place].iter().all(|other| key(other) != key(word)));
            assert!(word.names.is_sorted_by(|a, b| a.0 < b.0));
            assert!(word.names.iter().all(|name| name.0 < 32));
        }
    }

    #[test]
    fn a_bit_is_named_in_its_own_word_alone() {
        let name = |number, subleaf| name_of(Some(Hex32(number)), subleaf, Edx, 10);
        assert_eq!(name(7, Some(0)), Some("MD_CLEAR"));
        assert_eq!(name(7, Some(1)), None);
        assert_eq!(name(1, Some(0)), None);
    }
}
