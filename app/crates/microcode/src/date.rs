//! The release date that both vendors keep in their headers.

use core::fmt;

/// A date as the header states it. It is shown, never relied on: AMD's patch
/// 0x03000027, for one, claims the thirteenth month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// The year, four digits.
    pub year: u16,
    /// The month, 1 to 12 in a sane header.
    pub month: u8,
    /// The day of the month, 1 to 31 in a sane header.
    pub day: u8,
}

impl Date {
    /// Reads the headers' form `0xMMDDYYYY`, binary-coded decimal. Digits
    /// above 9 count as their value, so that any dword gives some date.
    #[must_use]
    pub fn from_bcd(bcd: u32) -> Self {
        let [years, centuries, day, month] = bcd.to_le_bytes();
        Self {
            year: u16::from(from_bcd(centuries)) * 100 + u16::from(from_bcd(years)),
            month: from_bcd(month),
            day: from_bcd(day),
        }
    }

    /// The headers' form `0xMMDDYYYY`; only the last two digits of month and
    /// day and the last four of the year fit.
    #[must_use]
    pub fn to_bcd(self) -> u32 {
        let two_digits = |number: u8| to_bcd(u32::from(number % 100));
        two_digits(self.month) << 24 | two_digits(self.day) << 16 | to_bcd(u32::from(self.year))
    }

    /// Whether month and day are ones that a calendar has.
    pub(crate) fn is_sane(self) -> bool {
        (1..=12).contains(&self.month) && (1..=31).contains(&self.day)
    }
}

/// Two decimal digits, at most 165 where they are none.
const fn from_bcd(byte: u8) -> u8 {
    byte / 16 * 10 + byte % 16
}

/// The last four decimal digits.
fn to_bcd(number: u32) -> u32 {
    [1000, 100, 10, 1]
        .into_iter()
        .fold(0, |bcd, place| bcd * 16 + number / place % 10)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn the_dword_reads_month_day_year() {
        assert_eq!(Date::from_bcd(0x1112_2021).to_string(), "2021-11-12");
    }

    proptest! {
        #[test]
        fn any_dword_is_some_date(bcd: u32) {
            let _ = Date::from_bcd(bcd).to_string();
        }

        #[test]
        fn dates_of_decimal_digits_survive_the_round_trip(
            year in 0u16..10_000, month in 0u8..100, day in 0u8..100
        ) {
            let date = Date { year, month, day };
            prop_assert_eq!(Date::from_bcd(date.to_bcd()), date);
        }
    }
}
