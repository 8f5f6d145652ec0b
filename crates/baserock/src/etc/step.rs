//! The step of a merge for one path, in one line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::EtcPath;
use crate::json::Format;

/// The step for one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// The path.
    pub path: EtcPath,
    /// Notes for the user: metadata that clashed, the names of `.orig` and `.rej`, accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether both sides changed mode, owner or attributes, so that the user's are not in the result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clash: bool,
    /// Whether a conflict of an earlier merge is still open at this path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_open: bool,
    /// Whether the notes tell of something to look at, whatever the action is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attention: bool,
}

impl Format for Step {}

/// The action of a merge on a path. "User" is the machine's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The new version adds it.
    Add,
    /// The new version changes it, and the user did not.
    Update,
    /// The new version drops it, and the user had not changed it.
    Drop,
    /// The user's is kept, because the new version did not change it.
    Keep,
    /// The user deleted it, and it stays deleted.
    Delete,
    /// Both changed it, and both changes are in the result.
    Merge,
    /// Both changed it, and the changes contradict each other. The result is the new version's.
    Conflict,
    /// A conflict of an earlier merge that nobody has resolved yet.
    Carry,
    /// The user deleted it, but the new version changed it. It comes back.
    Restore,
    /// The user changed it, but the new version dropped it. The user's stays.
    KeepDropped,
    /// Both changed it or both added it. The user's stays.
    KeepOver,
    /// Both changed its mode, owner or attributes. It gets the new version's.
    Clash,
    /// It is the machine's own file. The user's is always kept.
    Machine,
    /// Programs generate it from other files. The new version's is always taken.
    Generated,
    /// It is a marker that means nothing in a new version.
    Discard,
    /// It is taken whole from the side that the user chose.
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
    /// A step without notes.
    pub fn new(action: Action, path: EtcPath) -> Self {
        Step { action, path, notes: Vec::new(), clash: false, is_open: false, attention: false }
    }

    /// Adds a note that the user should see.
    pub fn point_out(&mut self, note: String) {
        self.notes.push(note);
        self.attention = true;
    }

    /// Whether the path simply follows the new version.
    pub fn is_simply_new(&self) -> bool {
        !self.clash
            && !self.is_open
            && !self.attention
            && matches!(self.action, Action::Add | Action::Update | Action::Drop)
    }

    /// Whether the user should look at it: the two sides contradicted each other, or the result does not fit together.
    pub fn is_named(&self) -> bool {
        use Action::{Carry, Conflict, KeepDropped, KeepOver, Restore, Take};
        self.clash
            || self.is_open
            || self.attention
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
