//! Progress that an extension reports to its caller, which shows it: lines `progress DONE TOTAL` in the log, in bytes. An unknown total is `-`.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// The first word of these lines.
const WORD: &str = "progress";
/// The least time between two of them.
const INTERVAL: Duration = Duration::from_millis(100);

/// Reports progress to the file of the log.
pub(crate) struct Report {
    file: File,
    last: Cell<Option<Instant>>,
}

impl Report {
    /// Reports to this file.
    pub(crate) fn new(file: File) -> Self {
        Report { file, last: Cell::new(None) }
    }

    /// Reports, unless the last report was a moment ago.
    pub(crate) fn progress(&self, done: u64, total: Option<u64>) {
        if self.last.get().is_some_and(|last| last.elapsed() < INTERVAL) && total != Some(done) {
            return;
        }
        self.last.set(Some(Instant::now()));
        // If the caller is gone, nobody is left to be told.
        let _gone = (&self.file).write_all(line(done, total).as_bytes());
    }
}

fn line(done: u64, total: Option<u64>) -> String {
    format!("{WORD} {done} {}\n", total.map_or_else(|| "-".to_owned(), |total| total.to_string()))
}

/// Parses a line of a log: bytes done, and the total if it is known. `None` if it is another line.
pub fn parse(line: &str) -> Option<(u64, Option<u64>)> {
    let mut words = line.split_whitespace();
    let (word, done, total) = (words.next()?, words.next()?, words.next()?);
    if word != WORD || words.next().is_some() {
        return None;
    }
    let total = if total == "-" { None } else { Some(total.parse().ok()?) };
    Some((done.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        for progress in [(0, None), (5, Some(7))] {
            assert_eq!(parse(&line(progress.0, progress.1)), Some(progress));
        }
        for other in ["progress", "progress 5", "progress 5 x", "progress 1 2 3", "INFO progress 1 2"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
