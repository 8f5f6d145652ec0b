//! One archive, unpacked.

use std::fs::File;
use std::path::Path;

use baserock_archive::{Options, Owners};
use system::Result;
use system::dir::Dir;
use system::error::OrCannot;
use system::observer::Observer;

/// Unpacks one archive, compressed or not, into an existing folder.
pub fn unpack(archive: &Path, output: &Path, observer: &dyn Observer) -> Result<()> {
    let file = File::open(archive).or_cannot("open", archive)?;
    let size = file.metadata().or_cannot("look at", archive)?.len();
    let options = Options {
        source: archive,
        size: Some(size),
        owners: Owners::AsArchived,
        devices: true,
        most: None,
        observer,
    };
    let stats = baserock_archive::unpack(file, &Dir::open(output)?, &options)?;
    for (attribute, files) in &stats.refused_attributes {
        observer.warn(format!("the attribute {attribute} of {files} files cannot be set here"));
    }
    Ok(())
}
