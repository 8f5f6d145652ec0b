//! `tar.build`: makes a root filesystem from an archive of another tool.

use std::path::Path;

use baserock::extension::Environment;
use system::dir::Dir;
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
    baserock_archive::unpack_file(archive, &Dir::open(output)?, observer)?;
    if oci::is_layout(output) { layers::flatten(output, archive, observer) } else { Ok(()) }
}
