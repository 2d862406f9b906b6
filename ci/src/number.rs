//! Numbers as microcode's users write them: in hexadecimal, with `0x` or
//! without.

/// Reads a number of up to 32 bits; the message says what is wrong.
pub fn hexadecimal(text: &str) -> Result<u32, String> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!(
            "{text:?} is no number in hexadecimal, such as 0x000506e3"
        ));
    }
    u32::from_str_radix(digits, 16).map_err(|_| format!("{text} does not fit 32 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_optional_and_nothing_else_is() {
        assert_eq!(hexadecimal("0x506e3"), Ok(0x506e3));
        assert_eq!(hexadecimal("506E3"), Ok(0x506e3));
        for text in ["", "0x", "+1", "1_000", "xyz", "0x1ffffffff", " 1"] {
            assert!(hexadecimal(text).is_err(), "{text:?}");
        }
    }
}
