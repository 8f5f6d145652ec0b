//! Long texts for people, in their pager.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use system::process::{Program, find_in_path};

/// The variable with the user's pager, a command of the shell, and the pager if there is none.
const VARIABLE: &str = "PAGER";
const USUAL: &str = "less";
/// The options of `less`, unless the user has some: leave a text alone that fits, show colours, keep what was shown.
const LESS: (&str, &str) = ("LESS", "FRX");

/// Shows the text: on a terminal in the pager, elsewhere as it is.
pub fn page(text: &[u8]) -> Result<()> {
    match pager().filter(|_| io::stdout().is_terminal() && !text.is_empty()) {
        Some(pager) => {
            let program = Program::new("sh").args(["-c", &pager]).input(text);
            let program =
                if std::env::var_os(LESS.0).is_none() { program.env(LESS.0, LESS.1) } else { program };
            // How a pager ended says nothing: the user has seen the text, or a message of the pager's.
            program.on_terminal()?;
        }
        None => io::stdout().lock().write_all(text)?,
    }
    Ok(())
}

/// The user's pager. `None` if there is none, or if none is wanted.
fn pager() -> Option<String> {
    match std::env::var(VARIABLE) {
        Ok(chosen) => Some(chosen).filter(|chosen| !chosen.trim().is_empty() && chosen != "cat"),
        Err(_) => find_in_path(USUAL).map(|_| USUAL.to_owned()),
    }
}
