//! A version as one tree that needs no volume.

use std::path::PathBuf;

use system::dir::Dir;
use system::error::Result;

use super::Volume;
use crate::label::ExistingLabel;
use crate::layout::{ORIG, RUN};
use crate::rootfs::databases;
use crate::rootfs::shared::shared_of;

/// A directory, and the place in a tree to which its content belongs.
#[derive(Debug)]
pub struct Layer {
    /// The directory.
    pub dir: Dir,
    /// The place; empty for the tree itself. What an earlier layer has there does not count.
    pub place: PathBuf,
}

impl Volume {
    /// What makes a version a tree of its own, in order: its `run`, the shared directories as they were built, and the package databases that the
    /// version keeps.
    pub fn layers(&self, label: &ExistingLabel) -> Result<Vec<Layer>> {
        self.require(label)?;
        let version = self.version_dir(label)?;
        let run = version.dir(RUN)?;
        let mut layers = vec![Layer { dir: run.duplicate()?, place: PathBuf::new() }];
        let Some(orig) = version.dir_if_exists(ORIG)? else { return Ok(layers) };
        // A shared directory that is a link is in another one.
        for shared in shared_of(&orig)?.into_iter().filter(|shared| shared.place.as_os_str() == shared.name) {
            let dir = orig.dir_if_exists(&shared.place)?;
            layers.extend(dir.map(|dir| Layer { dir, place: shared.place }));
        }
        for database in databases::kept(&orig, &run)? {
            layers.push(Layer { dir: run.dir(database.kept())?, place: database.in_tree() });
        }
        Ok(layers)
    }
}
