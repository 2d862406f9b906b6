//! Numbers as text: times in the unit that suits them.

/// A count or a time in ns as a coordinate.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53 ns, which is 104 days"
)]
pub(super) const fn real(value: u64) -> f64 {
    value as f64
}

/// The units of time, by how many ns they have.
const TIMES: [(&str, f64); 4] = [("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0)];

/// The largest unit of which `ns` has at least one, and how many ns that has.
pub(super) fn unit_of(ns: f64) -> (&'static str, f64) {
    let fits = |&(_, one): &(&str, f64)| ns >= one;
    TIMES.into_iter().find(fits).unwrap_or(("ns", 1.0))
}

/// A time with three digits that count: `1.24 µs`.
pub(super) fn time(ns: f64) -> String {
    // What rounds up to the next unit is shown in that.
    let (unit, one) = unit_of(ns * 1.0005);
    let scaled = ns / one;
    if unit == "ns" && ns.fract() == 0.0 {
        return format!("{ns} ns");
    }
    format!("{} {unit}", three_digits(scaled))
}

/// A number with three digits that count, or all that stand before the point.
pub(super) fn three_digits(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.decimals$}")
}

/// A tick's text: the number as it is and the unit that suits `usual`, so that all
/// ticks of a linear axis have the same.
pub(super) fn tick(ns: f64, usual: f64) -> String {
    if ns <= 0.0 {
        return "0".to_owned();
    }
    let (unit, one) = unit_of(usual);
    // Rust prints the shortest text that is read as the same number; what the
    // division adds beyond the ninth digit is no part of a tick.
    let number = (ns / one * 1e9).round() / 1e9;
    format!("{number} {unit}")
}

/// `1 CPU`, `2 CPUs`.
pub(super) fn cpus(count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} CPU{plural}")
}

/// A whole number with its thousands set apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_digits_and_the_unit_that_suits_it() {
        for (ns, text) in [
            (0.0, "0 ns"),
            (7.0, "7 ns"),
            (850.0, "850 ns"),
            (1240.0, "1.24 µs"),
            (12_340.0, "12.3 µs"),
            (999_400.0, "999 µs"),
            (999_600.0, "1.00 ms"),
            (1.5e9, "1.50 s"),
            (3.2e11, "320 s"),
        ] {
            assert_eq!(time(ns), text);
        }
    }

    #[test]
    fn the_ticks_of_an_axis_share_a_unit_and_have_no_digits_to_spare() {
        assert_eq!(tick(0.0, 2e6), "0");
        assert_eq!(tick(300_000.0, 2e6), "0.3 ms");
        assert_eq!(tick(2e6, 2e6), "2 ms");
        assert_eq!(tick(100.0, 100.0), "100 ns");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(43_394), "43,394");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
