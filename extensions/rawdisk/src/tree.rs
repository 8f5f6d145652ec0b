//! The root filesystem that is written: checked and measured before anything is made.

use std::collections::HashSet;
use std::path::Path;

use baserock::dir::Dir;
use baserock::error::{Error, OrCannot, Result};
use baserock::signal;
use nix::sys::stat::SFlag;

/// How much a tree holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Bytes of file content, each hard-linked file once.
    pub bytes: u64,
    /// Names.
    pub entries: u64,
}

/// What btrfs needs beside the content: for its own trees and for the first allocations.
const OVERHEAD: u64 = 128 << 20;
/// Metadata for one name, kept twice, generously.
const PER_ENTRY: u64 = 2048;

impl Measure {
    /// The smallest filesystem that this fits on, bytes.
    pub fn needed(&self) -> u64 {
        self.bytes + self.bytes / 50 + self.entries * PER_ENTRY + OVERHEAD
    }
}

/// Opens the root filesystem; one that is none is named.
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

/// Measures the tree, without crossing into other filesystems.
pub fn measure(tree: &Dir) -> Result<Measure> {
    let mut measure = Measure::default();
    add(tree, tree.stat()?.st_dev, &mut HashSet::new(), &mut measure)?;
    Ok(measure)
}

fn add(dir: &Dir, device: u64, seen: &mut HashSet<u64>, measure: &mut Measure) -> Result<()> {
    signal::check()?;
    for entry in dir.entries()? {
        let Some(stat) = dir.stat_of(&entry.name)? else { continue };
        measure.entries += 1;
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR if stat.st_dev == device => add(&dir.dir(&entry.name)?, device, seen, measure)?,
            SFlag::S_IFREG if stat.st_nlink == 1 || seen.insert(stat.st_ino) => {
                // What is really there: holes are copied as holes.
                measure.bytes += (stat.st_blocks.cast_unsigned() * 512)
                    .min(stat.st_size.cast_unsigned().next_multiple_of(4096));
            }
            _ => {}
        }
    }
    Ok(())
}
