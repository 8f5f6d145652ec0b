//! A copy of a tree that follows a walk.

use std::os::fd::AsFd;
use std::path::PathBuf;

use super::{Copier, stat_of};
use crate::error::Result;
use crate::inode::{Inode, times};
use crate::metadata::{Metadata, Times};
use crate::signal;
use crate::trail::Trail;
use crate::walk::Visit;

/// A copy of a tree that follows a walk.
pub struct TreeCopy<'c, 'a> {
    pub(super) copier: &'c mut Copier<'a>,
    pub(super) trail: Trail,
    pub(super) to: PathBuf,
    /// The metadata of the directories on the trail. It is set when the walk leaves them.
    pub(super) directories: Vec<(Metadata, Times, PathBuf)>,
}

impl TreeCopy<'_, '_> {
    /// Copies the name that the walk visits. When it leaves the top, the contents of all files are copied.
    pub fn visit(&mut self, visit: Visit<'_>) -> Result<()> {
        signal::check()?;
        match visit {
            Visit::Enter(place, dir) => {
                let source = Inode::open(dir.as_fd(), dir.shown(""));
                let stat = source.stat()?;
                let metadata = self.copier.metadata(&source, &stat)?;
                self.directories.push((metadata, times(&stat), dir.shown("")));
                if !place.is_top() {
                    self.copier.stats.entries += 1;
                    self.trail.here()?.make_dir(place.name, 0o700)?;
                    let made = self.trail.here()?.dir(place.name)?;
                    self.trail.enter(made)?;
                }
            }
            Visit::Leave(place) => {
                if let Some((metadata, times, shown)) = self.directories.pop() {
                    let made = self.trail.here()?;
                    let target = Inode::open(made.as_fd(), made.shown(""));
                    self.copier.give(&metadata, times, &shown, &target, &self.to.join(place.path))?;
                }
                if place.is_top() {
                    self.copier.settle()?;
                } else {
                    self.trail.leave()?;
                }
            }
            Visit::Name(place) => {
                let stat = stat_of(place.dir, place.name)?;
                let target = (self.trail.here()?, place.name);
                let to = self.to.join(place.path);
                self.copier.one(place.dir, place.name, &stat, &|| place.file(), target, &to)?;
            }
            Visit::Mount(place) => {
                let target = (self.trail.here()?, place.name);
                self.copier.mount_point(place.dir, place.name, target, &self.to.join(place.path))?;
            }
        }
        Ok(())
    }
}
