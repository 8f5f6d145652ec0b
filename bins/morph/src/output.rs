//! The lines that the user sees, each with the name of its deployment in front, and the bar of one deployment at a time.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use baserock_terminal::Bar;

/// Shows lines. If the reader of the output goes away, the work goes on.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    name: &'a str,
    verbose: bool,
}

/// The bar, which all deployments share.
static BAR: Bar = Bar::new();
/// The deployment whose progress it shows.
static OWNER: Mutex<Option<String>> = Mutex::new(None);

impl<'a> Lines<'a> {
    /// Lines with this name in front; `verbose` shows logs too.
    pub fn of(name: &'a str, verbose: bool) -> Self {
        Lines { name, verbose }
    }

    /// Shows progress.
    pub fn say(&self, text: &str) {
        show(&mut io::stdout(), self.name, text);
    }

    /// Shows an error or a warning.
    pub fn complain(&self, text: &str) {
        show(&mut io::stderr(), self.name, text);
    }

    /// Shows details, if they were asked for.
    pub fn log(&self, text: &str) {
        if self.verbose {
            show(&mut io::stderr(), self.name, &format!("log: {text}"));
        }
    }

    /// Shows how much is done in a bar, unless it shows another deployment.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        let mut owner = OWNER.lock().unwrap_or_else(PoisonError::into_inner);
        if owner.get_or_insert_with(|| self.name.to_owned()) == self.name {
            BAR.progress(done, total);
        }
    }

    /// Removes the bar, if it is this deployment's.
    pub fn end_progress(&self) {
        let mut owner = OWNER.lock().unwrap_or_else(PoisonError::into_inner);
        if owner.take_if(|owner| owner == self.name).is_some() {
            BAR.finish();
        }
    }
}

fn show(to: &mut dyn Write, name: &str, text: &str) {
    BAR.suspended(|| {
        if let Err(error) = writeln!(to, "{name}: {text}") {
            tracing::debug!("cannot show a line: {error}");
        }
    });
}
