//! The root filesystem, which is checked and measured before anything is written.

use std::collections::HashSet;
use std::path::Path;

use nix::sys::stat::{FileStat, SFlag};
use sha2::{Digest, Sha256};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::signal;
use system::walk::{Place, Visit, Walk};

/// The measure of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Bytes of file content, each hard-linked file once.
    pub bytes: u64,
    /// Names.
    pub entries: u64,
    /// A digest of names, modes, sizes and times, which tells one tree from another.
    pub digest: Vec<u8>,
}

/// Bytes that btrfs needs beside the content, for its own trees and the first allocations.
const OVERHEAD: u64 = 128 << 20;
/// Bytes of metadata for one name: a generous estimate, since btrfs writes metadata twice.
const PER_ENTRY: u64 = 2048;

impl Measure {
    /// The smallest filesystem that this fits on, bytes.
    pub fn needed(&self) -> u64 {
        self.bytes + self.bytes / 50 + self.entries * PER_ENTRY + OVERHEAD
    }
}

/// Opens the root filesystem, and refuses a path that is none.
pub fn open(path: &Path) -> Result<Dir> {
    let kind = std::fs::metadata(path).or_cannot("open root filesystem", path)?;
    if !kind.is_dir() {
        return Err(Error::refused(format!(
            "{} is not a directory; TEMP_ROOT is an unpacked root filesystem",
            path.display()
        )));
    }
    let tree = Dir::open(path)?;
    if tree.entries()?.is_empty() {
        return Err(Error::refused(format!(
            "{} is empty; TEMP_ROOT is an unpacked root filesystem",
            path.display()
        )));
    }
    Ok(tree)
}

/// Measures the tree, without the mounts in it.
pub fn measure(tree: &Dir) -> Result<Measure> {
    let mut measuring = Measuring::default();
    let mut walk = Walk::new(tree.duplicate()?)?;
    while let Some(visit) = walk.next()? {
        signal::check()?;
        match visit {
            Visit::Enter(place, _) if place.is_top() => {}
            Visit::Enter(place, _) | Visit::Name(place) | Visit::Mount(place) => measuring.add(place)?,
            Visit::Leave(_) => {}
        }
    }
    Ok(Measure { digest: measuring.digest.finalize().to_vec(), ..measuring.measure })
}

#[derive(Default)]
struct Measuring {
    measure: Measure,
    seen: HashSet<(u64, u64)>,
    digest: Sha256,
}

impl Measuring {
    fn add(&mut self, place: Place<'_>) -> Result<()> {
        let Some(stat) = place.dir.stat_of(place.name)? else { return Ok(()) };
        self.measure.entries += 1;
        self.note(place.name.as_os_str().as_encoded_bytes(), &stat);
        let is_file = stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
        if is_file && (stat.st_nlink == 1 || self.seen.insert((stat.st_dev, stat.st_ino))) {
            // Holes are copied as holes, so only the blocks that the file has are counted.
            self.measure.bytes += (stat.st_blocks.cast_unsigned() * 512)
                .min(stat.st_size.cast_unsigned().next_multiple_of(4096));
        }
        Ok(())
    }

    fn note(&mut self, name: &[u8], stat: &FileStat) {
        self.digest.update(name);
        // The size of a directory depends on the filesystem.
        let size =
            if stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits() { stat.st_size } else { 0 };
        for number in [i64::from(stat.st_mode), size, stat.st_mtime] {
            self.digest.update(number.to_le_bytes());
        }
    }
}
