//! Virtio devices that no bus finds: the command line says where they are, in the
//! words that Linux takes (`virtio_mmio.device=SIZE@ADDRESS:IRQ`).

use hermit::ring0;

/// Where a device's registers are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) address: u64,
    pub(super) nr_bytes: usize,
}

/// The devices that the command line names; one that is not understood is
/// left out with a word.
pub(super) fn devices() -> impl Iterator<Item = Place> {
    ring0::mmio_devices().iter().filter_map(|text| {
        let place = parse(text);
        if place.is_none() {
            log::warn!("virtio_mmio.device={text}: give SIZE@ADDRESS:IRQ");
        }
        place
    })
}

fn parse(text: &str) -> Option<Place> {
    let (size, rest) = text.split_once('@')?;
    let (address, _) = rest.split_once(':')?;
    Some(Place {
        // Registers are words.
        address: number(address).filter(|address| address.is_multiple_of(4))?,
        nr_bytes: usize::try_from(number(size)?).ok()?,
    })
}

/// A number as Linux reads one: in hexadecimal behind 0x, perhaps in KiB or MiB.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1 << 10),
        None => match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1 << 20),
            None => (text, 1),
        },
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    number.ok()?.checked_mul(unit)
}
