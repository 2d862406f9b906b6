//! The real-time clock (MC146818): the host's time in UTC, binary, 24 hours.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Bit 7 of the index masks NMIs, which it does not here.
const INDEX: u8 = 0x7f;
/// Status register B: 24 hours, binary.
const FORMAT: u8 = 1 << 1 | 1 << 2;
/// Status register D: the time is valid.
const VALID: u8 = 1 << 7;

/// The register that is read next.
#[derive(Debug, Default)]
pub(super) struct Clock {
    index: u8,
}

impl Clock {
    pub(super) const fn select(&mut self, index: u8) {
        self.index = index & INDEX;
    }

    pub(super) fn read(&self) -> u8 {
        let now = TimeZone::UTC.to_datetime(Timestamp::now());
        let number = match self.index {
            0x0 => now.second(),
            0x2 => now.minute(),
            0x4 => now.hour(),
            0x6 => now.weekday().to_sunday_one_offset(),
            0x7 => now.day(),
            0x8 => now.month(),
            0x9 => i8::try_from(now.year() % 100).unwrap_or(0),
            0x32 => i8::try_from(now.year() / 100).unwrap_or(0),
            0xb => return FORMAT,
            0xd => return VALID,
            // Status register A among them: no update is in progress.
            _ => return 0,
        };
        number.cast_unsigned()
    }
}
