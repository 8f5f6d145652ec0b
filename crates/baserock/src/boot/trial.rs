//! A trial: a version is booted once, and the default does not change until it is confirmed.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use system::error::{Error, Result};

use crate::json::{self, Format};
use crate::label::ExistingLabel;

/// The seconds after which a trial's kernel restarts the machine when it has failed.
const PANIC: u32 = 30;
/// The argument of the kernel that tells a trial, and its deadline in seconds.
const ARGUMENT: &str = "baserock.trial=";

/// `trial.json` in the tools' own directory: the trial that is armed, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The version on trial.
    pub label: ExistingLabel,
    /// The boot in which it was armed, as the kernel names it; empty if the volume was not running.
    #[serde(default)]
    pub armed_in: String,
    /// The seconds after the start of the kernel by which it has to be confirmed.
    pub deadline: u64,
    /// How often it is tried again if it comes back.
    #[serde(default)]
    pub again: u32,
    /// Whether the boot loader was told completely, and the trial was not called off since.
    pub armed: bool,
    /// Whether somebody else confirms it, after it has found itself well.
    #[serde(default)]
    pub by_hand: bool,
    /// Whether it has found itself well.
    #[serde(default)]
    pub well: bool,
    /// Whether the version has come up.
    #[serde(default)]
    pub started: bool,
    /// Whether its time was up before it was confirmed.
    #[serde(default)]
    pub expired: bool,
}

/// `trial.json` in a version: how its last trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether it was confirmed. If not, the machine came back from it.
    pub confirmed: bool,
    /// Why it came back, in words.
    #[serde(default)]
    pub why: String,
    /// The seconds from the start of the kernel until it was confirmed.
    #[serde(default)]
    pub took: Option<u64>,
}

/// `came-up.json` in a version: it has come up by itself. That is recorded once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameUp {
    /// The seconds from the start of the kernel until it had come up.
    #[serde(default)]
    pub took: Option<u64>,
}

impl CameUp {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        json::read(bytes)
            .map_err(|fault| Error::malformed(shown, fault.in_a("a record that a version has come up")))
    }
}

impl Format for CameUp {}
impl Format for Trial {}
impl Format for Outcome {}

/// What is known beside the record.
#[derive(Clone, Debug)]
pub struct Facts<'f> {
    /// The running version, if the volume is that of the running system.
    pub running: Option<&'f ExistingLabel>,
    /// The default.
    pub default: Option<&'f ExistingLabel>,
    /// The current boot, as the kernel names it; empty if the volume is not running.
    pub boot: &'f str,
    /// Whether the boot loader is going to boot something once.
    pub pending: bool,
}

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The next boot is the trial.
    Armed,
    /// It was armed, and the machine has booted since, but not by the boot loader's way.
    NotTried,
    /// It was armed halfway, or something has disarmed it.
    Disarmed,
    /// The version is running, and is not confirmed.
    Running,
    /// The machine is back in the old version.
    CameBack,
    /// It was confirmed.
    Confirmed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Armed => "it boots next, once",
            State::NotTried => "it was to boot once, and the machine has booted by another way",
            State::Disarmed => "it was not armed completely, or was disarmed",
            State::Running => "it is running, and is not confirmed",
            State::CameBack => "the machine came back from it",
            State::Confirmed => "it is confirmed",
        })
    }
}

impl Trial {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        json::read(bytes).map_err(|fault| Error::malformed(shown, fault.in_a("a record of a trial")))
    }

    /// How far it is.
    pub fn state(&self, facts: &Facts<'_>) -> State {
        let is = |label: Option<&ExistingLabel>| label == Some(&self.label);
        if is(facts.default) {
            return State::Confirmed;
        }
        if is(facts.running) {
            return State::Running;
        }
        // A volume that is not running may have been running since.
        let may_have_booted = facts.boot.is_empty() || facts.boot != self.armed_in;
        match (facts.pending, may_have_booted) {
            (true, true) if !facts.boot.is_empty() => State::NotTried,
            (true, _) => State::Armed,
            (false, true) if self.armed => State::CameBack,
            (false, _) => State::Disarmed,
        }
    }

    /// What the boot loader boots once: the version's entry, with arguments for the kernel of a trial.
    pub fn command(&self) -> String {
        format!("{} panic={PANIC} {ARGUMENT}{}", self.label, self.deadline)
    }

    /// The same trial before it is booted, with nothing known of how it goes.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Trial { armed: false, well: false, started: false, expired: false, ..self.clone() }
    }

    /// Why it came back, in words.
    pub fn reason(&self) -> &'static str {
        if self.expired {
            "it was not confirmed by its deadline"
        } else if self.started {
            "it came up, and the machine restarted before it was confirmed"
        } else {
            "it did not come up, or was not confirmed and has no units for trials"
        }
    }
}

