//! The messages between sender and agent.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::time::Duration;

use baserock::etc::Step;
use baserock::json::Format;
use delta::apply::Stats;
use delta::codec::{Reader, Writer, invalid};
use delta::hash::Hash;
use delta::{NewIndex, matches};
use serde::{Deserialize, Serialize};

/// The version of the protocol. Sender and agent are of one build, because the sender starts an agent by its hash; comparing this makes sure. Until
/// the first release, messages change without another number.
pub const VERSION: u32 = 1;
/// How often each side sends a heartbeat.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// A side that has been silent for so long is taken to be gone.
pub const SILENCE: Duration = Duration::from_secs(60);
/// A target that sends nothing but heartbeats for so long is taken to be stuck. No step of an upgrade takes so long without a word.
pub const IDLE: Duration = Duration::from_secs(3600);
/// The time that a login shell has from its first byte until it runs the command that it is given.
pub const PREAMBLE: Duration = Duration::from_secs(15);

/// The kinds of frames.
pub mod kind {
    /// Both: a sign of life.
    pub const HEARTBEAT: u8 = 0;
    /// Sender: [`super::Hello`] as JSON.
    pub const HELLO: u8 = 1;
    /// Agent: a push would not be refused, or the trial is confirmed. The last frame.
    pub const READY: u8 = 2;
    /// Agent: asks for the manifest.
    pub const WANT_MANIFEST: u8 = 3;
    /// Sender: the manifest (`delta::format`), in as many frames as it takes.
    pub const MANIFEST: u8 = 4;
    /// Agent: [`super::Amount`] as JSON.
    pub const CONTENTS: u8 = 5;
    /// Agent: [`super::Request`].
    pub const REQUEST: u8 = 6;
    /// Sender: the forms of the pieces (`delta::formed`), and the difference (`delta::difference`).
    pub const ANSWER: u8 = 7;
    /// Agent: an event of an operation as JSON.
    pub const EVENT: u8 = 8;
    /// Agent: [`super::Finished`] as JSON. The last frame.
    pub const FINISHED: u8 = 9;
    /// Agent: the reason of its failure, as text. The last frame.
    pub const FAILED: u8 = 10;
    /// Agent, if contents are missing: [`super::Ask`], once.
    pub const ASK: u8 = 11;
    /// Sender: an answer like [`ANSWER`], over a link on which signatures take more time than they save.
    pub const QUICK_ANSWER: u8 = 12;
    /// Sender, after [`ASK`]: a byte for each content that was asked for, 1 if the sender has it, else 0.
    pub const KNOWN: u8 = 13;
    /// Agent: [`super::Status`] as JSON. The last frame.
    pub const STATUS: u8 = 14;
    /// Agent: [`super::Weighed`] as JSON. The last frame.
    pub const WEIGHED: u8 = 15;
    /// Agent: why the trial was ended and the machine reboots, as text: its check has failed. The last frame.
    pub const ABANDONED: u8 = 16;
    /// Agent: how the machine stands ([`baserock::operations::status::Status`]) as JSON. The last frame.
    pub const SURVEY: u8 = 17;
    /// Agent: [`crate::recipe_request::RecipeRequest`], at any time before the last request for a unit is answered.
    pub const RECIPE_REQUEST: u8 = 18;
    /// Sender, in the order of the requests, at any time after them: a recipe (`delta::recipe`) as a difference, or nothing.
    pub const RECIPE: u8 = 19;
    /// Agent: an answer has arrived. Empty, and in the order of the answers.
    pub const ARRIVED: u8 = 20;
}

/// The sender's request for a push or a check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The new version's label.
    pub label: String,
    /// What the agent is to do.
    pub task: Task,
    /// The parameters of the deployment.
    pub deployment: BTreeMap<String, String>,
    /// Who asks, as a person on which machine.
    #[serde(default)]
    pub by: Option<String>,
}

/// What a sender wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// To know whether a push would be refused.
    Check {
        /// Whether it would be a trial.
        trial: bool,
    },
    /// To push the tree.
    Push {
        /// What somebody has signed about it.
        #[serde(default)]
        signed: Option<String>,
        /// The digest of its manifest.
        digest: [u8; 32],
        /// Whether to reboot at the end.
        autostart: bool,
        /// The deadline of a trial in seconds; `None` if the version becomes the default.
        trial: Option<u64>,
        /// Whether only to say what would be sent, and whether the push would be refused.
        #[serde(default)]
        dry_run: bool,
    },
    /// To know what runs.
    Status,
    /// To know how the machine stands.
    Survey,
    /// To make the version on trial the default.
    Confirm {
        /// A command that has to succeed before that. If it fails, the trial ends, and the machine reboots.
        check: Option<String>,
    },
}

/// What runs on the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The boot, as the kernel names it.
    pub boot: String,
    /// The running version.
    pub running: Option<String>,
    /// The default.
    pub default: Option<String>,
    /// Whether the running version is on trial, and has found itself well.
    pub is_well: bool,
    /// Why the version of the greeting came back from its trial, if it did.
    pub came_back: Option<String>,
    /// The last errors in the journal of the boot before this one.
    pub journal: Vec<String>,
}

