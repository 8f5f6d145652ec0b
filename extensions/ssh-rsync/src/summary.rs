//! The summary of a push.

use std::time::Duration;

use delta::Manifest;

use crate::options::Options;
use crate::protocol::{Finished, Weighed};

/// The lines, most important first.
pub fn summary(
    options: &Options,
    new: &Manifest,
    finished: &Finished,
    (sent, received): (u64, u64),
    took: Duration,
) -> Vec<String> {
    let Options { label, destination, autostart, .. } = options;
    let state = match (options.trial.is_some(), *autostart) {
        _ if finished.held => "stays with its default, because of conflicts in /etc",
        (true, _) => "reboots into it, on trial",
        (false, true) => "reboots into it",
        (false, false) => "boots it next",
    };
    let mut lines = vec![
        format!("version {label} is complete; {destination} {state}"),
        format!(
            "{} names changed, {} added, {} removed; sent {} and received {} for {} of files, in {:.1} s",
            finished.changed,
            finished.added,
            finished.removed,
            size(sent),
            size(received),
            size(new.bytes()),
            took.as_secs_f64()
        ),
    ];
    if !finished.conflicts.is_empty() {
        lines.push(format!(
            "conflicts in /etc, to be settled in the new version: {}",
            finished.conflicts.join(", ")
        ));
    }
    if let Some(running) = finished.running.as_ref().filter(|_| options.trial.is_none() && !finished.held) {
        lines.push(format!("to roll back, run there: system-version-manager set-default {running}"));
    }
    lines
}

/// The line about a dry run.
pub fn would_send(weighed: &Weighed, options: &Options, new: &Manifest) -> String {
    let (Weighed { contents, bytes, there, .. }, Options { label, destination, .. }) = (weighed, options);
    let already = if *there == 0 { String::new() } else { format!("; {} are there already", size(*there)) };
    format!(
        "{label} can be pushed to {destination}: {} of its {} would be compressed and sent, in {contents} contents{already}",
        size(bytes.saturating_sub(*there)),
        size(new.bytes()),
    )
}

/// A size for people, with one digit after the point.
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => {
            format!("{}.{} {unit}", bytes >> shift, (bytes >> (shift - 10)) % 1024 * 10 / 1024)
        }
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_one_digit_after_the_point() {
        for (bytes, text) in [(5, "5 bytes"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"), (3 << 30, "3.0 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
