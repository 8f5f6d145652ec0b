//! Raw files: files of the root filesystem that are written to a place on the disk as they are, mostly for boot loaders of boards.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use system::dir::Dir;
use system::error::{Error, OrCannot, Result, if_exists};
use system::resolve::Links;
use system::step::change;

use crate::layout::PlacedFile;

/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;

/// The size of a raw file. A missing file is refused, and so is anything but a regular file. Links cannot lead out of the root filesystem.
pub fn size(tree: &Dir, path: &Path) -> Result<u64> {
    open(tree, path).map(|(_, size)| size)
}

/// Writes the file to its place on the disk.
pub fn write(tree: &Dir, placed: &PlacedFile, disk: &File, shown: &Path) -> Result<()> {
    let (file, _) = open(tree, &placed.raw.file)?;
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    while done < placed.size {
        let want = usize::try_from(placed.size - done).unwrap_or(CHUNK).min(CHUNK);
        let got = file
            .read_at(&mut buffer[..want], placed.raw.skip + done)
            .or_cannot("read", tree.shown(&placed.raw.file))?;
        if got == 0 {
            let path = tree.shown(&placed.raw.file);
            return Err(Error::refused(format!(
                "{} became shorter while it was copied; try again",
                path.display()
            )));
        }
        change("write", shown, || disk.write_all_at(&buffer[..got], placed.start + done))?;
        done += got as u64;
    }
    Ok(())
}

fn open(tree: &Dir, path: &Path) -> Result<(File, u64)> {
    let shown = tree.shown(path);
    let Some(file) = if_exists(tree.file_with(path, Links::InRoot))? else {
        return Err(Error::refused(format!(
            "raw file {} is not in the root filesystem {}",
            path.display(),
            tree.shown("").display()
        )));
    };
    let found = file.metadata().or_cannot("examine", &shown)?;
    if !found.is_file() {
        return Err(Error::refused(format!("raw file {} is no regular file", shown.display())));
    }
    Ok((file, found.len()))
}
