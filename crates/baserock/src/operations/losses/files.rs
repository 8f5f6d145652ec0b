//! Changes outside `/etc` and the shared directories.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::sys::stat::FileStat;
use system::btrfs;
use system::dir::Dir;
use system::error::Result;
use system::inode::is_directory;
use system::signal;

use super::Trees;
use crate::operations::state::same;
use crate::rootfs::shared::shared_of;

/// The names in which trees differ.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Those that were added.
    pub added: BTreeSet<PathBuf>,
    /// Those that are there before and after, and have changed.
    pub changed: BTreeSet<PathBuf>,
    /// Those that were removed.
    pub removed: BTreeSet<PathBuf>,
}

/// Directories at the top that hold nothing of a version, or that are merged.
const APART: [&str; 7] = ["dev", "etc", "lost+found", "proc", "run", "sys", "tmp"];

/// Names of files and directories that programs make again by themselves.
const MADE_AGAIN: [&str; 3] = ["__pycache__", "ld.so.cache", ".updated"];

/// Finds the changes that the new version does not have. Of a directory that was added or removed only its own path is given. What was removed
/// counts if the new version has it again. Paths in `apart` and below them do not count.
///
/// `run` began as a snapshot of `orig`, so btrfs tells what was written to it since. If it is no snapshot of it, everything is compared.
pub fn lost(trees: &Trees, apart: &[PathBuf]) -> Result<Names> {
    let mut apart = apart.to_vec();
    apart.extend(APART.map(PathBuf::from));
    apart.extend(shared_of(&trees.old_orig)?.into_iter().map(|shared| shared.place));
    let (parent, made) = btrfs::origin(&trees.old_run)?;
    let since = if parent == btrfs::identity(&trees.old_orig)?.uuid { made } else { 0 };
    let mut search = Search { trees, apart: &apart, lost: Names::default() };
    for path in btrfs::changed_since(&trees.old_run, since)? {
        signal::check()?;
        search.one(&path)?;
    }
    Ok(search.lost)
}

struct Search<'a> {
    trees: &'a Trees,
    apart: &'a [PathBuf],
    lost: Names,
}

impl Search<'_> {
    /// Compares one path that may have changed. What was added or removed is found in its directory.
    fn one(&mut self, path: &Path) -> Result<()> {
        if self.is_apart(path) {
            return Ok(());
        }
        let Trees { old_orig, old_run, .. } = self.trees;
        let is_top = path.as_os_str().is_empty();
        let (now, built) = (stat(old_run, path), stat(old_orig, path));
        if is_top || now.as_ref().is_some_and(is_directory) && built.as_ref().is_some_and(is_directory) {
            let (now, built) = (names(old_run, path)?, names(old_orig, path)?);
            for name in now.difference(&built) {
                self.added(&path.join(name))?;
            }
            for name in built.difference(&now).map(|name| path.join(name)) {
                if !self.is_apart(&name) && stat(&self.trees.new_orig, &name).is_some() {
                    self.lost.removed.insert(name);
                }
            }
            return Ok(());
        }
        if now.is_some()
            && built.is_some()
            && !is_same(old_run, old_orig, path)?
            && !is_same(old_run, &self.trees.new_orig, path)?
        {
            self.lost.changed.insert(path.to_owned());
        }
        Ok(())
    }

    /// Notes what the new version lacks of a path that was added.
    fn added(&mut self, path: &Path) -> Result<()> {
        signal::check()?;
        if self.is_apart(path) {
            return Ok(());
        }
        let Trees { old_run, new_orig, .. } = self.trees;
        // A deployment makes the directories that lead to something that does not count.
        let leads_apart = self.apart.iter().any(|apart| apart.starts_with(path));
        let is_directory_in = |tree| stat(tree, path).as_ref().is_some_and(is_directory);
        if is_directory_in(old_run) && (leads_apart || is_directory_in(new_orig)) {
            for name in names(old_run, path)? {
                self.added(&path.join(name))?;
            }
        } else if !is_same(old_run, new_orig, path)? {
            self.lost.added.insert(path.to_owned());
        }
        Ok(())
    }

    fn is_apart(&self, path: &Path) -> bool {
        self.apart.iter().any(|apart| path.starts_with(apart))
            || path.iter().any(|name| MADE_AGAIN.iter().any(|again| name == *again))
    }
}

/// Whether both trees have the same there: the same content or target, and the same mode. Owners do not count, because a merge moves them.
fn is_same(one: &Dir, other: &Dir, path: &Path) -> Result<bool> {
    let (Some(left), Some(right)) = (stat(one, path), stat(other, path)) else { return Ok(false) };
    if left.st_mode != right.st_mode {
        return Ok(false);
    }
    match left.st_mode & libc::S_IFMT {
        libc::S_IFREG => {
            let is_untouched = left.st_mtime == right.st_mtime && left.st_mtime_nsec == right.st_mtime_nsec;
            Ok(left.st_size == right.st_size && (is_untouched || same(one, path, other, path)?))
        }
        libc::S_IFLNK => Ok(one.read_link(path)? == other.read_link(path)?),
        libc::S_IFDIR => Ok(true),
        _ => Ok(left.st_rdev == right.st_rdev),
    }
}

/// The `stat` of a path; `None` if there is nothing, or if it cannot be examined.
fn stat(tree: &Dir, path: &Path) -> Option<FileStat> {
    if path.as_os_str().is_empty() { tree.stat().ok() } else { tree.stat_beneath(path).ok().flatten() }
}

fn names(tree: &Dir, path: &Path) -> Result<BTreeSet<OsString>> {
    let dir = if path.as_os_str().is_empty() { tree.duplicate()? } else { tree.dir(path)? };
    Ok(dir.entries()?.into_iter().map(|entry| entry.name).collect())
}