/// What a push would send, and do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weighed {
    /// The number of contents that the target lacks.
    pub contents: u64,
    /// Bytes of content that the basis does not have.
    pub bytes: u64,
    /// The part of these bytes that an earlier try has brought.
    pub there: u64,
    /// What would be done to `/etc`.
    pub steps: Vec<Step>,
}

impl Format for Status {}
impl Format for Weighed {}
impl Format for Hello {}
impl Format for Amount {}
impl Format for Finished {}

/// The amount of content to be sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Amount {
    /// Bytes of content that the basis does not have.
    pub bytes: u64,
    /// The part of these bytes that an earlier try has brought.
    pub there: u64,
}

impl Amount {
    /// Whether anything has to be sent.
    pub fn is_missing(self) -> bool {
        self.there < self.bytes
    }
}

/// The result of a push.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// Names added.
    pub added: u64,
    /// Names changed, metadata alone included.
    pub changed: u64,
    /// Names removed.
    pub removed: u64,
    /// Files in `/etc` with conflicts, relative to it.
    pub conflicts: Vec<String>,
    /// The version that runs, if it is another one: the one to roll back to.
    pub running: Option<String>,
    /// The boot, as the kernel names it.
    #[serde(default)]
    pub boot: String,
    /// Whether the version has not become the default, because of its conflicts.
    #[serde(default)]
    pub held: bool,
}

impl Finished {
    /// A result with these numbers.
    pub fn new(stats: Stats) -> Self {
        Finished {
            added: stats.added,
            changed: stats.changed + stats.metadata,
            removed: stats.removed,
            conflicts: Vec::new(),
            running: None,
            boot: String::new(),
            held: false,
        }
    }
}

/// The agent's question which of its own contents the sender has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// A secret of this connection.
    pub key: [u8; 32],
    /// The hash of each content with this key ([`Hash::keyed`]).
    pub hashes: Vec<u64>,
}

impl Ask {
    /// The question as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.hashes.iter().flat_map(|hash| hash.to_le_bytes());
        self.key.iter().copied().chain(hashes).collect()
    }

    /// Reads a question from bytes that are not trusted.
    pub fn read(bytes: &[u8]) -> io::Result<Self> {
        let wrong = || invalid("a question for old contents without its key, or cut");
        let (key, hashes) = bytes.split_first_chunk::<32>().ok_or_else(wrong)?;
        let (hashes, []) = hashes.as_chunks::<8>() else { return Err(wrong()) };
        Ok(Ask { key: *key, hashes: hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect() })
    }
}

/// The agent's request for a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The new bytes: entries of the new manifest, and a range of bytes in each.
    pub new: Vec<(NewIndex, Range<u64>)>,
    /// The bytes of the basis: contents that the sender has, and a range of bytes in each. If there are none, the signature counts.
    pub old: Vec<(Hash, Range<u64>)>,
    /// The signature (`delta::matches::signature`) of the bytes of the basis, as new ones are compared with them
    /// (`delta::formed::references`); may be empty.
    pub signature: Vec<u8>,
    /// Whether the pieces have to come as they are. This is so if they arrived damaged before.
    pub is_plain: bool,
}

/// Most pieces of one request. Even a unit of only the smallest files has fewer.
const MOST_PIECES: usize = 1 << 16;

impl Request {
    /// The request as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.number(self.new.len() as u64);
        for (entry, range) in &self.new {
            to.number(entry.0 as u64);
            write_range(&mut to, range);
        }
        to.number(self.old.len() as u64);
        for (hash, range) in &self.old {
            to.raw(&hash.0);
            write_range(&mut to, range);
        }
        to.bytes(&self.signature);
        to.number(self.is_plain.into());
        to.0
    }

    /// Reads a request from bytes that are not trusted.
    pub fn read(bytes: &[u8]) -> io::Result<Self> {
        let mut from = Reader(bytes);
        let mut request = Request::default();
        for _ in 0..from.count(MOST_PIECES)? {
            request.new.push((NewIndex(from.count(usize::MAX)?), read_range(&mut from)?));
        }
        for _ in 0..from.count(MOST_PIECES)? {
            request.old.push((Hash(from.raw()?), read_range(&mut from)?));
        }
        request.signature = from.bytes(matches::MOST_SIGNATURE)?;
        request.is_plain = from.count(1)? == 1;
        Ok(request)
    }
}

fn write_range(to: &mut Writer, range: &Range<u64>) {
    to.number(range.start);
    to.number(range.end - range.start);
}

fn read_range(from: &mut Reader<&[u8]>) -> io::Result<Range<u64>> {
    let (start, length) = (from.number()?, from.number()?);
    let end = start.checked_add(length).filter(|_| length <= delta::unit::MOST_OLD);
    Ok(start..end.ok_or_else(|| invalid("a range that no file has"))?)
}

#[cfg(test)]
mod tests {
    use baserock::json;

    use super::*;

    #[test]
    fn messages_have_the_number_of_their_format() {
        let amount = Amount { bytes: 3, there: 1 };
        assert_eq!(json::line(&amount).unwrap(), r#"{"format":1,"bytes":3,"there":1}"#);
        let newer = json::read::<Amount>(br#"{"format":2,"bytes":3,"there":1}"#).unwrap_err();
        assert_eq!(newer.to_string(), "written by a newer program (format 2, this one reads 1)");
    }
}
