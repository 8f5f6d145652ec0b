//! Writes a root filesystem to a bootable disk image or device.

mod create;
mod image;
mod layout;
mod options;
mod partition_file;
mod tree;

use std::path::Path;

use baserock::error::Result;
use baserock::extension::Environment;
use baserock::observer::Observer;

/// Writes the root filesystem `tree` to `location`, as the environment says.
pub fn write(tree: &Path, location: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let options = options::Options::new(environment)?;
    create::create(tree, location, &options, environment, observer)
}