/// What is known of the trial of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its record is there.
    Recorded(Trial, State),
    /// It has ended.
    Ended(Outcome),
}

impl Known {
    /// Why the machine came back from it, in words; `None` if it did not.
    pub fn came_back(&self) -> Option<&str> {
        match self {
            Known::Recorded(trial, State::CameBack) => Some(trial.reason()),
            Known::Ended(Outcome { confirmed: false, why, .. }) => Some(why),
            _ => None,
        }
    }

    /// How it stands, in words; `None` if there is nothing to say of it any more.
    pub fn words(&self) -> Option<String> {
        match self {
            Known::Recorded(trial, state @ State::CameBack) => Some(format!("{state}: {}", trial.reason())),
            Known::Recorded(_, state) => Some(state.to_string()),
            Known::Ended(_) => self.came_back().map(|why| format!("came back: {why}")),
        }
    }
}

impl Outcome {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        json::read(bytes)
            .map_err(|fault| Error::malformed(shown, fault.in_a("a record of how a trial ended")))
    }
}

/// The deadline of the trial that a kernel with this command line is in.
pub fn deadline(cmdline: &str) -> Option<Duration> {
    let value = cmdline.split_ascii_whitespace().find_map(|word| word.strip_prefix(ARGUMENT))?;
    value.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> ExistingLabel {
        text.parse().unwrap()
    }

    #[test]
    fn the_state_follows_from_what_runs_what_boots_next_and_the_boot() {
        let trial = Trial {
            label: label("b"),
            armed_in: "1".into(),
            deadline: 600,
            again: 0,
            armed: true,
            by_hand: false,
            well: false,
            started: false,
            expired: false,
        };
        let (a, b) = (label("a"), label("b"));
        for (running, default, boot, pending, expected) in [
            (Some(&a), &a, "1", true, State::Armed),
            (Some(&a), &a, "1", false, State::Disarmed),
            (Some(&b), &a, "2", false, State::Running),
            (Some(&b), &b, "2", false, State::Confirmed),
            (Some(&a), &b, "2", false, State::Confirmed),
            (Some(&a), &a, "2", false, State::CameBack),
            (Some(&a), &a, "2", true, State::NotTried),
            (None, &a, "", true, State::Armed),
            (None, &a, "", false, State::CameBack),
        ] {
            let facts = Facts { running, default: Some(default), boot, pending };
            assert_eq!(trial.state(&facts), expected, "{facts:?}");
        }
        let offline = Trial { armed_in: String::new(), ..trial.clone() };
        for (boot, pending, expected) in
            [("", true, State::Armed), ("", false, State::CameBack), ("2", false, State::CameBack)]
        {
            let facts = Facts { running: None, default: Some(&a), boot, pending };
            assert_eq!(offline.state(&facts), expected, "{facts:?}");
        }
        assert_eq!(trial.command(), "b panic=30 baserock.trial=600");
        assert_eq!(deadline("root=x panic=30 baserock.trial=600\n"), Some(Duration::from_secs(600)));
        assert_eq!(deadline("root=x baserock.trial=soon"), None);
    }

    #[test]
    fn what_came_back_says_why() {
        let trial = |started, expired| Trial {
            label: label("b"),
            armed_in: String::new(),
            deadline: 600,
            again: 0,
            armed: true,
            by_hand: false,
            well: false,
            started,
            expired,
        };
        for (started, expired, why) in [
            (false, false, "it did not come up, or was not confirmed and has no units for trials"),
            (true, false, "it came up, and the machine restarted before it was confirmed"),
            (true, true, "it was not confirmed by its deadline"),
        ] {
            let known = Known::Recorded(trial(started, expired), State::CameBack);
            assert_eq!(known.came_back(), Some(why));
            assert_eq!(known.words().unwrap(), format!("the machine came back from it: {why}"));
        }
        let running = Known::Recorded(trial(true, false), State::Running);
        assert_eq!(running.came_back(), None);
        assert_eq!(running.words().unwrap(), "it is running, and is not confirmed");
        let ended = |confirmed| Known::Ended(Outcome { confirmed, why: "so".into(), took: None });
        assert_eq!(ended(false).words().as_deref(), Some("came back: so"));
        assert_eq!((ended(true).came_back(), ended(true).words()), (None, None));
    }
}
