//! The walk over a tree of files. It is sorted, works at any depth, and never crosses a mount. There is only this one.
//!
//! A mounted filesystem is not part of the tree. Copying it would copy too much, and removing it would lose data that does not belong to the
//! tree. The walk therefore shows a mount point as such ([`Visit::Mount`]) and does not enter it.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

use crate::dir::{Dir, Entry};
use crate::error::Result;
use crate::mount::{self, MountId};
use crate::trail::Trail;

/// A name in the tree.
#[derive(Clone, Copy, Debug)]
pub struct Place<'w> {
    /// The directory that holds the name. For the top this is the top itself, and the name is empty.
    pub dir: &'w Dir,
    /// The name in it.
    pub name: &'w Path,
    /// The path from the top. It is empty for the top itself.
    pub path: &'w Path,
    opened: &'w OnceCell<Arc<File>>,
}

impl Place<'_> {
    /// The regular file of this name ([`Dir::file`]). It is opened once, for all that look at it in this step of the walk.
    pub fn file(&self) -> Result<Arc<File>> {
        if let Some(file) = self.opened.get() {
            return Ok(file.clone());
        }
        let file = Arc::new(self.dir.file(self.name)?);
        Ok(self.opened.get_or_init(|| file).clone())
    }

    /// Whether it is the top of the walk.
    pub fn is_top(&self) -> bool {
        self.path.as_os_str().is_empty()
    }
}

/// One step of the walk.
#[derive(Clone, Copy, Debug)]
pub enum Visit<'w> {
    /// An opened directory, before its entries. [`Walk::prune`] skips the entries.
    Enter(Place<'w>, &'w Dir),
    /// The same directory, after its entries.
    Leave(Place<'w>),
    /// Anything but a directory.
    Name(Place<'w>),
    /// A mount point: a directory or a file. The mounted filesystem is not visited.
    Mount(Place<'w>),
}

/// A walk. If a step fails, [`Walk::path`] tells the name, and the walk can go on with the next name.
pub struct Walk {
    trail: Trail,
    /// The names left to visit in each directory on the trail; `None` until the names of the directory are read.
    left: Vec<Option<IntoIter<Entry>>>,
    path: PathBuf,
    mount: MountId,
    /// The mount points below the top in the kernel's list, as paths from the top.
    mounts: HashSet<PathBuf>,
    /// The file of the current step, once somebody has opened it.
    opened: OnceCell<Arc<File>>,
    next: NextStep,
}

/// The place where the next step begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NextStep {
    /// The top.
    Top,
    /// The name after the last one, which is still the end of the path.
    NameAfter,
    /// The next entry of the directory at the end of the trail.
    Below,
    /// The walk has ended.
    End,
}

impl Walk {
    /// A walk over `top` and everything below it.
    pub fn new(top: Dir) -> Result<Self> {
        let mount = mount::id(top.as_fd(), &top.shown(""))?;
        let mounts = mount::below(&top, Path::new(""))?.into_iter().collect();
        let trail = Trail::new(top)?;
        let (path, opened, next) = (PathBuf::new(), OnceCell::new(), NextStep::Top);
        Ok(Walk { trail, left: vec![None], path, mount, mounts, opened, next })
    }

    /// The path of the last step from the top.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Skips the entries of the directory that was just entered. There is no [`Visit::Leave`] for it then.
    pub fn prune(&mut self) -> Result<()> {
        if self.next != NextStep::Below {
            return Ok(());
        }
        if self.trail.depth() == 0 {
            self.next = NextStep::End;
            return Ok(());
        }
        self.go_up()
    }

    fn go_up(&mut self) -> Result<()> {
        self.left.pop();
        self.next = NextStep::NameAfter;
        self.trail.leave()
    }

    /// The next step, or `None` at the end.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from the walk")]
    pub fn next(&mut self) -> Result<Option<Visit<'_>>> {
        self.opened.take();
        match self.next {
            NextStep::End => return Ok(None),
            NextStep::Top => {
                self.next = NextStep::Below;
                let top = self.trail.here()?;
                return Ok(Some(Visit::Enter(self.place(top), top)));
            }
            NextStep::NameAfter => drop(self.path.pop()),
            NextStep::Below => {}
        }
        self.next = NextStep::Below;
        let Some(entry) = self.next_entry()? else { return self.end_of_directory().map(Some) };
        self.path.push(&entry.name);
        self.next = NextStep::NameAfter;
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
        self.next = NextStep::Below;
        Ok(Some(Visit::Enter(self.place(self.trail.above()?), self.trail.here()?)))
    }

    fn next_entry(&mut self) -> Result<Option<Entry>> {
        let Some(left) = self.left.last_mut() else { return Ok(None) };
        if let Some(left) = left {
            return Ok(left.next());
        }
        // If the directory cannot be listed, the walk goes on as if it were empty.
        let left = left.insert(Vec::new().into_iter());
        *left = self.trail.here()?.entries()?.into_iter();
        Ok(left.next())
    }

    fn end_of_directory(&mut self) -> Result<Visit<'_>> {
        if self.trail.depth() == 0 {
            self.next = NextStep::End;
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
        Place { dir, name: Path::new(name), path: &self.path, opened: &self.opened }
    }
}
