//! The suites of tests and their paces. A suite tells its pace in the comment at the top of its file.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::build;

/// How slow a suite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Takes seconds: part of `cargo xtask test --quick`.
    Seconds,
    /// Makes Debian root filesystems, or takes minutes for another reason.
    Minutes,
    /// Boots machines: runs beside the others.
    Machines,
    /// Boots machines, and takes longest: is begun first, so that no processor waits for it at the end.
    MachinesFirst,
}

/// A suite.
pub struct Suite {
    /// Its name, as for cargo.
    pub name: String,
    /// Its pace.
    pub pace: Pace,
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

    /// Whether suites of this pace run beside the others.
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

/// Every suite of the workspace, as cargo finds them.
pub fn all() -> Result<Vec<Suite>> {
    let suite = |target: build::Target| {
        let path = target.src_path.display();
        let text = fs::read_to_string(&target.src_path).with_context(|| format!("cannot read {path}"))?;
        let pace = Pace::of(&text).with_context(|| path.to_string())?;
        Ok(Suite { name: target.name, pace })
    };
    build::suites()?.into_iter().map(suite).collect()
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
