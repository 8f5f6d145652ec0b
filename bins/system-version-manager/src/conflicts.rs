//! `conflicts`: what a merge of /etc has left open.

use std::io::{IsTerminal, stdout};

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::volume::{OpenConflict, Volume};
use baserock_terminal::page;

use crate::words::{running_or_default, tamed};

/// Show the open conflicts in /etc of a version, each with both sides
///
/// A conflict is a path that you and the new version have both changed in the same place. First comes your change, and then that of the new
/// version, if the old version is still there. A conflict is open as long as the file with your change, PATH.rej, is there. The
/// command resolve takes a side, or what you have made of PATH.
#[derive(Debug, clap::Args)]
pub struct ShowConflicts {
    /// The version [default: the running one, else the default]
    #[arg(value_name = "LABEL")]
    label: Option<ExistingLabel>,
}

impl ShowConflicts {
    /// Prints them.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let label = running_or_default(volume, self.label.as_ref())?;
        let conflicts = volume.conflicts(&label)?;
        let text: Vec<u8> = conflicts.iter().flat_map(|conflict| both_sides(conflict, &label)).collect();
        let text = if stdout().is_terminal() { tamed(&text) } else { text };
        page(&text)
    }
}

fn both_sides(conflict: &OpenConflict, label: &ExistingLabel) -> Vec<u8> {
    let OpenConflict { path, rej, user, new } = conflict;
    let mut text = format!("/etc/{path} of {label}\nyour change, in /etc/{rej}:\n").into_bytes();
    add(&mut text, user.as_deref(), "it is no file\n");
    text.extend_from_slice(b"the change of the new version:\n");
    add(&mut text, new.as_deref(), "it cannot be shown by lines, or the old version is gone\n");
    text
}

/// Adds a side, which ends with a newline then.
fn add(text: &mut Vec<u8>, side: Option<&[u8]>, otherwise: &str) {
    text.extend_from_slice(side.unwrap_or(otherwise.as_bytes()));
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
}
