//! How a program shows what it does: the options that all programs have for it.

use std::sync::OnceLock;

use anstream::ColorChoice;
use clap::{Args, ValueEnum};

/// The options.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Manners {
    /// Colours: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: When,
    /// Show results, warnings and errors alone
    #[arg(short, long, global = true)]
    quiet: bool,
    /// How progress is shown on standard error: with a bar on a terminal, or as JSON, an object a line
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// As lines, and a bar on a terminal.
    #[default]
    Text,
    /// As JSON, an object a line.
    Json,
}

/// What the user of this process has chosen.
static CHOSEN: OnceLock<Manners> = OnceLock::new();

impl Manners {
    /// Makes these the manners of this process. The first ones count.
    pub fn apply(self) {
        if CHOSEN.set(self).is_err() {
            return;
        }
        match self.color {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        }
        .write_global();
    }

    /// Whether only results, warnings and errors are shown.
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    /// How progress is shown.
    pub fn progress(self) -> Progress {
        self.progress
    }
}

/// What the user of this process has chosen; the usual manners if there was no choice.
pub fn manners() -> Manners {
    CHOSEN.get().copied().unwrap_or_default()
}
