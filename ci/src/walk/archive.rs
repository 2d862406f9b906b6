//! What is in a source: microcode, an archive, something compressed; the
//! archives tar and ar.

use std::io::{self, BufRead, ErrorKind, Read};
use std::mem;
use std::rc::Rc;

use tar::PaxExtensions;

use super::decode::{Decoder, Method};
use super::name::{member, printable};
use super::sniff::{AR_MAGIC, Kind, is_expected_path};
use super::source::{Exact, PEEK, Source};
use super::{Blob, Item, LEVELS, MEMBER_LIMIT, MEMBERS, ProblemKind, Walker};

/// The longest name of a member in bytes, Linux' limit for a path. Longer ones
/// are cut off where the archive has a short one as well.
pub(super) const NAME_LIMIT: usize = 4096;

/// Something that bytes come from.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    /// Whether its name says that it is microcode.
    pub(super) expected: bool,
    /// How many archives it lies in.
    pub(super) level: u8,
    /// Whether the bytes come right out of a decompressor.
    pub(super) packed: bool,
}

impl<'a> Place<'a> {
    pub(super) const fn of_file(name: &'a str, expected: bool) -> Self {
        Self {
            name,
            expected,
            level: 0,
            packed: false,
        }
    }
}

/// How far something was gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// Its first bytes were enough.
    Passed,
    Through,
    /// Something was wrong and was said. What it lies in may be unreadable for
    /// that very reason, which need not be said again.
    Failed,
}

impl Walker<'_> {
    /// Goes through what `source` holds.
    pub(super) fn go(&mut self, place: &Place<'_>, source: &mut Source<'_>) -> Went {
        let kind = match source.peek(PEEK) {
            Ok(front) => Kind::of(front),
            Err(error) => return self.broken(place, "a member of its archive", &error),
        };
        match kind {
            Kind::Other if !place.expected => Went::Passed,
            Kind::Microcode | Kind::Other => self.whole(place, source),
            Kind::Compressed(method) => self.unpack(place, source, method),
            _ if place.level >= LEVELS => self.failed(place, ProblemKind::TooDeep),
            Kind::Cpio if place.packed => self.row(place, source),
            Kind::Cpio => {
                let mut buffer = mem::take(&mut self.buffer);
                buffer.clear();
                let went = self.early(place, source, &mut buffer, MEMBER_LIMIT);
                self.buffer = buffer;
                went
            }
            Kind::Tar => self.tar(place, source),
            Kind::Ar => self.ar(place, source),
        }
    }

    pub(super) fn failed(&mut self, place: &Place<'_>, kind: ProblemKind) -> Went {
        self.problem(place.name, kind);
        Went::Failed
    }

    /// Says what went wrong when `place` was read in that format.
    pub(super) fn broken(
        &mut self,
        place: &Place<'_>,
        format: &'static str,
        error: &io::Error,
    ) -> Went {
        let kind = self
            .meter
            .take_fault()
            .unwrap_or_else(|| ProblemKind::Damaged {
                format,
                reason: printable(error.to_string().as_bytes()).into_owned(),
            });
        self.failed(place, kind)
    }

    /// Hands on all that `source` holds.
    fn whole(&mut self, place: &Place<'_>, source: &mut Source<'_>) -> Went {
        self.buffer.clear();
        let limit = MEMBER_LIMIT;
        match self.buffer.fill(source, limit + 1) {
            Ok(true) => self.failed(place, ProblemKind::TooLarge { limit }),
            Ok(false) => {
                let bytes = self.buffer.bytes();
                (self.visit)(Item::Blob(Blob {
                    name: place.name,
                    bytes,
                }));
                Went::Through
            }
            Err(error) => self.broken(place, "a member of its archive", &error),
        }
    }

    /// Goes through what is compressed at the front of `source`. Compression
    /// adds nothing to the name.
    pub(super) fn unpack(
        &mut self,
        place: &Place<'_>,
        source: &mut Source<'_>,
        method: Method,
    ) -> Went {
        let level = place.level + u8::from(place.packed);
        if level > LEVELS {
            return self.failed(place, ProblemKind::TooDeep);
        }
        let inner = Place {
            packed: true,
            level,
            ..*place
        };
        let meter = Rc::clone(&self.meter);
        let mut reader = meter.count(Decoder::new(method, source, &meter));
        let mut unpacked = Source::new(&mut reader);
        match self.go(&inner, &mut unpacked) {
            // The sums stand at the end.
            Went::Through => match unpacked.drain() {
                Ok(()) => Went::Through,
                Err(error) => self.broken(place, method.name(), &error),
            },
            went => went,
        }
    }

    /// Goes through a member of the archive at `place`.
    pub(super) fn member(&mut self, place: &Place<'_>, name: &[u8], reader: &mut dyn Read) -> Went {
        let shown = member(place.name, name);
        let inner = Place {
            name: &shown,
            expected: is_expected_path(name),
            level: place.level + 1,
            packed: false,
        };
        self.go(&inner, &mut Source::new(reader))
    }

    /// Says what broke an archive, unless that is what broke its last member.
    pub(super) fn cut(
        &mut self,
        place: &Place<'_>,
        format: &'static str,
        error: &io::Error,
        last: Went,
    ) -> Went {
        match last {
            Went::Failed => {
                self.meter.take_fault();
                Went::Failed
            }
            _ => self.broken(place, format, error),
        }
    }

    /// Entries come as they are stored: the library would read a long name of
    /// any length into memory.
    fn tar(&mut self, place: &Place<'_>, source: &mut Source<'_>) -> Went {
        let mut archive = tar::Archive::new(source);
        let entries = match archive.entries() {
            Ok(entries) => entries.raw(true),
            Err(error) => return self.broken(place, "tar", &error),
        };
        let mut last = Went::Through;
        let mut long_name = None;
        let mut nr_members = 0;
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.cut(place, "tar", &error, last),
            };
            nr_members += 1;
            if nr_members > MEMBERS {
                return self.failed(place, ProblemKind::TooMany);
            }
            let entry_type = entry.header().entry_type();
            if entry_type.is_gnu_longname() || entry_type.is_pax_local_extensions() {
                match long_tar_name(&mut entry) {
                    Ok(name) => long_name = name.or(long_name),
                    Err(error) => return self.cut(place, "tar", &error, last),
                }
            } else if entry_type.is_file() || entry_type.is_contiguous() {
                let name = long_name
                    .take()
                    .unwrap_or_else(|| entry.path_bytes().into_owned());
                let left = entry.size();
                let reader = &mut entry;
                last = self.member(place, &name, &mut Exact { reader, left });
            } else if !entry_type.is_gnu_longlink() {
                long_name = None;
            }
        }
        Went::Through
    }

    /// The archive of static libraries and of Debian's packages.
    fn ar(&mut self, place: &Place<'_>, source: &mut Source<'_>) -> Went {
        // The magic is there: it was seen.
        source.consume(AR_MAGIC.len());
        let mut last = Went::Through;
        for _ in 0..MEMBERS {
            let (name, size) = match ar_header(source) {
                Ok(Some(header)) => header,
                Ok(None) => return Went::Through,
                Err(error) => return self.cut(place, "ar", &error, last),
            };
            let left = size;
            let mut exact = Exact {
                reader: &mut *source,
                left,
            };
            last = self.member(place, &name, &mut exact);
            // Members begin on even bytes; the last one's padding may lack.
            let left = exact.left;
            let rest = source.skip(left).and_then(|()| {
                let padding = source.peek(usize::from(!size.is_multiple_of(2)))?.len();
                source.skip(padding as u64)
            });
            if let Err(error) = rest {
                return self.cut(place, "ar", &error, last);
            }
        }
        self.failed(place, ProblemKind::TooMany)
    }
}

