//! The lines that the user sees, each with the name of its deployment in front.

use std::io::{self, Write};

/// Shows lines. If the reader of the output goes away, the work goes on.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    name: &'a str,
    verbose: bool,
}

impl<'a> Lines<'a> {
    /// Lines with this name in front; `verbose` shows logs too.
    pub fn of(name: &'a str, verbose: bool) -> Self {
        Lines { name, verbose }
    }

    /// Shows progress.
    pub fn say(&self, text: &str) {
        show(&mut io::stdout().lock(), self.name, text);
    }

    /// Shows an error or a warning.
    pub fn complain(&self, text: &str) {
        show(&mut io::stderr().lock(), self.name, text);
    }

    /// Shows details, if they were asked for.
    pub fn log(&self, text: &str) {
        if self.verbose {
            show(&mut io::stderr().lock(), self.name, &format!("log: {text}"));
        }
    }
}

fn show(to: &mut dyn Write, name: &str, text: &str) {
    if let Err(error) = writeln!(to, "{name}: {text}") {
        tracing::debug!("cannot show a line: {error}");
    }
}
