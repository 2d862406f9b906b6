//! Initrds: a row of cpio archives and compressed ones, with zeros between.
//!
//! The uncompressed archives at the front are handed on as one piece, since
//! [`microcode::scan`] reads the files in it that a kernel reads. All others
//! are members like those of any archive. The two ways agree on which is which
//! by the paths.
//!
//! The `cpio` crate was looked at: it reserves what a header says for a name,
//! up to 4 GiB.

use std::io::{self, BufRead, ErrorKind, Read};

use microcode::cpio::entries;
use microcode::initrd::{AMD_PATH, INTEL_PATH};

use super::archive::{NAME_LIMIT, Place, Went};
use super::buffer::Buffer;
use super::name::member;
use super::sniff::{CPIO_MAGICS, Kind, is_expected_path};
use super::source::{Exact, PEEK, Source};
use super::{MEMBERS, ProblemKind, Walker};

/// The size of a header: the magic and 13 fields of 8 hexadecimal digits.
const HEADER: usize = 6 + 13 * 8;
// Where fields lie, in bytes.
const MODE: usize = 6 + 8;
const FILE_SIZE: usize = 6 + 6 * 8;
const NAME_SIZE: usize = 6 + 11 * 8;
/// How much more than is needed is read at once, in bytes.
const AHEAD: usize = 64 << 10;
/// The file type within the mode, and its value for a regular file.
const MODE_TYPE: u32 = 0o170_000;
const MODE_REGULAR: u32 = 0o100_000;

/// A header as far as it matters, sizes in bytes.
struct Header {
    mode: u32,
    name_size: u32,
    file_size: u32,
}

impl Header {
    /// `None` if there is a header and it is damaged.
    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let field = |at: usize| {
            let digits = bytes.get(at..at + 8)?;
            digits.iter().try_fold(0, |value, &digit| {
                Some(value << 4 | char::from(digit).to_digit(16)?)
            })
        };
        Some(Self {
            mode: field(MODE)?,
            name_size: field(NAME_SIZE)?,
            file_size: field(FILE_SIZE)?,
        })
    }

    /// How many bytes lie between the header and the data.
    fn name_and_padding(&self) -> usize {
        let name_size = self.name_size as usize;
        (HEADER + name_size).next_multiple_of(4) - HEADER
    }

    /// The size of all of it, without padding behind the data.
    fn total(&self) -> usize {
        HEADER + self.name_and_padding() + self.file_size as usize
    }
}

fn is_header(bytes: &[u8]) -> bool {
    CPIO_MAGICS.iter().any(|magic| bytes.starts_with(magic))
}

impl Walker<'_> {
    /// Goes through an initrd whose first bytes may be in `buffer` already. Of
    /// the archives at its front whole entries up to `limit` bytes are held;
    /// what follows is gone through as it comes.
    pub(super) fn early(
        &mut self,
        place: &Place<'_>,
        reader: &mut dyn Read,
        buffer: &mut Buffer,
        limit: usize,
    ) -> Went {
        let end = match front_end(buffer, reader, limit) {
            Ok(end) => end,
            Err(error) => return self.broken(place, "cpio", &error),
        };
        let (front, rest) = buffer.bytes().split_at(end);
        if !front.is_empty() {
            self.blob(place.name, front);
        }
        let members = entries(front)
            .map_while(Result::ok)
            .filter(|entry| entry.missing == 0)
            .filter(|entry| {
                ![INTEL_PATH, AMD_PATH]
                    .iter()
                    .any(|p| p.as_bytes() == entry.path)
            });
        for (entry, nr_members) in members.zip(1..) {
            if nr_members > MEMBERS {
                return self.failed(place, ProblemKind::TooMany);
            }
            self.slice(place, entry.path, entry.data);
        }
        let mut reader = rest.chain(reader);
        self.row(place, &mut Source::new(&mut reader))
    }

    /// Goes through a member that is in memory; most are nothing, which costs
    /// no copy.
    fn slice(&mut self, place: &Place<'_>, path: &[u8], mut data: &[u8]) {
        let front = data.get(..PEEK).unwrap_or(data);
        match Kind::of(front) {
            Kind::Other if !is_expected_path(path) => {}
            Kind::Microcode | Kind::Other => self.blob(&member(place.name, path), data),
            _ => {
                self.member(place, path, &mut data);
            }
        }
    }

    /// Goes through what is left of an initrd, or through one that comes out
    /// of a decompressor.
    pub(super) fn row(&mut self, place: &Place<'_>, source: &mut Source<'_>) -> Went {
        let mut nr_members = 0;
        loop {
            let kind = source
                .skip_zeros()
                .and_then(|()| source.peek(PEEK))
                .map(|front| (!front.is_empty()).then(|| Kind::of(front)));
            let went = match kind {
                Ok(None) => return Went::Through,
                Ok(Some(Kind::Cpio)) => self.entry(place, source, &mut nr_members),
                Ok(Some(Kind::Compressed(method))) => match self.unpack(place, source, method) {
                    // Only its end tells where the next begins.
                    Went::Passed => return Went::Through,
                    went => went,
                },
                Ok(Some(_)) => {
                    self.problem(place.name, ProblemKind::UnknownCompression);
                    return Went::Through;
                }
                Err(error) => self.broken(place, "cpio", &error),
            };
            if went == Went::Failed {
                return went;
            }
        }
    }

    /// Goes through the entry of a cpio archive that `source` is at.
    fn entry(&mut self, place: &Place<'_>, source: &mut Source<'_>, nr_members: &mut u32) -> Went {
        let (header, name) = match read_header(source) {
            Ok(entry) => entry,
            Err(error) => return self.broken(place, "cpio", &error),
        };
        *nr_members += 1;
        if *nr_members > MEMBERS {
            return self.failed(place, ProblemKind::TooMany);
        }
        let size = u64::from(header.file_size);
        let mut left = size;
        let mut last = Went::Through;
        // A file of several names has its data with the last of them.
        if header.mode & MODE_TYPE == MODE_REGULAR && size > 0 {
            let mut exact = Exact {
                reader: &mut *source,
                left,
            };
            last = self.member(place, &name, &mut exact);
            left = exact.left;
        }
        let rest = source.skip(left).and_then(|()| {
            // The last entry's padding may lack.
            let padding = header.file_size.wrapping_neg() % 4;
            let nr_there = source.peek(padding as usize)?.len();
            source.skip(nr_there as u64)
        });
        match rest {
            Err(error) => self.cut(place, "cpio", &error, last),
            Ok(()) => Went::Through,
        }
    }
}

