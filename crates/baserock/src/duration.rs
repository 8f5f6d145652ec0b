//! Times as people write them.

use std::time::Duration;

/// The units: the letter and its seconds.
const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 7 * 86_400)];

/// Parses a time such as `90`, `90s`, `10m`, `1h`, `30d` or `2w`, of at least a second. `None` if it is none.
pub fn parse(text: &str) -> Option<Duration> {
    let unit = UNITS.into_iter().find_map(|(letter, factor)| Some((text.strip_suffix(letter)?, factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = is_number.then(|| number.parse().ok())??;
    (number > 0).then(|| Duration::from_secs(u64::from(number) * factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("30d", 2_592_000), ("2w", 1_209_600)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "m", "-1s", "+1", "1.5h", "10 m", "5000000000s", "3y", "ü"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
