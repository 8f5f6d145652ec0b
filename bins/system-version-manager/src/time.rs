//! Spans of time, as people write them.

use std::time::Duration;

/// The units: the letter and its seconds.
const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];

/// A time such as `90`, `90s`, `10m`, `1h`, `30d` or `2w`, of at least a second.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "use a number of seconds, or a time like 90s, 10m, 1h, 30d or 2w".to_owned();
    let unit = UNITS.into_iter().find_map(|(letter, factor)| Some((text.strip_suffix(letter)?, factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    let number: u32 = number.parse().map_err(|_| wrong())?;
    if number == 0 { Err(wrong()) } else { Ok(Duration::from_secs(u64::from(number) * factor)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("30d", 2_592_000), ("2w", 1_209_600)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "m", "-1s", "1.5h", "10 m", "5000000000s", "3y"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