/// The name that an entry gives the next one; `None` if it gives none that is
/// of any use.
fn long_tar_name(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Option<Vec<u8>>> {
    let is_pax = entry.header().entry_type().is_pax_local_extensions();
    // What else pax says about a file takes some room too.
    let mut text = Vec::new();
    entry.take(4 * NAME_LIMIT as u64).read_to_end(&mut text)?;
    let mut name = if is_pax {
        PaxExtensions::new(&text)
            .filter_map(Result::ok)
            .filter(|extension| extension.key_bytes() == b"path")
            .last()
            .map(|extension| extension.value_bytes().to_vec())
    } else {
        text.split(|&byte| byte == 0).next().map(<[u8]>::to_vec)
    };
    if let Some(name) = &mut name {
        name.truncate(NAME_LIMIT);
    }
    Ok(name)
}

/// Name and size in bytes of the next member: 16 bytes of name, 32 that do not
/// matter, 10 of size, 2 of magic, all text; `None` at the end.
fn ar_header(source: &mut Source<'_>) -> io::Result<Option<(Vec<u8>, u64)>> {
    let header = source.peek(60)?;
    if header.is_empty() {
        return Ok(None);
    }
    let bad = |text| io::Error::new(ErrorKind::InvalidData, text);
    let Some(header) = header.first_chunk::<60>() else {
        return Err(bad("a member's header is cut"));
    };
    let (name, rest) = header.split_at(16);
    let (size, magic) = rest.split_at(42);
    if magic != b"`\n" {
        return Err(bad("a member's header has a wrong magic"));
    }
    let size = size
        .get(32..)
        .and_then(|digits| str::from_utf8(digits).ok())
        .and_then(|digits| digits.trim_end().parse().ok())
        .ok_or_else(|| bad("a member's size is not a number"))?;
    let name = name.trim_ascii_end();
    let name = name.strip_suffix(b"/").unwrap_or(name).to_vec();
    source.consume(60);
    Ok(Some((name, size)))
}
