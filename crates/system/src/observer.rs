//! How operations tell what they do: programs show it as lines, a bar or JSON.

use serde::{Deserialize, Serialize};

/// Something that an operation reports while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A new phase begins, in words: `merging /etc of factory into devel`.
    Phase {
        /// What is being done.
        text: String,
    },
    /// How far the phase is, in bytes.
    Progress {
        /// Bytes done.
        done: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// Something that the user should know, though the operation goes on.
    Finding(Finding),
}

/// Something that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// One line, lower case, without a full stop.
    pub text: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Note,
    /// Somebody should look at it.
    Warning,
}

/// Receives the events of an operation.
pub trait Observer {
    /// One event, in the order in which they happen.
    fn event(&self, event: Event);
}

impl dyn Observer + '_ {
    /// A new phase.
    pub fn phase(&self, text: impl Into<String>) {
        self.event(Event::Phase { text: text.into() });
    }

    /// Bytes done of the bytes in all.
    pub fn progress(&self, done: u64, total: Option<u64>) {
        self.event(Event::Progress { done, total });
    }

    /// Good to know.
    pub fn note(&self, text: impl Into<String>) {
        self.event(Event::Finding(Finding { level: Level::Note, text: text.into() }));
    }

    /// Somebody should look at it.
    pub fn warn(&self, text: impl Into<String>) {
        self.event(Event::Finding(Finding { level: Level::Warning, text: text.into() }));
    }
}

/// Drops every event.
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}
