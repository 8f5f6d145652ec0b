//! A version as one tree that needs no volume.

use std::path::{Path, PathBuf};

use system::dir::{Dir, MOST_TEXT};
use system::error::Result;

use super::Volume;
use crate::fstab::{Fstab, Line, Source};
use crate::label::ExistingLabel;
use crate::layout::{MOUNTS, ORIG, PRIVATE, RUN};
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

/// What makes a version a tree of its own.
#[derive(Debug)]
pub struct Layers {
    /// In order: its `run`, the shared directories as they were built, and the package databases that the version keeps.
    pub layers: Vec<Layer>,
    /// Directories of `run` that only the volume needs: the places where the version keeps its package databases.
    pub unneeded: Vec<PathBuf>,
    /// `etc/fstab` without what only the volume needs: its own mounts, and those of its disk's other partitions. `None` if it has none of them.
    pub fstab: Option<Vec<u8>>,
}

impl Volume {
    /// The layers of a version.
    pub fn layers(&self, label: &ExistingLabel) -> Result<Layers> {
        self.require(label)?;
        let version = self.version_dir(label)?;
        let run = version.dir(RUN)?;
        let fstab = self.independent_fstab(&run)?;
        let mut layers = vec![Layer { dir: run.duplicate()?, place: PathBuf::new() }];
        let mut unneeded = Vec::new();
        if let Some(orig) = version.dir_if_exists(ORIG)? {
            // A shared directory that is a link is in another one.
            for shared in
                shared_of(&orig)?.into_iter().filter(|shared| shared.place.as_os_str() == shared.name)
            {
                let dir = orig.dir_if_exists(&shared.place)?;
                layers.extend(dir.map(|dir| Layer { dir, place: shared.place }));
            }
            for database in databases::kept(&orig, &run)? {
                layers.push(Layer { dir: run.dir(database.kept())?, place: database.in_tree() });
                unneeded.push(database.kept());
            }
        }
        Ok(Layers { layers, unneeded, fstab })
    }

    /// The mounts of the disk's other partitions, as they were noted when the disk was made.
    pub fn disk_mounts(&self) -> Result<Fstab> {
        let text = self.top().read_if_exists(Path::new(PRIVATE).join(MOUNTS), MOST_TEXT)?;
        Ok(Fstab::parse(&text.unwrap_or_default()))
    }

    fn independent_fstab(&self, run: &Dir) -> Result<Option<Vec<u8>>> {
        let Some(etc) = run.dir_if_exists("etc")? else { return Ok(None) };
        if !etc.is_file("fstab")? {
            return Ok(None);
        }
        let fstab = Fstab::parse(&etc.read("fstab", MOST_TEXT)?);
        let others = self.disk_mounts()?;
        let own = self.uuid().map(|uuid| Source::Uuid(uuid.to_string()));
        let is_of_volume = |line: &Line| {
            let is_mount = line.target.is_some();
            let is_own = is_mount && own.as_ref() == Some(&line.source());
            is_own || line.kept_database().is_some() || is_mount && others.lines().contains(line)
        };
        let independent = fstab.clone().without(is_of_volume);
        Ok((independent != fstab).then(|| independent.render()))
    }
}
