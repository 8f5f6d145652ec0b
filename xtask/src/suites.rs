//! The suites of tests and their paces. A suite tells its pace in the comment at the top of its file.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::build::{self, Target, TestProgram};

/// How slow a suite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Takes seconds: part of `cargo xtask test --quick`.
    Seconds,
    /// Makes Debian root filesystems, or takes minutes for another reason.
    Minutes,
    /// Boots machines: they get a processor of their own.
    Machines,
    /// Boots machines, and takes longest: is begun first, so that no processor waits for it at the end.
    MachinesFirst,
}

/// A program of tests: a suite, or the unit tests of a library or a program.
pub struct Suite {
    /// Its folder and its own name.
    pub name: String,
    /// Its pace. Unit tests take seconds.
    pub pace: Pace,
    built: TestProgram,
}

impl Suite {
    fn of(built: TestProgram) -> Result<Self> {
        let folder = built.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pace = if built.target.is_suite() { pace(&built.target)? } else { Pace::Seconds };
        Ok(Suite { name: format!("{folder}/{}", built.target.name), pace, built })
    }

    /// A command that runs it, as cargo does.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.built.path);
        command.current_dir(&self.built.folder);
        command
    }
}

/// The beginning of the line that tells the pace of a suite.
const LINE: &str = "//! Pace: ";

impl Pace {
    const ALL: [Pace; 4] = [Pace::Seconds, Pace::Minutes, Pace::Machines, Pace::MachinesFirst];

    fn words(self) -> &'static str {
        match self {
            Pace::Seconds => "seconds",
            Pace::Minutes => "minutes",
            Pace::Machines => "boots machines",
            Pace::MachinesFirst => "boots machines, begun first",
        }
    }

    /// Whether suites of this pace boot machines.
    pub fn boots(self) -> bool {
        self >= Pace::Machines
    }

    /// The pace that a suite's text gives.
    fn of(text: &str) -> Result<Pace> {
        let mut comment = text.lines().take_while(|line| line.starts_with("//!"));
        let said = comment.find_map(|line| line.strip_prefix(LINE));
        let pace = Pace::ALL.into_iter().find(|pace| said == Some(pace.words()));
        let Some(pace) = pace else {
            let lines = Pace::ALL.map(|pace| format!("`{LINE}{}`", pace.words()));
            bail!("say how slow the suite is: end the comment at its top with one of {}", lines.join(", "));
        };
        Ok(pace)
    }
}

/// Builds all programs of tests. Fails if cargo has built none for a suite.
pub fn build() -> Result<Vec<Suite>> {
    let built = build::tests()?;
    for suite in build::suites()? {
        let path = &suite.src_path;
        let is_built = built.iter().any(|program| program.target.src_path == *path);
        ensure!(is_built, "cargo has built no program for {}", path.display());
    }
    built.into_iter().map(Suite::of).collect()
}

/// Fails if a suite does not tell its pace.
pub fn check() -> Result<()> {
    build::suites()?.iter().try_for_each(|suite| pace(suite).map(drop))
}

fn pace(suite: &Target) -> Result<Pace> {
    let path = suite.src_path.display();
    let text = fs::read_to_string(&suite.src_path).with_context(|| format!("cannot read {path}"))?;
    Pace::of(&text).with_context(|| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_tells_its_pace() {
        for pace in Pace::ALL {
            let text = format!("//! What it tests.\n//!\n//! Pace: {}\n\nuse std::fs;\n", pace.words());
            assert_eq!(Pace::of(&text).unwrap(), pace);
        }
    }

    #[test]
    fn a_suite_without_a_pace_is_refused() {
        for text in ["", "//! What it tests.\n", "//! Pace: slow\n", "//! One.\n\n//! Pace: minutes\n"] {
            let error = Pace::of(text).unwrap_err().to_string();
            assert!(error.contains("`//! Pace: boots machines`"), "{error}");
        }
    }
}
