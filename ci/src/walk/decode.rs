//! Compression: which one, and a reader of what is in it.

use std::io::{self, ErrorKind, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::ProblemKind;
use super::name::printable;
use super::source::{Meter, Source};

/// The most memory for xz in bytes: the dictionary of its highest preset. More
/// is a choice that only a hostile file makes.
const XZ_MEMORY: u32 = 65 << 20;
/// The largest window of zstd in bytes, the most that its own program accepts
/// unasked.
const ZSTD_WINDOW: u64 = 128 << 20;
/// The size of a block in lz4's old form, in bytes.
const LZ4_BLOCK: usize = 8 << 20;
const LZ4_MAGIC: u32 = 0x184c_2102;
/// The frames of zstd that hold no content, less the last digit.
const ZSTD_SKIPPABLE: u32 = 0x184d_2a50;

/// A known compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    /// The old form, which initrds are in; the newer is not used for them.
    Lz4,
}

impl Method {
    pub(super) fn of(front: &[u8]) -> Option<Self> {
        match front {
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, ..] => Some(Self::Bzip2),
            [2, 0x21, 0x4c, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
        }
    }

    /// What a limit on memory is for this method, in bytes.
    fn memory(self) -> u64 {
        match self {
            Self::Zstd => ZSTD_WINDOW,
            _ => u64::from(XZ_MEMORY),
        }
    }
}

/// Reads what is compressed at the front of a source: all streams of the same
/// method, with zeros between them. Whatever follows stays in the source.
pub(super) struct Decoder<'s, 'r, 'm> {
    method: Method,
    stream: Stream<'s, 'r>,
    meter: &'m Meter,
}

enum Stream<'s, 'r> {
    Gzip(GzDecoder<&'s mut Source<'r>>),
    Xz(Box<XzReader<&'s mut Source<'r>>>),
    Zstd(Box<StreamingDecoder<&'s mut Source<'r>, FrameDecoder>>),
    Bzip2(BzDecoder<&'s mut Source<'r>>),
    Lz4(Lz4<'s, 'r>),
    /// Before a stream.
    Between(&'s mut Source<'r>),
    /// At the end or broken.
    End,
}

impl<'s, 'r, 'm> Decoder<'s, 'r, 'm> {
    /// Notes in `meter` what goes wrong.
    pub(super) fn new(method: Method, source: &'s mut Source<'r>, meter: &'m Meter) -> Self {
        let stream = Stream::Between(source);
        Self {
            method,
            stream,
            meter,
        }
    }

    fn try_read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            let nr_read = match &mut self.stream {
                Stream::Gzip(decoder) => decoder.read(to)?,
                Stream::Xz(decoder) => decoder.read(to)?,
                Stream::Zstd(decoder) => decoder.read(to)?,
                Stream::Bzip2(decoder) => decoder.read(to)?,
                Stream::Lz4(decoder) => decoder.read(to)?,
                Stream::End => return Ok(0),
                Stream::Between(_) => 0,
            };
            if nr_read > 0 || to.is_empty() {
                return Ok(nr_read);
            }
            self.stream = match std::mem::replace(&mut self.stream, Stream::End) {
                Stream::Gzip(decoder) => Stream::Between(decoder.into_inner()),
                Stream::Xz(decoder) => Stream::Between(decoder.into_inner()),
                Stream::Zstd(decoder) => Stream::Between(checked(*decoder)?),
                Stream::Bzip2(decoder) => Stream::Between(decoder.into_inner()),
                Stream::Lz4(decoder) => Stream::Between(decoder.source),
                Stream::Between(source) => self.begin(source)?,
                Stream::End => return Ok(0),
            };
        }
    }

    /// The stream that begins in `source`.
    fn begin(&self, source: &'s mut Source<'r>) -> io::Result<Stream<'s, 'r>> {
        source.skip_zeros()?;
        if self.method == Method::Zstd {
            skip_empty_frames(source)?;
        }
        if Method::of(source.peek(8)?) != Some(self.method) {
            return Ok(Stream::End);
        }
        Ok(match self.method {
            Method::Gzip => Stream::Gzip(GzDecoder::new(source)),
            Method::Xz => {
                let decoder = XzReader::new_mem_limit(source, false, XZ_MEMORY >> 10);
                Stream::Xz(Box::new(decoder))
            }
            Method::Zstd => {
                let decoder = StreamingDecoder::new_with_max_window_size(source, ZSTD_WINDOW)
                    .map_err(|error| match error {
                        FrameDecoderError::WindowSizeTooBig { .. } => {
                            io::Error::new(ErrorKind::OutOfMemory, error)
                        }
                        error => io::Error::other(error),
                    })?;
                Stream::Zstd(Box::new(decoder))
            }
            Method::Bzip2 => Stream::Bzip2(BzDecoder::new(source)),
            Method::Lz4 => {
                source.skip(4)?;
                Stream::Lz4(Lz4::new(source))
            }
        })
    }
}

