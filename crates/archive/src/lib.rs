//! Unpacks tar archives as root filesystems.
//!
//! Everything that belongs to a file comes with it: owner and mode, times, extended attributes, access control lists, hard
//! links, holes, devices. Nothing outside the new tree is touched, whatever the archive says: names are resolved beneath an
//! opened directory, and an archive that tries to leave it is refused with the member's name.
//!
//! Reading and decompressing run in a thread of their own; memory is bounded by a few chunks and the list of folders.

mod acl;
mod compression;
mod extract;
mod member;
mod members;
mod metadata;
mod name;
mod pax;
mod stream;
mod tree;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;
use system::signal;

pub use compression::{Compression, decompressed};
pub use metadata::Owners;

use extract::Extractor;
use members::Members;
use stream::Stream;

/// How to unpack.
pub struct Options<'a> {
    /// The archive's name, for messages.
    pub source: &'a Path,
    /// The archive's size in bytes as it comes, compressed, where known: for progress.
    pub size: Option<u64>,
    /// Whose the files become.
    pub owners: Owners,
    /// Whether device nodes are made; otherwise they are counted.
    pub devices: bool,
    /// The most that the members may come to, in bytes. `None` refuses only what unpacks to absurdly more than it is.
    pub most: Option<u64>,
    /// Receives progress, in bytes of the archive as it comes.
    pub observer: &'a dyn Observer,
}

/// What was unpacked.
#[derive(Debug, Default)]
pub struct Stats {
    /// Members, of all kinds.
    pub members: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Device nodes that were left out.
    pub devices_left_out: u64,
    /// Extended attributes that could not be set here, by name, with the number of files.
    pub refused_attributes: BTreeMap<String, u64>,
}

/// From where on an archive's growth is looked at, in bytes unpacked.
const SMALL: u64 = 1 << 30;

/// How much more than itself an archive may unpack to: root filesystems come to 10 times, a file of zeros to 1,000 times.
const GROWTH: u64 = 200;

/// Members between two reports of progress.
const REPORT: u64 = 64;

/// Unpacks an archive, compressed or not, into an existing directory, which should be empty.
///
/// On an error what was unpacked so far stays there, for the caller to remove. The reader is read to its end, beyond the end of the
/// archive too, so that a checksum over it is complete. Nothing is synced.
pub fn unpack(reader: impl Read + Send, dest: &Dir, options: &Options<'_>) -> Result<Stats> {
    let root = dest.duplicate()?;
    let taken = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let counted = Counted { reader, taken: &taken };
        let stream = Stream::start(scope, move || decompressed(counted));
        let mut members = Members::new(stream, options.source);
        let mut extractor = Extractor::new(root, options);
        let mut given: u64 = 0;
        let mut count: u64 = 0;
        while let Some(member) = members.next()? {
            given = given.saturating_add(member.stored);
            options.allow(given, taken.load(Ordering::Relaxed))?;
            if count.is_multiple_of(REPORT) {
                signal::check()?;
                options.observer.progress(taken.load(Ordering::Relaxed), options.size);
            }
            count += 1;
            extractor.add(member, &mut members)?;
        }
        members.drain()?;
        options.observer.progress(taken.load(Ordering::Relaxed), options.size);
        extractor.finish()
    })
}

impl Options<'_> {
    /// Whether an archive that has given `given` bytes out of `taken` of its own may go on.
    fn allow(&self, given: u64, taken: u64) -> Result<()> {
        let refused = |reason: String| Err(Error::malformed(self.source, reason));
        match self.most {
            Some(most) if given > most => {
                refused(format!("unpacks to more than {most} bytes, the most that is allowed; refused"))
            }
            None if given > SMALL && given / GROWTH > taken => refused(format!(
                "unpacks to {given} bytes or more, over {GROWTH} times its own size; refused, unless --max-size allows it"
            )),
            _ => Ok(()),
        }
    }
}

/// Counts the bytes that a reader gives.
struct Counted<'a, R> {
    reader: R,
    taken: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
