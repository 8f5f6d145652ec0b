//! The one walk over a tree of files: sorted, of any depth, and never across a mount.
//!
//! What is mounted in a tree is not a part of it. Copying it would copy another filesystem, and removing it would lose data that is none of
//! the tree's. The walk therefore shows a mount point as such ([`Visit::Mount`]) and does not enter it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use crate::dir::{Dir, Entry};
use crate::error::Result;
use crate::mount::{self, MountId};
use crate::trail::Trail;

/// A name in the tree.
#[derive(Clone, Copy, Debug)]
pub struct Place<'w> {
    /// The directory that holds the name. The top holds itself, under the empty name.
    pub dir: &'w Dir,
    /// The name in it.
    pub name: &'w Path,
    /// The way from the top, which itself is the empty path.
    pub path: &'w Path,
}

/// One step of the walk.
#[derive(Clone, Copy, Debug)]
pub enum Visit<'w> {
    /// A directory, opened, before what is in it. [`Walk::prune`] passes by what is in it.
    Enter(Place<'w>, &'w Dir),
    /// The same directory after what is in it.
    Leave(Place<'w>),
    /// Anything but a directory.
    Name(Place<'w>),
    /// A name on which something is mounted: a directory, or a file. What is mounted is not visited.
    Mount(Place<'w>),
}

/// A walk. Where a step fails, [`Walk::path`] tells the name, and the walk can go on with the next one.
pub struct Walk {
    trail: Trail,
    /// What is left to visit in each directory on the trail; `None` while a directory's names are not read yet.
    left: Vec<Option<IntoIter<Entry>>>,
    path: PathBuf,
    mount: MountId,
    /// Paths from the top on which something is mounted, as the kernel lists them.
    mounts: HashSet<PathBuf>,
    next: Next,
}

/// What the next step begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The top.
    Top,
    /// The name after this one: the last step ended with it.
    NameAfter,
    /// What is in the directory that was entered.
    Below,
    /// Nothing more.
    End,
}

impl Walk {
    /// A walk over everything below `top`, and itself.
    pub fn new(top: Dir) -> Result<Self> {
        let mount = mount::id(top.as_fd(), &top.shown(""))?;
        let mounts = mount::below(&top, Path::new(""))?.into_iter().collect();
        let trail = Trail::new(top)?;
        Ok(Walk { trail, left: vec![None], path: PathBuf::new(), mount, mounts, next: Next::Top })
    }

    /// The path of the last step, from the top.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Passes by what is in the directory that was just entered. It is not left then.
    pub fn prune(&mut self) -> Result<()> {
        if self.next != Next::Below {
            return Ok(());
        }
        if self.trail.depth() == 0 {
            self.next = Next::End;
            return Ok(());
        }
        self.go_up()
    }

    fn go_up(&mut self) -> Result<()> {
        self.left.pop();
        self.next = Next::NameAfter;
        self.trail.leave()
    }

    /// The next step, or that there is none.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from the walk")]
    pub fn next(&mut self) -> Result<Option<Visit<'_>>> {
        match self.next {
            Next::End => return Ok(None),
            Next::Top => {
                self.next = Next::Below;
                let top = self.trail.here()?;
                return Ok(Some(Visit::Enter(self.place(top), top)));
            }
            Next::NameAfter => drop(self.path.pop()),
            Next::Below => {}
        }
        self.next = Next::Below;
        let Some(entry) = self.next_entry()? else { return self.end_of_directory().map(Some) };
        self.path.push(&entry.name);
        self.next = Next::NameAfter;
        if self.mounts.contains(&self.path) {
            return Ok(Some(Visit::Mount(self.place(self.trail.here()?))));
        }
        if !self.is_directory(&entry)? {
            return Ok(Some(Visit::Name(self.place(self.trail.here()?))));
        }
        let dir = self.trail.here()?.dir(&entry.name)?;
        if mount::id(dir.as_fd(), &dir.shown(""))? != self.mount {
            return Ok(Some(Visit::Mount(self.place(self.trail.here()?))));
        }
        self.trail.enter(dir)?;
        self.left.push(None);
        self.next = Next::Below;
        Ok(Some(Visit::Enter(self.place(self.trail.above()?), self.trail.here()?)))
    }

    fn next_entry(&mut self) -> Result<Option<Entry>> {
        let Some(left) = self.left.last_mut() else { return Ok(None) };
        if let Some(left) = left {
            return Ok(left.next());
        }
        // Where it cannot be listed, the walk goes on as if it were empty.
        let left = left.insert(Vec::new().into_iter());
        *left = self.trail.here()?.entries()?.into_iter();
        Ok(left.next())
    }

    fn end_of_directory(&mut self) -> Result<Visit<'_>> {
        if self.trail.depth() == 0 {
            self.next = Next::End;
        } else {
            self.go_up()?;
        }
        Ok(Visit::Leave(self.place(self.trail.here()?)))
    }

    fn is_directory(&self, entry: &Entry) -> Result<bool> {
        if let Some(is_dir) = entry.is_dir {
            return Ok(is_dir);
        }
        let stat = self.trail.here()?.stat_of(&entry.name)?;
        Ok(stat.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR))
    }

    fn place<'w>(&'w self, dir: &'w Dir) -> Place<'w> {
        let name = self.path.file_name().unwrap_or(OsStr::new(""));
        Place { dir, name: Path::new(name), path: &self.path }
    }
}
