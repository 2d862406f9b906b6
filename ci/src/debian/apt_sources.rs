//! The machine's own apt sources, narrowed to one release and component.
//!
//! Mirrors are read from the machine and never written down here: behind a
//! proxy or in a farm only its own mirror answers. Both forms are read, the
//! one-line form and deb822 (sources.list(5)); deb822 is written, as it can
//! carry a key in place.

use std::fmt::Write;

/// Suites of Debian's archive that are named by what they are.
const ALIASES: [&str; 5] = ["oldstable", "stable", "testing", "unstable", "sid"];
/// What may follow the release's name in a suite of Debian's archive. Others
/// belong to third parties, which have no such component.
const SUFFIXES: [&str; 4] = ["", "-updates", "-security", "/updates"];

/// A source as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Source {
    uris: String,
    suites: Vec<String>,
    /// `signed-by` and `trusted`, kept as they are.
    options: Vec<(String, String)>,
}

/// What of Debian's archives is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// The machine's own release, by which its sources name the archives.
    pub(super) own: &'a str,
    /// The release that is wanted.
    pub(super) release: &'a str,
    /// The component.
    pub(super) component: &'a str,
    /// Whether the release's backports are wanted too.
    pub(super) backports: bool,
}

/// A deb822 file with that part of every Debian archive that `lists` (one-line
/// form) and `sources` (deb822) name; `None` where there is none.
pub(super) fn narrowed(lists: &[String], sources: &[String], part: Part<'_>) -> Option<String> {
    let lines = lists.iter().flat_map(|text| text.lines());
    let stanzas = sources.iter().flat_map(|text| stanzas(text));
    let mut text = String::new();
    for mut source in lines
        .filter_map(one_line)
        .chain(stanzas.filter_map(|stanza| deb822(&stanza)))
    {
        let suites = source.suites.iter();
        source.suites = suites.filter_map(|suite| part.suite(suite)).collect();
        let has_main_suite = source
            .suites
            .iter()
            .any(|suite| !suite.contains(['-', '/']));
        if part.backports && has_main_suite {
            source.suites.push(format!("{}-backports", part.release));
        }
        if !source.suites.is_empty() {
            source.write(part.component, &mut text);
        }
    }
    (!text.is_empty()).then_some(text)
}

impl Part<'_> {
    /// The suite that is wanted where the machine's sources name this one;
    /// `None` if it is none of Debian's for the machine's release.
    fn suite(self, suite: &str) -> Option<String> {
        let mut names = ALIASES.into_iter().chain([self.own]);
        names.find_map(|name| {
            let suffix = suite.strip_prefix(name)?;
            let release = if self.release == self.own {
                name
            } else {
                self.release
            };
            SUFFIXES
                .contains(&suffix)
                .then(|| format!("{release}{suffix}"))
        })
    }
}

impl Source {
    fn write(&self, component: &str, text: &mut String) {
        let suites = self.suites.join(" ");
        let uris = &self.uris;
        // Only the lists of packages, whatever else the machine's apt fetches
        // with them. Writing to a string cannot fail.
        let _ = write!(
            text,
            "Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: {component}\n\
             Targets: Packages\n"
        );
        for (key, value) in &self.options {
            let _ = writeln!(text, "{key}: {value}");
        }
        text.push('\n');
    }
}

/// `deb [option=value …] uri suite component …`.
fn one_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let uris = words.next()?.to_owned();
    let suites = vec![words.next()?.to_owned()];
    if !words.any(|component| component == "main") {
        return None;
    }
    let options = options
        .split_whitespace()
        .filter_map(|option| option.split_once('='))
        .filter_map(|(key, value)| kept_option(key, value))
        .collect();
    Some(Source {
        uris,
        suites,
        options,
    })
}

/// The options that decide whether apt trusts the source, by deb822's names.
fn kept_option(key: &str, value: &str) -> Option<(String, String)> {
    ["Signed-By", "Trusted"]
        .into_iter()
        .find(|name| name.eq_ignore_ascii_case(key))
        .map(|name| (name.to_owned(), value.to_owned()))
}

