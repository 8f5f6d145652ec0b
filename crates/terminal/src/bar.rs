//! Bars of progress, in bytes.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use crate::manners::{Progress, manners};

/// Bars on standard error, if that is a terminal, each with a name. Lines are shown above them.
#[derive(Default)]
pub struct Bars(Mutex<Shown>);

/// The bars that are shown now.
#[derive(Default)]
struct Shown {
    place: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
}

/// The rate and the time left are not shown before this: they would be guesses.
const UNSURE: Duration = Duration::from_secs(1);
/// The line with a bar, if the total is known, and without one.
const WITH_TOTAL: &str = "  {prefix}{bar:30} {bytes}/{total_bytes}{speed}";
const WITHOUT_TOTAL: &str = "  {prefix}{bytes}{speed}";
/// The characters of the bar, where the terminal's are not known to be more than ASCII.
const ASCII: &str = "#>-";

impl Bars {
    /// Shows `done` bytes of `total`, if that is known, in the bar of this name. The name may be empty.
    pub fn progress(&self, name: &str, done: u64, total: Option<u64>) {
        if !is_possible() {
            return;
        }
        let Shown { place, bars } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(name.to_owned()).or_insert_with(|| place.add(new(name, done, total)));
        if let Some(total) = total.filter(|&total| bar.length() != Some(total)) {
            bar.set_length(total);
        }
        bar.set_position(done);
    }

    /// Removes the bar of this name.
    pub fn finish(&self, name: &str) {
        let Shown { place, bars } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.remove(name) {
            bar.finish_and_clear();
            place.remove(&bar);
        }
    }

    /// Shows lines above the bars.
    pub fn suspended(&self, show: impl FnOnce()) {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.bars.is_empty() { show() } else { shown.place.suspend(show) }
    }
}

/// Whether a bar can be drawn here.
fn is_possible() -> bool {
    let wanted = !manners().is_quiet() && manners().progress() == Progress::Text;
    wanted && io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A bar that begins at `first`: an earlier run may have done that.
fn new(name: &str, first: u64, total: Option<u64>) -> ProgressBar {
    let begun = Instant::now();
    let speed = move |state: &ProgressState, line: &mut dyn std::fmt::Write| {
        // If the terminal is gone, nobody is left to be told.
        let _gone = line.write_str(&speed(
            state.pos().saturating_sub(first),
            begun.elapsed(),
            state.len().map(|all| all.saturating_sub(state.pos())),
        ));
    };
    let template = if total.is_some() { WITH_TOTAL } else { WITHOUT_TOTAL };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = if has_utf8() { style } else { style.progress_chars(ASCII) };
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    let prefix = if name.is_empty() { String::new() } else { format!("{name}  ") };
    bar.with_style(style.with_key("speed", speed)).with_prefix(prefix).with_position(first)
}

/// The rate, and the time left; empty while nothing is known.
fn speed(done: u64, took: Duration, left: Option<u64>) -> String {
    let rate = u64::try_from(u128::from(done) * 1000 / took.as_millis().max(1)).unwrap_or(u64::MAX);
    if took < UNSURE || rate == 0 {
        return String::new();
    }
    let text = format!("  {}/s", HumanBytes(rate));
    match left {
        Some(left) => format!("{text}  {:#} left", HumanDuration(Duration::from_secs(left.div_ceil(rate)))),
        None => text,
    }
}

/// Whether the terminal's characters are UTF-8, as the locale says.
pub fn has_utf8() -> bool {
    is_utf8(|name| std::env::var(name).ok())
}

fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_not_shown_before_it_is_known() {
        let second = Duration::from_secs(1);
        for (done, took, left, shown) in [
            (1 << 30, Duration::from_millis(3), Some(1 << 20), ""),
            (0, 5 * second, Some(1 << 20), ""),
            (20 << 20, 2 * second, Some(95 << 20), "  10.00 MiB/s  10s left"),
            (20 << 20, 2 * second, None, "  10.00 MiB/s"),
        ] {
            assert_eq!(speed(done, took, left), shown);
        }
    }

    #[test]
    fn the_first_variable_with_a_value_tells_the_locale() {
        for (variables, expected) in [
            (&[][..], false),
            (&[("LANG", "de_DE.UTF-8")], true),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LANG", "C"), ("LC_CTYPE", "C.utf8"), ("LC_ALL", "")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], false),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_utf8(variable), expected, "{variables:?}");
        }
    }
}
