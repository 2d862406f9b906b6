//! Microcode, archives and compressed bytes for tests.

use std::io::Write;

use microcode::synth;

use super::super::decode::Method;

pub(super) fn intel() -> Vec<u8> {
    synth::intel(0x0005_06e3, 0x36, 0xf0).build()
}

pub(super) fn amd() -> Vec<u8> {
    synth::amd(0x0080_0f12, 0x0800_126f).build()
}

pub(super) const METHODS: [Method; 5] = [
    Method::Gzip,
    Method::Xz,
    Method::Zstd,
    Method::Bzip2,
    Method::Lz4,
];

pub(super) fn packed(method: Method, bytes: &[u8]) -> Vec<u8> {
    match method {
        Method::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Method::Xz => xz(bytes, 1 << 20),
        Method::Zstd => {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        }
        Method::Bzip2 => {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Method::Lz4 => {
            let mut packed = vec![2, 0x21, 0x4c, 0x18];
            for block in bytes.chunks(8 << 20) {
                let block = lz4_flex::block::compress(block);
                packed.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
                packed.extend(block);
            }
            packed
        }
    }
}

/// xz with a dictionary of that size in bytes.
pub(super) fn xz(bytes: &[u8], dictionary: u32) -> Vec<u8> {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.lzma_options.dict_size = dictionary;
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

pub(super) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

pub(super) fn ar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in files {
        let size = bytes.len();
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
            0, 0, 0, 100_644
        );
        archive.extend(header.as_bytes());
        archive.extend(*bytes);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    archive
}

/// A package of Debian's form with the updates of both vendors.
pub(super) fn deb() -> Vec<u8> {
    let data = tar(&[
        ("lib/firmware/intel-ucode/06-5e-03", &intel()),
        ("lib/firmware/amd-ucode/microcode_amd.bin", &amd()),
        ("usr/share/doc/copyright", b"text"),
    ]);
    ar(&[
        ("debian-binary", b"2.0\n"),
        (
            "control.tar.xz",
            &packed(Method::Xz, &tar(&[("control", b"Package: x")])),
        ),
        ("data.tar.xz", &packed(Method::Xz, &data)),
    ])
}
