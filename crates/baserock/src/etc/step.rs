//! What a merge does to a path, in one line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::EtcPath;
use crate::json::Format;

/// What is done to one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// To which path.
    pub path: EtcPath,
    /// What there is to know about it: metadata that clashed, the names of `.orig` and `.rej`, accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether mode, owner or attributes were changed on both sides, so that the user's are not in the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clash: bool,
    /// Whether a conflict of an earlier merge is still open here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_open: bool,
}

impl Format for Step {}

/// What is done to a path. "User" is the machine's side, "new" the new version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The new version adds it.
    Add,
    /// The new version changes it, the user did not.
    Update,
    /// The new version drops it, the user had not changed it.
    Drop,
    /// The user's is kept; the new version did not change it.
    Keep,
    /// The user deleted it; it stays away.
    Delete,
    /// Both changed it, and both changes are in the result.
    Merge,
    /// Both changed it, and the changes contradict each other: the result is the new version's.
    Conflict,
    /// A conflict of an earlier merge that nobody has resolved yet.
    Carry,
    /// The user deleted it, the new version changed it: it comes back.
    Restore,
    /// The user changed it, the new version dropped it: the user's stays.
    KeepDropped,
    /// Both changed it or both added it: the user's stays.
    KeepOver,
    /// Both gave it another mode, owner or attributes: it has the new version's.
    Clash,
    /// The machine's own file: the user's, always.
    Machine,
    /// Made by programs from other files: the new version's, always.
    Generated,
    /// A marker that has no meaning in a new version.
    Discard,
    /// Taken whole from one side because the user said so.
    Take,
}

impl Action {
    /// The name in output and records.
    pub fn name(self) -> &'static str {
        match self {
            Action::Add => "add",
            Action::Update => "update",
            Action::Drop => "drop",
            Action::Keep => "keep",
            Action::Delete => "delete",
            Action::Merge => "merge",
            Action::Conflict => "conflict",
            Action::Carry => "carry",
            Action::Restore => "restore",
            Action::KeepDropped => "keep-dropped",
            Action::KeepOver => "keep-over",
            Action::Clash => "clash",
            Action::Machine => "machine",
            Action::Generated => "generated",
            Action::Discard => "discard",
            Action::Take => "take",
        }
    }
}

impl Step {
    /// A step without anything to say about it.
    pub fn new(action: Action, path: EtcPath) -> Self {
        Step { action, path, notes: Vec::new(), clash: false, is_open: false }
    }

    /// Whether the path simply follows the new version.
    pub fn is_simply_new(&self) -> bool {
        !self.clash && !self.is_open && matches!(self.action, Action::Add | Action::Update | Action::Drop)
    }

    /// Whether somebody should look at it: the two sides contradicted each other.
    pub fn is_named(&self) -> bool {
        use Action::{Carry, Conflict, KeepDropped, KeepOver, Restore, Take};
        self.clash
            || self.is_open
            || matches!(self.action, Conflict | Carry | Restore | KeepDropped | KeepOver | Take)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            write!(f, "{} .", self.action.name())?;
        } else {
            write!(f, "{} {}", self.action.name(), self.path)?;
        }
        match &self.notes[..] {
            [] => Ok(()),
            notes => write!(f, " ({})", notes.join("; ")),
        }
    }
}
