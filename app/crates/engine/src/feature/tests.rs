use alloc::string::ToString;

use proptest::prelude::*;

use super::*;

const FEATURE: Feature = Feature {
    leaf: 7,
    subleaf: 0,
    register: CpuidRegister::Edx,
    set: 0x400,
    clear: 0x800,
    from: None,
};

#[test]
fn a_register_is_named_as_it_is_read() {
    for (name, register) in CpuidRegister::NAMES {
        assert_eq!(register.name(), name);
        assert_eq!(CpuidRegister::from_name(name), Some(register));
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let error = |change: fn(&mut Feature)| {
        let mut feature = FEATURE;
        change(&mut feature);
        feature.check().unwrap_err()
    };
    assert_eq!(FEATURE.check(), Ok(()));
    assert_eq!(error(|f| f.clear = 0x500), FeatureError::Overlap(0x400));
    assert_eq!(error(|f| (f.set, f.clear) = (0, 0)), FeatureError::Nothing);
    assert_eq!(
        error(|f| (f.leaf, f.subleaf) = (6, 1)),
        FeatureError::Subleaf(6)
    );
    assert_eq!(
        error(|f| (f.leaf, f.register) = (1, CpuidRegister::Eax)),
        FeatureError::Signature
    );
}

#[test]
fn bits_are_changed_in_their_word_alone() {
    let of = |place| change(&[FEATURE], Vendor::Intel, (2, true), place);
    assert_eq!(of((7, 0)).apply([1, 2, 3, 0x801]), [1, 2, 3, 0x401]);
    assert!(of((7, 1)).is_none());
    assert!(of((1, 0)).is_none());
    let no_subleaf = Feature { leaf: 1, ..FEATURE };
    let with_any_ecx = change(&[no_subleaf], Vendor::Intel, (2, true), (1, 77));
    assert!(!with_any_ecx.is_none(), "leaf 1 does not look at ECX");
}

#[test]
fn of_two_entries_for_a_bit_the_later_counts() {
    let back = Feature {
        set: 0x800,
        clear: 0,
        ..FEATURE
    };
    let both = change(&[FEATURE, back], Vendor::Intel, (2, true), (7, 0));
    assert_eq!(both.apply([0; 4]), [0, 0, 0, 0xc00]);
    let both = change(&[back, FEATURE], Vendor::Intel, (2, true), (7, 0));
    assert_eq!(both.apply([0; 4]), [0, 0, 0, 0x400]);
}

#[test]
fn a_first_revision_is_compared_as_the_vendor_does_and_else_a_load_counts() {
    let from = Feature {
        from: Some(5),
        ..FEATURE
    };
    for is_loaded in [false, true] {
        assert!(!from.is_shown(Vendor::Intel, 4, is_loaded));
        assert!(from.is_shown(Vendor::Intel, 5, is_loaded));
        // Intel's revisions are signed, AMD's are not.
        assert!(!from.is_shown(Vendor::Intel, 0x8000_0005, is_loaded));
        assert!(from.is_shown(Vendor::Amd, 0x8000_0005, is_loaded));
        assert_eq!(FEATURE.is_shown(Vendor::Intel, 4, is_loaded), is_loaded);
    }
}

#[test]
fn a_command_line_that_says_no_feature_is_refused() {
    let error = |text: &str| text.parse::<Feature>().unwrap_err();
    assert_eq!(error(""), FeatureError::Word);
    assert_eq!(error("register=edx,set=0x1"), FeatureError::Word);
    assert_eq!(error("leaf=7,register=edx"), FeatureError::Word);
    assert_eq!(error("leaf=0x7,register=esi"), FeatureError::Register);
    assert_eq!(error("leaf=0x7,colour=0x1"), FeatureError::Word);
}

proptest! {
    #[test]
    fn a_feature_is_read_as_it_is_written(
        (leaf, subleaf, set, clear) in any::<(u32, u32, u32, u32)>(),
        register in 0..4_usize,
        from in any::<Option<u32>>(),
    ) {
        let register = CpuidRegister::NAMES[register].1;
        let feature = Feature { leaf, subleaf, register, set, clear, from };
        prop_assert_eq!(feature.to_string().parse(), Ok(feature));
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in any::<String>()) {
        let _ = text.parse::<Feature>();
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_file_names_its_mistakes() {
    let read = |text: &str| toml::from_str::<Feature>(text).map_err(|e| e.to_string());
    assert_eq!(
        read("leaf = 7\nregister = \"edx\"\nset = 0x400\nclear = 0x800"),
        Ok(FEATURE)
    );
    for (text, word) in [
        ("leaf = 7\nregister = \"esi\"\nset = 1", "no such register"),
        ("register = \"edx\"\nset = 1", "leaf"),
        ("leaf = 7\nregister = \"edx\"\nbits = 1", "unknown field"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}
