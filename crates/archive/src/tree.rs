//! The new tree. The folders of members are looked up beneath its root only.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use system::dir::Dir;
use system::error::{Error, Result};
use system::inode::{Inode, times};
use system::metadata::{Time, Times};
use system::resolve::Links;

use crate::name::Name;

/// The mode of folders that are not members of the archive.
const UNMENTIONED: u32 = 0o755;

/// The tree into which an archive is unpacked.
pub struct Tree {
    root: Dir,
    /// How links in the names of folders are followed.
    links: Links,
    /// The folder of the last member is kept open, because most archives go folder by folder.
    last: Option<(PathBuf, Dir)>,
    /// In a tree with layers: when the folders that were there before were changed last, by their numbers.
    kept: HashMap<(u64, u64), (PathBuf, Time)>,
    held: usize,
}

impl Tree {
    /// A tree below this directory. With [`Links::InRoot`] it has lower layers, and its links lead where they lead in the booted system.
    pub fn new(root: Dir, links: Links) -> Result<Self> {
        let mut tree = Tree { root, links, last: None, kept: HashMap::new(), held: 0 };
        let root = tree.root.duplicate()?;
        tree.keep_times(&root, Path::new(""))?;
        Ok(tree)
    }

    /// Memory that it takes, in bytes, roughly.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Notes the times of a folder of the lower layers, before something in it is changed.
    pub fn keep_times(&mut self, dir: &Dir, folder: &Path) -> Result<()> {
        const EACH: usize = 128;
        if self.links == Links::InRoot {
            let stat = dir.stat()?;
            self.kept.entry((stat.st_dev, stat.st_ino)).or_insert_with(|| {
                self.held += folder.as_os_str().len() + EACH;
                (folder.to_owned(), times(&stat).modified)
            });
        }
        Ok(())
    }

    /// Gives the folders of the lower layers, which were only gone through, their times back.
    pub fn restore_times(&mut self) -> Result<()> {
        for (number, (folder, modified)) in std::mem::take(&mut self.kept) {
            let dir = if folder.as_os_str().is_empty() {
                self.root.duplicate()?
            } else {
                match self.root.dir_with(&folder, self.links) {
                    // A later member of the same layer took the folder's place.
                    Err(error)
                        if matches!(error.os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) =>
                    {
                        continue;
                    }
                    other => other?,
                }
            };
            let stat = dir.stat()?;
            if (stat.st_dev, stat.st_ino) == number && times(&stat).modified != modified {
                Inode::named(&dir, Path::new("")).set_times(Times { accessed: None, modified })?;
            }
        }
        Ok(())
    }

    /// The folder at the top.
    pub fn root(&self) -> &Dir {
        &self.root
    }

    /// Closes the folder of the last member, because a folder was replaced.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// The folder of the member. It is made if it is missing.
    pub fn folder_of(&mut self, name: &Name) -> Result<&Dir> {
        let (folder, _) = name.split();
        if folder.as_os_str().is_empty() {
            return Ok(&self.root);
        }
        if self.last.as_ref().is_none_or(|(known, _)| known != folder) {
            let opened = self.open_or_make(folder, name)?;
            self.keep_times(&opened, folder)?;
            self.last = Some((folder.to_owned(), opened));
        }
        Ok(self.last.as_ref().map_or(&self.root, |(_, dir)| dir))
    }

    /// Opens a folder that exists.
    pub fn open(&self, folder: &Path, name: &Name) -> Result<Dir> {
        if folder.as_os_str().is_empty() {
            return self.root.duplicate();
        }
        self.root.dir_with(folder, self.links).map_err(|error| explain(error, folder, name))
    }

    fn open_or_make(&mut self, folder: &Path, name: &Name) -> Result<Dir> {
        match self.open(folder, name) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        let (mut dir, known) = self.deepest(folder, name)?;
        let mut path: PathBuf = folder.iter().take(known).collect();
        self.keep_times(&dir, &path)?;
        for part in folder.iter().skip(known) {
            path.push(part);
            dir.make_dir(part, UNMENTIONED).map_err(|error| explain(error, &path, name))?;
            dir = dir.dir(part)?;
        }
        Ok(dir)
    }

    /// The deepest folder that exists on the way to a missing one, and the number of parts in its name. Few are tried, because each is
    /// looked up from the root.
    fn deepest(&self, missing: &Path, name: &Name) -> Result<(Dir, usize)> {
        let (mut dir, mut known, mut unknown) = (self.root.duplicate()?, 0, missing.iter().count());
        while unknown - known > 1 {
            let middle = known.midpoint(unknown);
            let path: PathBuf = missing.iter().take(middle).collect();
            match self.root.dir_with(&path, self.links) {
                Ok(found) => (dir, known) = (found, middle),
                Err(error) if error.is_not_found() => unknown = middle,
                Err(error) => return Err(explain(error, missing, name)),
            }
        }
        Ok((dir, known))
    }
}

fn explain(error: Error, folder: &Path, name: &Name) -> Error {
    let folder = folder.display();
    match error.os_error() {
        Some(libc::EXDEV) => Error::refused(format!(
            "member {name} would go through a symbolic link in {folder} that leads out of the tree; refused"
        )),
        Some(libc::ELOOP | libc::EEXIST) => Error::refused(format!(
            "member {name} would go through a symbolic link in {folder} that does not lead to a folder; refused"
        )),
        Some(libc::ENOTDIR) => {
            Error::refused(format!("member {name} lies in {folder}, which is not a folder; refused"))
        }
        _ => error,
    }
}
