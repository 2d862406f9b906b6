//! Images of a few instructions, made by hand.

/// Where an image lies.
pub(crate) const AT: u64 = 0x20_0000;
/// Where its code begins: at the image's own offset of that much.
pub(crate) const CODE: usize = 0x200;
/// The table of its CPUIDs: of the first two instructions.
pub(crate) const TABLE: [u64; 2] = [AT + 0x270, AT + 0x278];

/// XEN_ELFNOTE_PHYS32_ENTRY, and the note with the table.
const PVH_ENTRY: u32 = 18;
const CPUID_TABLE: u32 = 1;
const CPUID: [u8; 2] = [0x0f, 0xa2];
const NOP: u8 = 0x90;

/// A note of an ELF.
fn note(name: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut note = [word(name.len()), word(desc.len()), kind.to_le_bytes()].concat();
    for part in [name, desc] {
        note.extend(part);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}

/// The notes with the entry, behind the two CPUIDs, and with such a table.
pub(crate) fn notes(table: [u64; 2]) -> [Vec<u8>; 2] {
    let entry = u32::try_from(AT).unwrap() + u32::try_from(CODE).unwrap() + 4;
    let table = table.map(u64::to_le_bytes).concat();
    [
        note(b"Xen\0", PVH_ENTRY, &entry.to_le_bytes()),
        note(b"Muster\0", CPUID_TABLE, &table),
    ]
}

/// An image of one segment with these notes: two CPUIDs, the code, and the
/// table.
pub(crate) fn image(notes: &[Vec<u8>], code: &[u8]) -> Vec<u8> {
    let header = |kind: u32, offset: u64, nr_bytes: u64| {
        let words = [offset, AT + offset, AT + offset, nr_bytes, nr_bytes, 4];
        let mut header = [kind, 7].map(u32::to_le_bytes).concat();
        header.extend(words.map(u64::to_le_bytes).concat());
        header
    };
    let notes = notes.concat();
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(16, 0);
    image.extend([2, 0, 0x3e, 0, 1, 0, 0, 0]);
    image.extend([AT, 64, 0].map(u64::to_le_bytes).concat());
    image.extend([0, 0, 0, 0, 64, 0, 56, 0, 2, 0, 64, 0, 0, 0, 0, 0]);
    image.extend(header(1, 0, 0x300));
    image.extend(header(4, 0x100, notes.len() as u64));
    image.resize(0x100, 0);
    image.extend(notes);
    image.resize(CODE, NOP);
    image.extend([CPUID, CPUID].concat());
    image.extend(code);
    assert!(image.len() <= 0x270, "there is no room for so much code");
    image.resize(0x270, NOP);
    // Distances from the table's own entries.
    image.extend([-0x70_i32, -0x72].map(i32::to_le_bytes).concat());
    image.resize(0x300, 0);
    image
}