/// The fields of each stanza; a value keeps its continuation lines.
fn stanzas(text: &str) -> Vec<Vec<(String, String)>> {
    let mut stanzas = vec![Vec::<(String, String)>::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let last = stanzas.last_mut();
        if line.trim().is_empty() {
            stanzas.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = last.and_then(|stanza| stanza.last_mut()) {
                value.push('\n');
                value.push_str(line);
            }
        } else if let (Some(stanza), Some((key, value))) = (last, line.split_once(':')) {
            stanza.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    stanzas
}

fn deb822(stanza: &[(String, String)]) -> Option<Source> {
    let field = |name: &str| {
        stanza
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let has = |name: &str, word: &str| {
        field(name).is_some_and(|value| value.split_whitespace().any(|w| w == word))
    };
    let enabled = !field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
    if !enabled || !has("Types", "deb") || !has("Components", "main") {
        return None;
    }
    let words = |value: &str| {
        value
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    Some(Source {
        uris: words(field("URIs")?).join(" "),
        suites: words(field("Suites")?),
        options: stanza
            .iter()
            .filter_map(|(key, value)| kept_option(key, value))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PART: Part<'_> = Part {
        own: "bookworm",
        release: "bookworm",
        component: "non-free-firmware",
        backports: false,
    };

    fn from_list(text: &str) -> Option<String> {
        narrowed(&[text.to_owned()], &[], PART)
    }

    fn from_deb822(text: &str) -> Option<String> {
        narrowed(&[], &[text.to_owned()], PART)
    }

    #[test]
    fn a_line_becomes_a_stanza_with_its_mirror_suite_and_key() {
        assert_eq!(
            from_list("deb [ arch=amd64 signed-by=/k.gpg ] http://m/debian bookworm main # x"),
            Some(
                "Types: deb\nURIs: http://m/debian\nSuites: bookworm\n\
                 Components: non-free-firmware\nTargets: Packages\nSigned-By: /k.gpg\n\n"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_stanza_keeps_its_suites_and_a_key_of_several_lines() {
        let text = "# comment\nTypes: deb deb-src\nURIs: http://m/debian\n\
                    Suites: bookworm bookworm-updates bookworm-pgdg\nComponents: main contrib\n\
                    Signed-By:\n -----BEGIN-----\n .\n abc\n\nTypes: deb-src\nURIs: http://n\n";
        assert_eq!(
            from_deb822(text),
            Some(
                "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\n\
                 Components: non-free-firmware\nTargets: Packages\nSigned-By: \n -----BEGIN-----\n .\n abc\n\n"
                    .to_owned()
            )
        );
    }

    #[test]
    fn what_is_not_debians_archive_is_left_out() {
        for line in [
            "deb http://m nodistro main",
            "deb http://m bookworm-pgdg main",
            "deb http://m bookworm stable",
            "deb-src http://m bookworm main",
            "debris http://m bookworm main",
            "# deb http://m bookworm main",
            "deb http://m",
            "",
        ] {
            assert_eq!(from_list(line), None, "{line}");
        }
        let stanza = "Types: deb\nURIs: http://m\nSuites: bookworm\nComponents: main\n";
        assert!(from_deb822(stanza).is_some());
        assert_eq!(from_deb822(&format!("{stanza}Enabled: no\n")), None);
    }

    #[test]
    fn backports_come_from_the_mirror_of_the_release_alone() {
        let part = Part {
            release: "trixie",
            component: "main",
            backports: true,
            ..PART
        };
        let text = "deb http://m/debian bookworm main\ndeb http://s bookworm-security main";
        let found = narrowed(&[text.to_owned()], &[], part).unwrap();
        assert!(found.contains("URIs: http://m/debian\nSuites: trixie trixie-backports\n"));
        assert!(found.contains("URIs: http://s\nSuites: trixie-security\n"));
    }

    #[test]
    fn suites_named_by_alias_are_debians_too() {
        for suite in [
            "stable",
            "stable-updates",
            "bookworm-security",
            "bookworm/updates",
        ] {
            assert_eq!(PART.suite(suite).as_deref(), Some(suite));
        }
        assert_eq!(PART.suite("trixie"), None);
    }

    #[test]
    fn another_release_is_looked_for_where_the_machine_finds_its_own() {
        let part = Part {
            release: "trixie",
            ..PART
        };
        for (own, wanted) in [
            ("bookworm", "trixie"),
            ("bookworm-security", "trixie-security"),
            ("stable-updates", "trixie-updates"),
        ] {
            assert_eq!(part.suite(own).as_deref(), Some(wanted));
        }
        assert_eq!(part.suite("bookworm-pgdg"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail(text in "[\\PC\n\t]{0,200}") {
            let texts = [text];
            let _ = narrowed(&texts, &texts, PART);
        }
    }
}
