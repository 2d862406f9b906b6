//! Names for people, made of bytes that anybody may have chosen.

use std::borrow::Cow;

/// The bytes as text that can be printed: what is no UTF-8 becomes the
/// replacement character, and what controls a terminal or has no shape is
/// escaped.
pub(super) fn printable(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // Escaped in source code, but harmless in a name.
            '\'' | '"' | '\\' => shown.push(letter),
            _ => shown.extend(letter.escape_debug()),
        }
    }
    Cow::Owned(shown)
}

/// The name of an archive's member behind the archive's own.
pub(super) fn member(archive: &str, mut name: &[u8]) -> String {
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    format!("{archive}!{}", printable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_or_hides_is_escaped_and_the_rest_stays() {
        for (bytes, shown) in [
            (&b"intel-ucode/06-55-04"[..], "intel-ucode/06-55-04"),
            (b"it's \"a\\b\"", "it's \"a\\b\""),
            ("größe".as_bytes(), "größe"),
            (b"\x1b[31mred\n\0", "\\u{1b}[31mred\\n\\0"),
            (
                "a\u{202e}b\u{200b}\u{9b}".as_bytes(),
                "a\\u{202e}b\\u{200b}\\u{9b}",
            ),
            (b"\xff.bin", "\u{fffd}.bin"),
        ] {
            assert_eq!(printable(bytes), shown);
        }
    }

    #[test]
    fn members_follow_their_archive_without_leading_dots() {
        assert_eq!(member("a.tar", b"././lib/x"), "a.tar!lib/x");
        assert_eq!(member("a.tar", b".hidden"), "a.tar!.hidden");
    }
}
