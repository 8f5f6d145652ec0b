//! The time of the sources. Whatever is made of them carries it, so that the same sources make the same bytes.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::root;

/// Seconds since 1970: `SOURCE_DATE_EPOCH`, else the time of the last commit, else, without git, that of the last change of the changelog.
pub fn seconds() -> Result<u64> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given
            .trim()
            .parse()
            .with_context(|| format!("SOURCE_DATE_EPOCH is {given:?}, no number of seconds"));
    }
    if let Ok(committed) = root::output(root::command("git").args(["log", "-1", "--format=%ct"])) {
        return committed.trim().parse().context("git names no time of the last commit");
    }
    let changelog = root::path().join("CHANGELOG.md");
    let changed = fs::metadata(&changelog).and_then(|metadata| metadata.modified());
    let changed = changed.with_context(|| format!("cannot read {}", changelog.display()))?;
    Ok(changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// The same as a moment.
pub fn moment() -> Result<SystemTime> {
    Ok(UNIX_EPOCH + Duration::from_secs(seconds()?))
}

/// The day: `2026-11-23`.
pub fn day() -> Result<String> {
    Ok(system::utc::text(moment()?)[..10].to_owned())
}
