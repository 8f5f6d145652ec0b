//! Unpacking with the options of most tests.

use std::io::Read;
use std::path::Path;

use baserock_archive::{Options, Owners, Stats};
use system::dir::Dir;
use system::error::Result;
use system::observer::Silent;

/// Everything as archived.
pub fn options(source: &Path) -> Options<'_> {
    Options {
        source,
        size: None,
        owners: Owners::AsArchived,
        devices: true,
        most: None,
        strip: 0,
        whole: false,
        observer: &Silent,
    }
}

pub fn unpack(archive: impl Read + Send, dest: &Path, options: &Options<'_>) -> Result<Stats> {
    baserock_archive::unpack(archive, &Dir::open(dest)?, options)
}
