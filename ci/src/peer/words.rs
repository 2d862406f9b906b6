//! What a peer says of microcode in its own words.

/// The line that tells most, and what the peer takes its revision for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The line, without what the peer puts in front of every line.
    pub text: String,
    /// The boot CPU's revision at the end, by what it says.
    pub revision: Option<u32>,
    /// How much the line tells.
    pub(super) weight: u8,
}

impl Words {
    /// Keeps a line if it tells more than those before it; 0 is nothing. The
    /// update's date, which both peers end with, tells nothing.
    pub(super) fn say(&mut self, line: &str, weight: u8) {
        if weight > self.weight {
            let line = line.split(", date = ").next().unwrap_or_default();
            line.trim_end().clone_into(&mut self.text);
            self.weight = weight;
        }
    }
}

/// The hexadecimal number right behind some text.
pub(super) fn hexadecimal_after(line: &str, before: &str) -> Option<u32> {
    let (_, rest) = line.split_once(before)?;
    let digits = rest.strip_prefix("0x")?;
    let end = digits
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(digits.len());
    u32::from_str_radix(&digits[..end], 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_ends_where_its_digits_do() {
        assert_eq!(hexadecimal_after("rev=0x10, x", "rev="), Some(0x10));
        for line in ["rev=10", "rev=0x", "rev=0x123456789", "0x10"] {
            assert_eq!(hexadecimal_after(line, "rev="), None, "{line}");
        }
    }
}
