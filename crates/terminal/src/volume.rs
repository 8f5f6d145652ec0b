//! The option that names a volume, for the programs that have it.

use baserock::Refusal;
use baserock::volume::{Location, Opening, Purpose, Volume};
use clap::builder::{PathBufValueParser, TypedValueParser};
use system::lock::Patience;

use crate::user::user;

/// The options that choose a volume.
#[derive(Clone, Debug, clap::Args)]
pub struct VolumeArguments {
    /// Work on this device, image or mounted volume, not on the running system
    #[arg(long, global = true, value_name = "PATH", value_parser = PathBufValueParser::new().map(Location::Path))]
    volume: Option<Location>,
}

impl VolumeArguments {
    /// The volume that was named.
    pub fn given(&self) -> Option<&Location> {
        self.volume.as_ref()
    }

    /// Opens the volume: the named one, else that of the running system.
    pub fn open(&self, purpose: Purpose, patience: Patience) -> system::Result<Volume> {
        let location = self.volume.clone().unwrap_or(Location::Running);
        Ok(Volume::open(&Opening { location, purpose, patience })?.for_user(user()))
    }
}

/// The remedies of programs with these options.
pub fn remedy(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::NotBaserock { .. } => {
            "use --volume PATH to work on a device, an image or a mounted volume".to_owned()
        }
        Refusal::NoVersions { .. } => "name the volume with --volume PATH".to_owned(),
        _ => return None,
    })
}
