//! The way from the top of a tree down to a directory in it. It may be deep, but needs few open descriptors.

use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result};

/// The most directories that are open at once. In a deeper tree the upper ones are opened again on the way back.
const OPEN: usize = 32;

/// The directories from a tree's top to one in it.
#[derive(Debug)]
pub struct Trail {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// `None` while it is so far above that it is closed.
    dir: Option<Dir>,
    /// Device and inode, to recognize the directory when it is opened again.
    identity: (u64, u64),
}

impl Level {
    fn new(dir: Dir) -> Result<Self> {
        let stat = dir.stat()?;
        Ok(Level { identity: (stat.st_dev, stat.st_ino), dir: Some(dir) })
    }
}

impl Trail {
    /// A way that begins at this directory.
    pub fn new(top: Dir) -> Result<Self> {
        Ok(Trail { levels: vec![Level::new(top)?] })
    }

    /// The number of directories below the top.
    pub fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    /// The directory at the end of the way.
    pub fn here(&self) -> Result<&Dir> {
        self.open(self.levels.len() - 1)
    }

    /// The directory above [`Trail::here`]. Above the top is the top itself.
    pub fn above(&self) -> Result<&Dir> {
        self.open(self.depth().saturating_sub(1))
    }

    fn open(&self, level: usize) -> Result<&Dir> {
        let dir = self.levels.get(level).and_then(|level| level.dir.as_ref());
        dir.ok_or_else(|| Error::refused("a directory was left while it was needed"))
    }

    /// Goes down into a directory that was opened from here.
    pub fn enter(&mut self, dir: Dir) -> Result<()> {
        self.levels.push(Level::new(dir)?);
        if let Some(far) = self.levels.len().checked_sub(OPEN + 1) {
            self.levels[far].dir = None;
        }
        Ok(())
    }

    /// Goes back up. It is an error if the directory was moved away meanwhile.
    pub fn leave(&mut self) -> Result<()> {
        let Some(left) = self.levels.pop() else { return Ok(()) };
        // The directory above must be open as well.
        for level in (self.levels.len().saturating_sub(2)..self.levels.len()).rev() {
            if self.levels[level].dir.is_none() {
                let below = self.levels.get(level + 1).unwrap_or(&left);
                let reopened = reopen(below, self.levels[level].identity)?;
                self.levels[level].dir = Some(reopened);
            }
        }
        Ok(())
    }
}

/// Opens the directory that holds `below`. It is an error if that is no longer the directory with this identity.
fn reopen(below: &Level, identity: (u64, u64)) -> Result<Dir> {
    let Some(below) = below.dir.as_ref() else {
        return Err(Error::refused("a directory was left while it was needed"));
    };
    let shown = below.shown("");
    let shown = shown.parent().unwrap_or(Path::new("/"));
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = openat(below.as_fd(), "..", flags, Mode::empty()).or_cannot("open", shown)?;
    let dir = Dir::from(fd).shown_as(shown);
    let stat = dir.stat()?;
    if (stat.st_dev, stat.st_ino) == identity {
        return Ok(dir);
    }
    Err(Error::refused(format!("{} was moved while it was worked on", below.shown("").display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_found_from_any_depth() {
        let place = tempfile::tempdir().unwrap();
        let mut trail = Trail::new(Dir::open(place.path()).unwrap()).unwrap();
        let mut inodes = Vec::new();
        for _ in 0..OPEN * 3 {
            inodes.push(trail.here().unwrap().stat().unwrap().st_ino);
            trail.here().unwrap().make_dir("d", 0o700).unwrap();
            let below = trail.here().unwrap().dir("d").unwrap();
            trail.enter(below).unwrap();
        }
        assert_eq!(trail.levels.iter().filter(|level| level.dir.is_some()).count(), OPEN);
        while let Some(inode) = inodes.pop() {
            trail.leave().unwrap();
            assert_eq!(trail.here().unwrap().stat().unwrap().st_ino, inode);
            assert_eq!(trail.above().unwrap().stat().unwrap().st_ino, *inodes.last().unwrap_or(&inode));
        }
    }

    #[test]
    fn a_directory_that_was_moved_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        dir.make_dir("other", 0o700).unwrap();
        let mut trail = Trail::new(dir.duplicate().unwrap()).unwrap();
        for _ in 0..OPEN + 2 {
            trail.here().unwrap().make_dir("d", 0o700).unwrap();
            let below = trail.here().unwrap().dir("d").unwrap();
            trail.enter(below).unwrap();
        }
        dir.rename("d/d/d", "other/d").unwrap();
        let error = loop {
            if let Err(error) = trail.leave() {
                break error.to_string();
            }
        };
        assert!(error.contains("was moved while"), "{error}");
    }
}
