//! Unpacks tar archives as root filesystems.
//!
//! Files keep their owner and mode, times, extended attributes, access control lists, hard links and holes; devices are made too.
//! Nothing outside the new tree is touched, whatever the archive contains: names are resolved beneath an opened directory. An archive
//! that tries to leave it is refused, and the error names the member.
//!
//! Reading and decompressing run in a thread of their own. Memory is limited to a few chunks, the dictionary of the compression, and
//! 64 MiB for what is set at the end.
//!
//! ```no_run
//! use std::fs::File;
//! use std::path::Path;
//!
//! use baserock_archive::{Options, Owners, unpack};
//! use system::dir::Dir;
//! use system::observer::Silent;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let archive = Path::new("debian.tar.zst");
//! let options = Options {
//!     source: archive,
//!     size: Some(archive.metadata()?.len()),
//!     owners: Owners::AsArchived,
//!     devices: true,
//!     most: None,
//!     strip: 0,
//!     whole: false,
//!     observer: &Silent,
//! };
//! let stats = unpack(File::open(archive)?, &Dir::open("tree")?, &options)?;
//! println!("{} members, {} bytes", stats.members, stats.bytes);
//! # Ok(())
//! # }
//! ```

mod acl;
mod compression;
mod extract;
mod input;
mod layer;
mod member;
mod members;
mod metadata;
mod name;
mod pax;
mod refusal;
mod stream;
mod tree;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::file;
use system::observer::Observer;
use system::signal;

pub use compression::Compression;
pub use layer::Layers;
pub use metadata::Owners;
pub use refusal::Refusal;

use compression::{Ends, decompressed};
use extract::{Below, Extractor};
use member::Member;
use members::Members;
use stream::Stream;

/// The options of [`unpack`].
pub struct Options<'a> {
    /// The archive's name, for messages.
    pub source: &'a Path,
    /// The size of the (compressed) archive in bytes, if it is known. It is used for progress.
    pub size: Option<u64>,
    /// The owners of the new files.
    pub owners: Owners,
    /// Whether device nodes are made. Otherwise they are only counted.
    pub devices: bool,
    /// The most bytes that the members may have together. `None` refuses only archives that unpack to absurdly more than their size.
    pub most: Option<u64>,
    /// First components of the names that are left out, as GNU tar counts them. Members with no more are left out.
    pub strip: usize,
    /// Whether the archive is known to be whole, by its checksum. It may then be empty, and end without saying so.
    pub whole: bool,
    /// Receives progress, in bytes of the (compressed) archive, and the names of what is left out.
    pub observer: &'a dyn Observer,
}

/// The numbers of what was unpacked.
#[derive(Debug, Default)]
pub struct Stats {
    /// Members, of all kinds.
    pub members: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Device nodes that were left out.
    pub devices_left_out: u64,
    /// The names of extended attributes that could not be set here, with the number of files.
    pub refused_attributes: BTreeMap<String, u64>,
}

/// An archive that unpacks to fewer bytes than this may grow without limit.
const SMALL: u64 = 1 << 30;

/// A larger archive may unpack to this many times its size. Root filesystems unpack to 10 times, a file of zeros to 1,000 times.
const GROWTH: u64 = 200;

/// Members between two reports of progress.
const REPORT: u64 = 64;

/// Unpacks an archive file with the owners and devices that it names, without the first `strip` components of names. Attributes that
/// cannot be set are named. See [`unpack`].
pub fn unpack_file(archive: &Path, strip: usize, dest: &Dir, observer: &dyn Observer) -> Result<()> {
    let file = file::open(archive)?;
    let size = file.metadata().or_cannot("examine", archive)?.len();
    let (owners, size) = (Owners::AsArchived, Some(size));
    let options =
        Options { source: archive, size, owners, devices: true, most: None, strip, whole: false, observer };
    tell(&unpack(file, dest, &options)?, observer);
    Ok(())
}

