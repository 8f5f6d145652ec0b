//! Events with which operations report their progress. Programs show them as lines, a bar or JSON.

use serde::{Deserialize, Serialize};

/// A report of an operation while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A new phase begins, in words: `merging /etc of factory into devel`.
    Phase {
        /// The work of this phase.
        text: String,
    },
    /// The progress of the phase, in bytes.
    Progress {
        /// Bytes done.
        done: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// Something that the user should know. The operation goes on.
    Finding(Finding),
}

/// Something that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its importance.
    pub level: Level,
    /// One line, lower case, without a full stop.
    pub text: String,
}

/// The importance of a finding.
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
    /// Receives one event. Events arrive in the order in which they happen.
    fn event(&self, event: Event);
}

impl dyn Observer + '_ {
    /// Reports a new phase.
    pub fn phase(&self, text: impl Into<String>) {
        self.event(Event::Phase { text: text.into() });
    }

    /// Reports the progress of the phase, in bytes.
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
