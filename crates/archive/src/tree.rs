//! The new tree. The folders of members are looked up beneath its root only.

use std::path::{Path, PathBuf};

use system::dir::Dir;
use system::error::{Error, Result};
use system::resolve::Links;

use crate::name::Name;

/// The mode of folders that are not members of the archive.
const UNMENTIONED: u32 = 0o755;

/// The tree into which an archive is unpacked.
pub struct Tree {
    root: Dir,
    /// The folder of the last member is kept open, because most archives go folder by folder.
    last: Option<(PathBuf, Dir)>,
}

impl Tree {
    /// A tree below this directory.
    pub fn new(root: Dir) -> Self {
        Tree { root, last: None }
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
            self.last = Some((folder.to_owned(), opened));
        }
        Ok(self.last.as_ref().map_or(&self.root, |(_, dir)| dir))
    }

    /// Opens a folder that exists.
    pub fn open(&self, folder: &Path, name: &Name) -> Result<Dir> {
        if folder.as_os_str().is_empty() {
            return self.root.duplicate();
        }
        self.root.dir_with(folder, Links::Beneath).map_err(|error| explain(error, folder, name))
    }

    fn open_or_make(&self, folder: &Path, name: &Name) -> Result<Dir> {
        match self.open(folder, name) {
            Err(error) if error.is_not_found() => {}
            other => return other,
        }
        let mut dir = self.root.duplicate()?;
        for part in folder {
            dir = match dir.dir_with(Path::new(part), Links::Refuse) {
                Err(error) if error.is_not_found() => {
                    dir.make_dir(part, UNMENTIONED)?;
                    dir.dir(part)?
                }
                other => other.map_err(|error| explain(error, folder, name))?,
            };
        }
        Ok(dir)
    }
}

fn explain(error: Error, folder: &Path, name: &Name) -> Error {
    let folder = folder.display();
    match error.os_error() {
        Some(libc::EXDEV) => Error::refused(format!(
            "member {name} would go through a symbolic link in {folder} that leads out of the tree; refused"
        )),
        Some(libc::ELOOP) => Error::refused(format!(
            "member {name} would go through a symbolic link in {folder} that does not lead to a folder; refused"
        )),
        Some(libc::ENOTDIR) => {
            Error::refused(format!("member {name} lies in {folder}, which is not a folder; refused"))
        }
        _ => error,
    }
}
