//! `tar.build`: makes a root filesystem from an archive of another tool.

use std::fs::File;
use std::path::Path;

use baserock::extension::Environment;
use baserock_archive::{Options, Owners};
use system::dir::Dir;
use system::error::OrCannot;
use system::observer::Observer;
use system::{Error, Result};

use crate::{layers, oci};

/// Unpacks the archive `TARBALL` into the empty folder `output`. The layers of an OCI archive are laid over each other.
pub fn build(output: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let archive = Path::new(environment.required("TARBALL")?);
    if !Dir::open(output)?.entries()?.is_empty() {
        return Err(Error::refused(format!("{} is not empty; name an empty folder", output.display())));
    }
    observer.phase(format!("unpacking {}", archive.display()));
    unpack(archive, output, observer)?;
    if oci::is_layout(output) { layers::flatten(output, archive, observer) } else { Ok(()) }
}

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
