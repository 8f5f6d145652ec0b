//! The parent directories of a tree's names, opened.

use system::dir::Dir;
use system::error::{Error, Result, if_exists};

use crate::entry::{as_path, parent};

/// The directories of a tree.
pub struct Parents<'a> {
    tree: &'a Dir,
    /// The last one is kept open, because entries come directory by directory.
    last: Option<(Box<[u8]>, Dir)>,
}

impl<'a> Parents<'a> {
    /// The directories of this tree.
    pub fn new(tree: &'a Dir) -> Self {
        Parents { tree, last: None }
    }

    /// The opened directory that holds the path. The root holds itself, under the empty name.
    pub fn of(&mut self, path: &[u8]) -> Result<&Dir> {
        let wanted = parent(path);
        let last = match self.last.take() {
            Some(last) if *last.0 == *wanted => last,
            _ => (wanted.into(), open(self.tree, wanted)?),
        };
        Ok(&self.last.insert(last).1)
    }
}

/// Opens a directory that the tree's manifest has.
pub fn open(tree: &Dir, path: &[u8]) -> Result<Dir> {
    let opened = if path.is_empty() { tree.duplicate() } else { tree.dir(as_path(path)) };
    match if_exists(opened)? {
        Some(dir) => Ok(dir),
        None => Err(Error::refused(format!(
            "{} does not match its manifest; something has changed the tree meanwhile",
            tree.shown(as_path(path)).display()
        ))),
    }
}
