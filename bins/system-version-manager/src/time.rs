//! Spans of time, as people write them.

use std::time::Duration;

/// A span of time for an option.
pub fn duration(text: &str) -> Result<Duration, String> {
    baserock::duration::parse(text)
        .ok_or_else(|| "use a number of seconds, or a time like 90s, 10m, 1h, 30d or 2w".to_owned())
}
