//! Writes a root filesystem to a bootable disk image or device.

mod clamp;
mod create;
mod disk;
mod filesystem;
mod fill;
mod first_boot;
mod host_keys;
mod identity;
mod image;
pub mod layout;
mod loader;
mod machine;
mod mounts;
mod options;
pub mod partition_file;
mod raw;
mod remedies;
mod table;
mod target;
mod tree;
mod upgrade;

use std::path::Path;

use baserock::extension::Environment;
use baserock::operations::{self, status::Status};
use baserock::volume::{Location, Opening, Purpose, Volume};
use system::error::Result;
use system::lock::Patience;
use system::observer::Observer;

pub use remedies::remedies;

use disk::Disk;
use loader::Loader;
use options::Options;

/// What the disk boots after a version was written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The new version.
    Default,
    /// What it booted before, because the new version has conflicts in `/etc`.
    Held,
}

/// Writes the root filesystem `tree` to `location`, as the environment says.
pub fn write(
    tree: &Path,
    location: &Path,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Written> {
    let options = Options::new(environment)?;
    match &options.upgrade {
        Some(label) => upgrade::upgrade(tree, location, label, &options, environment, observer),
        None => create::create(tree, location, &options, environment, observer).map(|()| Written::Default),
    }
}

/// Tells how the volume on the disk stands.
pub fn status(location: &Path) -> Result<Status> {
    let location = Location::Path(location.to_owned());
    let volume = Volume::open(&Opening { location, purpose: Purpose::Look, patience: Patience::Refuse })?;
    operations::status::status(&volume)
}

/// Checks what can be checked from location and environment alone. Changes nothing.
pub fn check(location: &Path, environment: &Environment) -> Result<()> {
    let options = Options::new(environment)?;
    match &options.upgrade {
        Some(label) => upgrade::check(location, label),
        None => Disk::new(location, &options, options.loader.unwrap_or(Loader::Extlinux)).map(drop),
    }
}
