//! What every loader looks for is in the image, and it stays small.

use std::fs;
use std::path::Path;

use muster::build::Library;

/// What the image may take without an initrd, in bytes.
const LARGEST: usize = 600_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("ci is a folder of the checkout")
}

fn image() -> Vec<u8> {
    let image = Library::compile(root()).and_then(|library| library.link(None));
    let image = image.unwrap_or_else(|error| panic!("{error}"));
    fs::read(image).expect("the image can be read")
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

#[test]
fn the_image_has_both_entries_no_folder_s_name_and_stays_below_its_limit() {
    let image = image();
    assert!(image.len() <= LARGEST, "{} bytes", image.len());
    let root = root().to_str().expect("the path is text").as_bytes();
    let names_folder = image.windows(root.len()).any(|window| window == root);
    assert!(!names_folder, "it names the checkout's folder");
    assert_eq!(
        image[..6],
        *b"\x7fELF\x02\x01",
        "a 64-bit little-endian ELF"
    );

    // XEN_ELFNOTE_PHYS32_ENTRY: name size 4, descriptor size 4, type 18.
    let note = *b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0";
    let note = image
        .windows(note.len())
        .position(|window| window == note)
        .expect("a PVH note");
    let entry = u64::from_le_bytes(image[24..32].try_into().expect("eight bytes"));
    assert_eq!(
        u64::from(u32_at(&image, note + 16)),
        entry,
        "PVH enters where the ELF does"
    );

    // Multiboot2 specification 2.0, 3.1.1: 8-byte aligned in the first 32 KiB.
    let header = (0..32768)
        .step_by(8)
        .find(|&offset| u32_at(&image, offset) == 0xe852_50d6)
        .expect("a Multiboot2 header");
    let sum = (0..4).fold(0_u32, |sum, n| {
        sum.wrapping_add(u32_at(&image, header + 4 * n))
    });
    assert_eq!(sum, 0, "its checksum");
}
