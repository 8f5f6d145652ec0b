//! Bytes at a fixed place, of a file or a device, that somebody reads without a filesystem.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::Result;
use crate::step::change;

/// Overwrites the bytes at `offset`, and waits until they are on the disk. The file was opened for writing, and has the bytes already.
pub fn overwrite(file: &File, shown: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    change("overwrite a part of", shown, || {
        file.write_all_at(bytes, offset)?;
        file.sync_data()
    })
}
