//! The lines and bars that the user sees, each with the name of its deployment in front.

use std::sync::LazyLock;

use baserock::json::{self, Format};
use baserock_terminal::manners::{Progress, manners};
use baserock_terminal::{Bars, complain, say};
use serde::Serialize;

/// Shows lines. If the reader of the output goes away, the work goes on.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    name: &'a str,
    verbose: bool,
}

/// The bars of all deployments.
static BARS: LazyLock<Bars> = LazyLock::new(Bars::default);

/// The progress of a deployment, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    event: &'static str,
    deployment: &'a str,
    done: u64,
    total: Option<u64>,
}

impl Format for Told<'_> {}

impl<'a> Lines<'a> {
    /// Lines with this name in front; `verbose` shows logs too.
    pub fn of(name: &'a str, verbose: bool) -> Self {
        Lines { name, verbose }
    }

    /// Shows progress.
    pub fn say(&self, text: &str) {
        BARS.suspended(|| say(&self.line(text)));
    }

    /// Shows an error or a warning.
    pub fn complain(&self, text: &str) {
        BARS.suspended(|| complain(&self.line(text)));
    }

    /// Shows details, if they were asked for.
    pub fn log(&self, text: &str) {
        if self.verbose {
            self.complain(&format!("log: {text}"));
        }
    }

    /// Shows how much is done, in a bar of its own.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        match manners().progress() {
            Progress::Text => BARS.progress(self.name, done, total),
            Progress::Json => {
                let told = Told { event: "progress", deployment: self.name, done, total };
                if let Ok(line) = json::line(&told) {
                    complain(&line);
                }
            }
        }
    }

    /// Removes the bar.
    pub fn end_progress(&self) {
        BARS.finish(self.name);
    }

    fn line(&self, text: &str) -> String {
        format!("{}: {text}", self.name)
    }
}
