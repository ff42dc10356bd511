//! Pure: numbers, durations and dates as people read them.

/// A duration with a unit, three digits.
pub fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => return format!("{ns:.0} ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", three(value))
}

/// A duration on an axis: 5 ms, not 5.00 ms.
pub fn tick(ns: f64) -> String {
    let text = duration(ns);
    match text.split_once(' ') {
        Some((value, unit)) => format!("{} {unit}", without_zeros(value)),
        None => text,
    }
}

/// Three digits, or all those before the point.
fn three(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 || value == 0.0 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn without_zeros(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, part)) if part.bytes().all(|digit| digit == b'0') => whole,
        _ => text,
    }
}

/// A number with three digits, without zeros behind the point.
pub fn digits(value: f64) -> String {
    without_zeros(&three(value)).to_owned()
}

/// A date and time of day in UTC; `unix_s` are seconds since 1970 (days to dates by the method
/// of Hinnant, "chrono-compatible low-level date algorithms").
pub fn date(unix_s: f64) -> String {
    let seconds = unix_s.max(0.0) as i64;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// A count with its thousands apart.
pub fn count(value: u64) -> String {
    let text = value.to_string();
    let mut apart = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && (text.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_units() {
        assert_eq!(duration(213_400.0), "213 µs");
        assert_eq!(duration(1_320_000.0), "1.32 ms");
        assert_eq!(duration(12.0), "12 ns");
        assert_eq!((duration(5e9), tick(5e9)), ("5.00 s".into(), "5 s".into()));
        assert_eq!(date(0.0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_827_696.5), "2000-02-29 12:34:56 UTC");
        assert_eq!(date(1_798_761_599.0), "2026-12-31 23:59:59 UTC");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
    }
}
