//! Copies the content of one file: shares its blocks, or copies its data without its holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::unistd::{Whence, lseek};

use super::changed;
use super::witness::Witness;
use crate::error::{OrCannot, Result};
use crate::signal;
use crate::step::{self, change};

/// Copies `size` bytes from `source` to the empty file `target`. Blocks are shared if the filesystem can; else the data is copied without
/// the holes. Returns the bytes of content, and how many of these are shared. It is an error if the source shrinks or grows meanwhile.
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
    // The kernel refuses if it cannot share blocks (other filesystem, no reflinks, no-copy-on-write). The data is copied then.
    let shared = rustix::fs::ioctl_ficlone(target, source).is_ok();
    let copied = if shared {
        size
    } else {
        copy_ranges(source, source_shown, target, shown, size, buffer, &mut Nobody)?
    };
    refuse_changed(source, source_shown, size)?;
    Ok((copied, if shared { size } else { 0 }))
}

/// Like [`copy_data`], but `witness` sees the content. So all is read, and nothing is shared.
pub(super) fn copy_seen(
    source: &File,
    source_shown: &Path,
    target: &File,
    shown: &Path,
    size: u64,
    buffer: &mut [u8],
    witness: &mut dyn Witness,
) -> Result<u64> {
    let copied = copy_ranges(source, source_shown, target, shown, size, buffer, witness)?;
    refuse_changed(source, source_shown, size)?;
    Ok(copied)
}

/// Fails if the file has another length now. One that was truncated meanwhile looks as if it ended in a hole.
fn refuse_changed(source: &File, shown: &Path, size: u64) -> Result<()> {
    let now = source.metadata().or_cannot("examine", shown)?.len();
    if now == size { Ok(()) } else { Err(changed(shown)) }
}

struct Nobody;

impl Witness for Nobody {
    fn see(&mut self, _: &[u8]) {}
    fn see_hole(&mut self, _: u64) {}
    fn end(self: Box<Self>) {}
}

/// Copies the data between the holes. Returns the number of bytes.
fn copy_ranges(
    source: &File,
    source_shown: &Path,
    target: &File,
    shown: &Path,
    size: u64,
    buffer: &mut [u8],
    witness: &mut dyn Witness,
) -> Result<u64> {
    let (mut copied, mut position) = (0, 0);
    while position < size {
        let Some((start, end)) = data_after(source, position, size).or_cannot("read", source_shown)? else {
            break;
        };
        witness.see_hole(start - position);
        copy_range(source, source_shown, target, shown, (start, end), buffer, witness)?;
        copied += end - start;
        position = end;
    }
    witness.see_hole(size - position);
    // The length is set only if the file ends in a hole, because btrfs first writes the file's tail to the disk and waits for it.
    if target.metadata().or_cannot("examine", shown)?.len() < size {
        change("set the length of", shown, || target.set_len(size))?;
    }
    Ok(copied)
}

/// The next range of data at or after `position`, or `None` if only a hole is left.
fn data_after(source: &File, position: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    let seek = |offset: u64, whence| lseek(source, offset.cast_signed(), whence).map(i64::cast_unsigned);
    let start = match seek(position, Whence::SeekData) {
        Ok(start) => start,
        Err(nix::Error::ENXIO) => return Ok(None),
        // The filesystem does not know holes: everything is data.
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
    witness: &mut dyn Witness,
) -> Result<()> {
    let mut position = start;
    while position < end {
        signal::check()?;
        let want = usize::try_from(end - position).unwrap_or(usize::MAX).min(buffer.len());
        let got = source.read_at(&mut buffer[..want], position).or_cannot("read", source_shown)?;
        if got == 0 {
            return Err(changed(source_shown));
        }
        witness.see(&buffer[..got]);
        change("write", shown, || target.write_all_at(&buffer[..got], position))?;
        position += got as u64;
    }
    Ok(())
}
