//! What the user sees: lines, each with the name of its deployment before it.

use std::io::{self, Write};

/// Shows lines. Somebody who stops reading does not stop the work.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    name: &'a str,
    verbose: bool,
}

impl<'a> Lines<'a> {
    /// The lines of what has this name; `verbose` shows logs too.
    pub fn of(name: &'a str, verbose: bool) -> Self {
        Lines { name, verbose }
    }

    /// Progress.
    pub fn say(&self, text: &str) {
        show(&mut io::stdout().lock(), self.name, text);
    }

    /// Something that is wrong, or worth a look.
    pub fn complain(&self, text: &str) {
        show(&mut io::stderr().lock(), self.name, text);
    }

    /// Details for whoever asked for them.
    pub fn log(&self, text: &str) {
        if self.verbose {
            show(&mut io::stderr().lock(), self.name, &format!("log: {text}"));
        }
    }
}

fn show(to: &mut dyn Write, name: &str, text: &str) {
    if let Err(error) = writeln!(to, "{name}: {text}") {
        tracing::debug!("nobody reads: {error}");
    }
}
