//! The content of one file: shared, or copied without its holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::unistd::{Whence, lseek};

use super::changed;
use crate::error::{OrCannot, Result};
use crate::signal;
use crate::step::{self, change};

/// Copies `size` bytes from `source` to the empty file `target`: shared where the filesystem can, else data without holes.
/// Returns the bytes of content, and how many of these are shared. A source that shrinks or grows meanwhile is an error.
pub fn copy_data(
    source: &File,
    source_shown: &Path,
    target: &File,
    shown: &Path,
    size: u64,
    buffer: &mut [u8],
) -> Result<(u64, u64)> {
    if size == 0 {
        return Ok((0, 0));
    }
    step::here("share blocks with", shown).or_cannot("write", shown)?;
    // The kernel refuses what it cannot share (other filesystem, no reflinks, no-copy-on-write); then it is copied.
    let shared = rustix::fs::ioctl_ficlone(target, source).is_ok();
    let copied = if shared { size } else { copy_ranges(source, source_shown, target, shown, size, buffer)? };
    // A file that was cut short looks as if it ended in a hole.
    if source.metadata().or_cannot("examine", source_shown)?.len() != size {
        return Err(changed(source_shown));
    }
    Ok((copied, if shared { size } else { 0 }))
}

/// Copies the data between the holes; returns how much there is.
fn copy_ranges(
    source: &File,
    source_shown: &Path,
    target: &File,
    shown: &Path,
    size: u64,
    buffer: &mut [u8],
) -> Result<u64> {
    let mut copied = 0;
    let mut next = Some(0);
    while let Some(position) = next {
        let Some((start, end)) = data_after(source, position, size).or_cannot("read", source_shown)? else {
            break;
        };
        copy_range(source, source_shown, target, shown, (start, end), buffer)?;
        copied += end - start;
        next = (end < size).then_some(end);
    }
    // Only where a hole ends the file: to set a length, btrfs first writes the file's tail to the disk, and waits.
    if target.metadata().or_cannot("examine", shown)?.len() < size {
        change("set the length of", shown, || target.set_len(size))?;
    }
    Ok(copied)
}

/// The next range that is not a hole, at or after `position`; `None` where only a hole is left.
fn data_after(source: &File, position: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    let seek = |offset: u64, whence| lseek(source, offset.cast_signed(), whence).map(i64::cast_unsigned);
    let start = match seek(position, Whence::SeekData) {
        Ok(start) => start,
        Err(nix::Error::ENXIO) => return Ok(None),
        // A filesystem that knows no holes: everything is data.
        Err(nix::Error::EINVAL) => return Ok(Some((position, size))),
        Err(error) => return Err(error.into()),
    };
    let end = seek(start, Whence::SeekHole)?.min(size);
    Ok((start < end).then_some((start, end)))
}

fn copy_range(
    source: &File,
    source_shown: &Path,
    target: &File,
    shown: &Path,
    (start, end): (u64, u64),
    buffer: &mut [u8],
) -> Result<()> {
    let mut position = start;
    while position < end {
        signal::check()?;
        let want = usize::try_from(end - position).unwrap_or(usize::MAX).min(buffer.len());
        let got = source.read_at(&mut buffer[..want], position).or_cannot("read", source_shown)?;
        if got == 0 {
            return Err(changed(source_shown));
        }
        change("write", shown, || target.write_all_at(&buffer[..got], position))?;
        position += got as u64;
    }
    Ok(())
}