fn tell(stats: &Stats, observer: &dyn Observer) {
    for (attribute, files) in &stats.refused_attributes {
        observer.warn(format!("the attribute {attribute} of {files} files cannot be set here"));
    }
}

/// Unpacks an archive, compressed or not, into an existing directory, which should be empty.
///
/// After an error, the caller has to remove the files that were unpacked so far. The reader is read to its end, even beyond the end of
/// the archive, so that a checksum over it is complete. Nothing is synced.
pub fn unpack(reader: impl Read + Send, dest: &Dir, options: &Options<'_>) -> Result<Stats> {
    let mut extractor = Extractor::new(dest.duplicate()?, options, Below::Nothing)?;
    let mut given: u64 = 0;
    each(reader, options, |member, members| {
        given = given.saturating_add(member.stored);
        options.allow(given, members.taken())?;
        extractor.add(member, members)
    })?;
    extractor.finish()
}

/// Calls `act` for each member. Returns the bytes that the archive unpacks to, headers included.
fn each(
    reader: impl Read + Send,
    options: &Options<'_>,
    mut act: impl FnMut(Member, &mut Members<'_>) -> Result<()>,
) -> Result<u64> {
    let (taken, over, ends) = (AtomicU64::new(0), AtomicBool::new(false), Ends::default());
    let all = Cell::new(0);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        let counted = Counted { reader, taken: &taken, over: &over };
        let grown = |arrived: u64| {
            all.set(arrived);
            let limit = options.most.map_or(arrived, |most| arrived.saturating_sub(most));
            options.grown(limit, taken.load(Ordering::Relaxed)).map_err(io::Error::other)
        };
        let ends = &ends;
        let stream = Stream::start(scope, move || decompressed(counted, ends), Box::new(grown));
        let mut members = Members::new(stream, options, ends, &taken);
        let mut count: u64 = 0;
        while let Some(member) = members.next()? {
            if count.is_multiple_of(REPORT) {
                options.observer.progress(taken.load(Ordering::Relaxed), options.size);
            }
            count += 1;
            act(member, &mut members)?;
        }
        if members.drain()? {
            options.observer.warn(format!(
                "{}: what follows the compressed archive is no part of it and is ignored",
                options.source.display()
            ));
        }
        options.observer.progress(taken.load(Ordering::Relaxed), options.size);
        for (what, members) in members.left_out() {
            let more = if *members > 1 { format!(" ({members} times)") } else { String::new() };
            options.observer.warn(format!("{}: not understood: {what}{more}", options.source.display()));
        }
        Ok(all.get())
    })
}

/// Tells the thread that reads that nobody needs more.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Options<'_> {
    /// Refuses an archive from which `taken` bytes were read and `given` bytes unpacked, if that is too much.
    fn allow(&self, given: u64, taken: u64) -> Result<()> {
        let archive = self.source.to_owned();
        match self.most {
            Some(most) if given > most => Err(Refusal::TooLarge { archive, most }.into()),
            // What a large member promises can still come from the rest of the archive.
            None => self.grown(given, taken.max(self.size.unwrap_or(0))),
            _ => Ok(()),
        }
    }

    /// Refuses an archive of which `taken` bytes became `given`, headers included, if that is absurdly more.
    fn grown(&self, given: u64, taken: u64) -> Result<()> {
        if given > SMALL && given / GROWTH > taken {
            let archive = self.source.to_owned();
            return Err(Refusal::Suspicious { archive, given, growth: GROWTH }.into());
        }
        Ok(())
    }
}

/// Counts the bytes that a reader gives, and gives no more when they are not needed, or a signal has come.
struct Counted<'a, R> {
    reader: R,
    taken: &'a AtomicU64,
    over: &'a AtomicBool,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        signal::check().map_err(io::Error::other)?;
        if self.over.load(Ordering::Relaxed) {
            return Err(io::Error::other("nothing more is needed"));
        }
        let count = self.reader.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
