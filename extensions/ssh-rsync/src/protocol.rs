//! What sender and agent say to each other.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::time::Duration;

use delta::apply::Stats;
use delta::codec::{Reader, Writer, invalid};
use delta::hash::Hash;
use serde::{Deserialize, Serialize};

/// The version of the protocol. Sender and agent are of one build; this is to be sure.
pub const VERSION: u32 = 1;
/// How often each side says that it is there.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// After so long a silence the other side is gone.
pub const SILENCE: Duration = Duration::from_secs(60);

/// The kinds of frames.
pub mod kind {
    /// I am here.
    pub const HEARTBEAT: u8 = 0;
    /// Sender: [`super::Hello`] as JSON.
    pub const HELLO: u8 = 1;
    /// Agent: a check went well.
    pub const READY: u8 = 2;
    /// Agent: send the manifest.
    pub const WANT_MANIFEST: u8 = 3;
    /// Sender: the manifest (`delta::format`), in as many frames as it takes.
    pub const MANIFEST: u8 = 4;
    /// Agent: [`super::Amount`] as JSON.
    pub const CONTENTS: u8 = 5;
    /// Agent: [`super::Request`].
    pub const REQUEST: u8 = 6;
    /// Sender: a difference (`delta::difference`).
    pub const ANSWER: u8 = 7;
    /// Agent: an event of an operation as JSON.
    pub const EVENT: u8 = 8;
    /// Agent: [`super::Finished`] as JSON. The last frame.
    pub const FINISHED: u8 = 9;
    /// Agent: why not, as text. The last frame.
    pub const FAILED: u8 = 10;
    /// Sender, where contents are missing: the beginnings of the hashes of all that it has beside the new tree's, eight bytes each.
    pub const KNOWN: u8 = 11;
    /// Sender: an answer as [`ANSWER`], over a link on which signatures take more time than they save.
    pub const QUICK_ANSWER: u8 = 12;
}

/// What the sender wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The new version's label.
    pub label: String,
    /// The digest of the new tree's manifest; `None` for a check.
    pub digest: Option<[u8; 32]>,
    /// Whether to reboot at the end.
    pub autostart: bool,
    /// The parameters of the deployment.
    pub deployment: BTreeMap<String, String>,
}

/// How much there is to send.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Amount {
    /// Bytes of content that the basis does not have.
    pub bytes: u64,
    /// Of these, bytes that an earlier try has brought.
    pub there: u64,
}

impl Amount {
    /// Whether anything has to be sent.
    pub fn is_missing(self) -> bool {
        self.there < self.bytes
    }
}

/// What was done.
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
    /// What the default was before.
    pub before: Option<String>,
}

impl Finished {
    /// Numbers of what was done.
    pub fn new(stats: Stats) -> Self {
        Finished {
            added: stats.added,
            changed: stats.changed + stats.metadata,
            removed: stats.removed,
            conflicts: Vec::new(),
            before: None,
        }
    }
}

/// A unit that the agent wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// In the new manifest, and which bytes.
    pub new: Vec<(usize, Range<u64>)>,
    /// The basis as contents that the sender has, and which bytes of them; where there are none, the signature counts.
    pub old: Vec<(Hash, Range<u64>)>,
    /// `delta::difference::signature` of the basis; may be empty.
    pub signature: Vec<u8>,
}

/// Most pieces of one request; a unit of nothing but the smallest files has fewer.
const MOST_PIECES: usize = 1 << 16;
const MOST_SIGNATURE: usize = 1 << 20;

impl Request {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.number(self.new.len() as u64);
        for (entry, range) in &self.new {
            to.number(*entry as u64);
            write_range(&mut to, range);
        }
        to.number(self.old.len() as u64);
        for (hash, range) in &self.old {
            to.raw(&hash.0);
            write_range(&mut to, range);
        }
        to.bytes(&self.signature);
        to.0
    }

    /// From bytes that are not trusted.
    pub fn read(bytes: &[u8]) -> io::Result<Self> {
        let mut from = Reader(bytes);
        let mut request = Request::default();
        for _ in 0..from.count(MOST_PIECES)? {
            request.new.push((from.count(usize::MAX)?, read_range(&mut from)?));
        }
        for _ in 0..from.count(MOST_PIECES)? {
            request.old.push((Hash(from.raw()?), read_range(&mut from)?));
        }
        request.signature = from.bytes(MOST_SIGNATURE)?;
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
