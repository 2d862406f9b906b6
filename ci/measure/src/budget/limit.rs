//! Times as a person writes and reads them, and limits by name.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul};
use std::str::FromStr;

use serde::Serialize;

/// A time in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Us(pub u64);

/// How long something else has patience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// What it is of.
    pub name: String,
    /// How long.
    #[serde(rename = "at_most_us")]
    pub at_most: Us,
}

/// Text that is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no limit: a name and a whole number of µs, us, ms or s, as watchdog=20s")]
pub struct LimitError {
    /// What was read.
    pub text: String,
}

impl Add for Us {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Mul<u64> for Us {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Sum for Us {
    fn sum<I: Iterator<Item = Self>>(times: I) -> Self {
        times.fold(Self(0), Add::add)
    }
}

impl fmt::Display for Us {
    /// In the largest unit that leaves a whole number before the point, with what
    /// digits there are behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            us @ 0..1_000 => format!("{us} µs"),
            us @ 1_000..1_000_000 => format!("{} ms", decimal(us, 3)),
            us => format!("{} s", decimal(us, 6)),
        };
        f.pad(&text)
    }
}

/// A number whose last digits are behind the point; zeros at the end are left out.
fn decimal(number: u64, nr_digits: u32) -> String {
    let one = 10_u64.pow(nr_digits);
    let (whole, rest) = (number / one, number % one);
    if rest == 0 {
        return whole.to_string();
    }
    let width = nr_digits as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let read = || {
            let (name, time) = text.split_once('=')?;
            let time = time.trim();
            let unit = time.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = &time[..time.len() - unit.len()];
            let factor = match unit.trim_start() {
                "us" | "µs" | "μs" => 1,
                "ms" => 1_000,
                "s" => 1_000_000,
                _ => return None,
            };
            let number: u64 = digits.parse().ok()?;
            let name = name.trim();
            (!name.is_empty()).then_some(Self {
                name: name.to_owned(),
                at_most: Us(number.checked_mul(factor)?),
            })
        };
        read().ok_or_else(|| LimitError {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_that_a_person_would_take() {
        for (us, text) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1 ms"),
            (30_050, "30.05 ms"),
            (999_999, "999.999 ms"),
            (1_000_000, "1 s"),
            (1_030_999, "1.030999 s"),
            (4_097_060_000, "4097.06 s"),
        ] {
            assert_eq!(Us(us).to_string(), text);
        }
    }

    #[test]
    fn a_limit_is_a_name_and_a_time_and_nothing_else() {
        for (text, us) in [
            ("watchdog=20s", 20_000_000),
            ("storage=30 s", 30_000_000),
            (" a = 5s ", 5_000_000),
            ("x=5ms", 5_000),
            ("y=7us", 7),
            ("z=7µs", 7),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap().at_most, Us(us));
        }
        for text in [
            "", "20s", "=20s", "a=", "a=s", "a=20", "a=1.5s", "a=-1s", "a=+5s", "a=2h", "a=5s 3",
        ] {
            let error = text.parse::<Limit>().unwrap_err().to_string();
            assert!(error.contains("watchdog=20s"), "{text}");
        }
        let too_long = format!("a={}s", u64::MAX);
        assert!(too_long.parse::<Limit>().is_err());
    }
}