/// Reads on until the archives at the front are in `buffer`, as far as whole
/// entries fit into `limit` bytes, and returns where they end. A damaged
/// header or a missing end counts to them, so that a scan finds it.
fn front_end(buffer: &mut Buffer, reader: &mut dyn Read, limit: usize) -> io::Result<usize> {
    let mut have = |buffer: &mut Buffer, size: usize| {
        let nr_held = buffer.bytes().len();
        if nr_held < size {
            buffer.fill(reader, size.max(nr_held + AHEAD).min(limit))?;
        }
        Ok::<_, io::Error>(buffer.bytes().len() >= size)
    };
    let mut at = 0;
    loop {
        // Zeros count in dwords, as in the kernel.
        while have(buffer, at + 4)? && buffer.bytes().get(at..at + 4) == Some(&[0; 4]) {
            at += 4;
        }
        let is_whole = have(buffer, at + HEADER)?;
        let is_limited = buffer.bytes().len() == limit;
        let rest = buffer.bytes().get(at..).unwrap_or_default();
        if !is_whole && !is_limited && rest.iter().all(|&byte| byte == 0) {
            return Ok(buffer.bytes().len());
        }
        if !is_header(rest) {
            return Ok(at);
        }
        let header = match rest.first_chunk() {
            Some(bytes) => Header::read(bytes),
            None if is_limited => return Ok(at),
            None => None,
        };
        let Some(header) = header else {
            have(buffer, limit)?;
            return Ok(buffer.bytes().len());
        };
        let end = at.saturating_add(header.total()).next_multiple_of(4);
        if have(buffer, end)? {
            at = end;
        } else if buffer.bytes().len() == limit {
            return Ok(at);
        } else {
            return Ok(buffer.bytes().len());
        }
    }
}

/// The header that `source` is at, and the name behind it.
fn read_header(source: &mut Source<'_>) -> io::Result<(Header, Vec<u8>)> {
    let bad = |text| io::Error::new(ErrorKind::InvalidData, text);
    let header = source
        .peek(HEADER)?
        .first_chunk()
        .ok_or_else(|| bad("a header is cut"))
        .and_then(|bytes| Header::read(bytes).ok_or_else(|| bad("a header has no numbers")))?;
    if header.name_size as usize > NAME_LIMIT {
        return Err(bad("a name is longer than any path"));
    }
    source.consume(HEADER);
    let mut name = vec![0; header.name_and_padding()];
    source.read_exact(&mut name)?;
    let end = name.iter().position(|&byte| byte == 0);
    name.truncate(end.unwrap_or(header.name_size as usize));
    Ok((header, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_ends_with_a_whole_entry_wherever_the_limit_is() {
        let archive = microcode::cpio::pack(&[("a/b", &[7; 100]), ("c", &[9; 50])]);
        let bytes = [&[0; 16], &archive[..], b"\x1f\x8b\x08\0 and more"].concat();
        let mut ends: Vec<_> = (16..bytes.len())
            .step_by(4)
            .filter(|&at| is_header(&bytes[at..]))
            .collect();
        // A folder, two files and the trailer with its name and padding.
        assert_eq!(ends.len(), 4);
        ends.push(ends[3] + 124);
        for limit in 0..=bytes.len() {
            let mut buffer = Buffer::default();
            let end = front_end(&mut buffer, &mut &bytes[..], limit).unwrap();
            let last = ends.iter().copied().rfind(|&at| at <= limit).unwrap_or(0);
            assert!((last..=limit).contains(&end), "{limit}: {end}");
            // Zeros in front and behind belong to no entry.
            assert!(
                bytes[last..end].iter().all(|&byte| byte == 0),
                "{limit}: {end}"
            );
            assert!(buffer.bytes().len() <= limit);
        }
    }
}