/// The source behind a frame whose content has the sum that it should have;
/// the library leaves that to its caller.
fn checked<'s, 'r>(
    decoder: StreamingDecoder<&'s mut Source<'r>, FrameDecoder>,
) -> io::Result<&'s mut Source<'r>> {
    let (source, frame) = decoder.into_parts();
    match frame.get_checksum_from_data() {
        Some(sum) if frame.get_calculated_checksum() != Some(sum) => Err(io::Error::new(
            ErrorKind::InvalidData,
            "the content's checksum is wrong",
        )),
        _ => Ok(source),
    }
}

fn skip_empty_frames(source: &mut Source<'_>) -> io::Result<()> {
    while let Some(&[a, b, c, d, e, f, g, h]) = source.peek(8)?.first_chunk()
        && u32::from_le_bytes([a, b, c, d]) & !0xf == ZSTD_SKIPPABLE
    {
        source.skip(8 + u64::from(u32::from_le_bytes([e, f, g, h])))?;
    }
    Ok(())
}

impl Read for Decoder<'_, '_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let result = self.try_read(to);
        if let Err(error) = &result {
            // Not every decoder bears to be read on after an error.
            self.stream = Stream::End;
            let format = self.method.name();
            self.meter.fault(match error.kind() {
                ErrorKind::OutOfMemory => ProblemKind::TooMuchMemory {
                    format,
                    limit: self.method.memory(),
                },
                _ => ProblemKind::Damaged {
                    format,
                    reason: printable(error.to_string().as_bytes()).into_owned(),
                },
            });
        }
        result
    }
}

/// lz4's old form: blocks, each with its compressed size in front, up to the
/// end or to a size that cannot be one.
struct Lz4<'s, 'r> {
    source: &'s mut Source<'r>,
    packed: Vec<u8>,
    block: Vec<u8>,
    /// What of the block is still to be read.
    start: usize,
    end: usize,
}

impl<'s, 'r> Lz4<'s, 'r> {
    fn new(source: &'s mut Source<'r>) -> Self {
        Self {
            source,
            packed: Vec::new(),
            block: vec![0; LZ4_BLOCK],
            start: 0,
            end: 0,
        }
    }

    /// Whether there was another block.
    fn next(&mut self) -> io::Result<bool> {
        let front = self.source.peek(4)?;
        let Some(size) = front.first_chunk().copied().map(u32::from_le_bytes) else {
            return if front.iter().all(|&byte| byte == 0) {
                Ok(false)
            } else {
                Err(ErrorKind::UnexpectedEof.into())
            };
        };
        let size = size as usize;
        if size == 0
            || size == LZ4_MAGIC as usize
            || size > lz4_flex::block::get_maximum_output_size(LZ4_BLOCK)
        {
            return Ok(false);
        }
        self.source.skip(4)?;
        self.packed.resize(size, 0);
        self.source.read_exact(&mut self.packed)?;
        self.start = 0;
        self.end = lz4_flex::block::decompress_into(&self.packed, &mut self.block)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(true)
    }
}

impl Read for Lz4<'_, '_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.start == self.end {
            if !self.next()? {
                return Ok(0);
            }
        }
        let mut held = self.block.get(self.start..self.end).unwrap_or_default();
        let nr_read = held.read(to)?;
        self.start += nr_read;
        Ok(nr_read)
    }
}
