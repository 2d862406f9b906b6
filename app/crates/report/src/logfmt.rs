//! `key=value` fields: how values are written, and how they are found again.
//!
//! A value with a space, or an empty one, stands in double quotes; there is
//! no escape, so a double quote inside a value is written as a single one and
//! a control character as a space. Keys never repeat within a line.

use core::fmt;

use crate::names::{CandidateVerdict, HardwareKind, InitrdSource, Outcome, Register, Role, Vendor};

/// A 32-bit number that is written in hexadecimal with 8 digits: a signature
/// or a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex32(pub u32);

impl fmt::Display for Hex32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// A 64-bit number that is written in hexadecimal: an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex64(pub u64);

impl fmt::Display for Hex64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Processor flags, written in hexadecimal with at least 2 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u32);

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// A calendar day, `2021-11-12`, as update headers carry it. It is not
/// checked: a damaged header shows what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Four decimal digits.
    pub year: u16,
    /// Two decimal digits.
    pub month: u8,
    /// Two decimal digits.
    pub day: u8,
}

/// A value of a field.
pub trait Value<'a>: Sized {
    /// Writes the value without its key.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Reads the value back; `None` where the text is none of this type.
    fn read(text: &'a str) -> Option<Self>;
}

macro_rules! value_by_display {
    ($($ty:ty),+ : |$text:ident| $read:expr) => { $(
        impl<'a> Value<'a> for $ty {
            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }

            fn read($text: &'a str) -> Option<Self> {
                $read
            }
        }
    )+ };
}

value_by_display!(u8, u16, u32, u64, bool: |text| text.parse().ok());
value_by_display!(CandidateVerdict, HardwareKind, InitrdSource, Outcome, Register, Role, Vendor:
    |text| Self::from_name(text));
value_by_display!(Hex32: |text| {
    let digits = text.strip_prefix("0x")?;
    let plain = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| plain).map(Hex32)
});

value_by_display!(Flags: |text| {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(Flags)
});

value_by_display!(Hex64: |text| {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(Hex64)
});

impl Value<'_> for Date {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        Some(Self {
            year: parts.next()?.parse().ok()?,
            month: parts.next()?.parse().ok()?,
            day: parts.next()?.parse().ok()?,
        })
    }
}

impl<'a> Value<'a> for &'a str {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let quoted =
            self.is_empty() || self.contains([' ', '"', '=']) || self.contains(char::is_control);
        if quoted {
            f.write_char('"')?;
        }
        for c in self.chars() {
            f.write_char(match c {
                '"' => '\'',
                c if c.is_control() => ' ',
                c => c,
            })?;
        }
        if quoted {
            f.write_char('"')?;
        }
        Ok(())
    }

    fn read(text: &'a str) -> Option<Self> {
        Some(text)
    }
}

/// The value of `key` in a line's fields, without its quotes.
#[must_use]
pub fn find<'a>(fields: &'a str, key: &str) -> Option<&'a str> {
    Fields(fields).find_map(|(k, v)| (k == key).then_some(v))
}

/// The fields of a line, in order; words without `=` are passed over.
#[derive(Clone, Debug)]
pub struct Fields<'a>(pub &'a str);

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.0 = self.0.trim_start();
            let end_of_key = self.0.find(['=', ' '])?;
            let (key, rest) = self.0.split_at(end_of_key);
            let Some(rest) = rest.strip_prefix('=') else {
                self.0 = rest;
                continue;
            };
            let (value, rest) = match rest.strip_prefix('"') {
                // A torn line may lack the closing quote: take what is there.
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            self.0 = rest;
            return Some((key, value));
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    struct Show<'a>(&'a str);

    impl fmt::Display for Show<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.write(f)
        }
    }

    #[test]
    fn fields_are_found_by_key_and_keep_spaces_in_quotes() {
        let fields = r#"a=1 word b="two words" c= d=4"#;
        assert_eq!(find(fields, "a"), Some("1"));
        assert_eq!(find(fields, "b"), Some("two words"));
        assert_eq!(find(fields, "c"), Some(""));
        assert_eq!(find(fields, "d"), Some("4"));
        assert_eq!(find(fields, "word"), None);
    }

    #[test]
    fn a_revision_needs_exactly_eight_digits() {
        assert_eq!(Hex32::read("0x000000f0"), Some(Hex32(0xf0)));
        assert_eq!(Hex32::read("0xf0"), None);
        assert_eq!(Hex32::read("000000f0"), None);
        assert_eq!(Hex32::read("0x+00000f0"), None);
    }

    proptest! {
        #[test]
        fn any_text_survives_the_wire_but_for_quotes_and_controls(text in "\\PC{0,40}") {
            let line = std::format!("x={} y=1", Show(&text));
            prop_assert_eq!(find(&line, "x").unwrap(), text.replace('"', "'"));
            prop_assert_eq!(find(&line, "y"), Some("1"));
        }

        #[test]
        fn any_bytes_give_finitely_many_fields(text in "\\PC{0,200}") {
            prop_assert!(Fields(&text).count() <= text.len());
            let _ = Show(&text).to_string();
        }
    }
}
