//! Replaces files and links. A reader sees the whole old one or the whole new one.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{RenameFlags, renameat_with};

use crate::dir::Dir;
use crate::error::{Result, if_exists};
use crate::flags;
use crate::inode::{Inode, times};
use crate::metadata::Metadata;
use crate::step::change;
use crate::undo::Undo;

/// Replaces the file `name` in `dir`: the new file is written beside it, synced, and renamed over it.
///
/// After a power cut the name has the old or the new content. The new content is certain only after the filesystem's next commit. A boot
/// loader does not replay the log, so it may see the old content until then.
pub fn write(dir: &Dir, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    replace(dir, name, |temporary| {
        let mut file = dir.create(temporary, mode)?;
        change("write", dir.shown(name), || file.write_all(content))?;
        sync(&file, &dir.shown(name))
    })
}

/// Like [`write()`], but the new file gets the owner, mode, attributes and flags of the old one. If there is no old one, it belongs to root,
/// has this mode, and inherits nothing from the directory.
pub fn rewrite(dir: &Dir, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let metadata = match if_exists(dir.file(name))? {
        Some(old) => {
            let old = Inode::open(old.as_fd(), dir.shown(name));
            old.metadata(&old.stat()?)?
        }
        None => Metadata { mode, ..Metadata::default() },
    };
    let make = |temporary: &str| {
        let mut file = dir.create(temporary, 0o600)?;
        change("write", dir.shown(name), || file.write_all(content))?;
        let inode = Inode::open(file.as_fd(), dir.shown(name));
        inode.give(&metadata, times(&inode.stat()?))?;
        sync(&file, &dir.shown(name))
    };
    flags::while_lifted(dir, &[Path::new(name), Path::new("")], || replace(dir, name, make))?;
    // A flag can forbid the rename, so flags come last. A filesystem that cannot keep them had none to read.
    flags::add_to(dir, Path::new(name), metadata.flags).map(drop)
}

/// Makes `name` a symbolic link to `target`. It replaces a file or link of this name.
pub fn link(dir: &Dir, target: &str, name: &str) -> Result<()> {
    replace(dir, name, |temporary| dir.symlink(target, temporary))
}

/// Calls `make` to make something under a temporary name in `dir`, and renames it to `name`. A failure leaves nothing behind.
pub fn replace(dir: &Dir, name: &str, make: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let temporary = temporary_name(name);
    // A killed process may have left one behind.
    dir.remove_tree(&temporary)?;
    let mut undo = Undo::new();
    undo.push(format!("remove {}", dir.shown(&temporary).display()), || dir.remove_tree(&temporary));
    make(&temporary)?;
    dir.rename(&temporary, name)?;
    undo.commit();
    Ok(())
}

/// The temporary name of the next `name`. It is hidden, and always the same, so that the next call finds the debris of a killed process.
pub fn temporary_name(name: &str) -> String {
    format!(".{name}.new")
}

/// Exchanges two names in one step. Both names exist at every moment.
pub fn exchange(
    one_dir: &Dir,
    one: impl AsRef<Path>,
    other_dir: &Dir,
    other: impl AsRef<Path>,
) -> Result<()> {
    let (one, other) = (one.as_ref(), other.as_ref());
    change(format!("exchange {} with", one_dir.shown(one).display()), other_dir.shown(other), || {
        renameat_with(one_dir, one, other_dir, other, RenameFlags::EXCHANGE)
    })
}

/// Renames, and replaces nothing: it is an error if the new name exists.
pub fn rename_no_replace(
    from_dir: &Dir,
    from: impl AsRef<Path>,
    to_dir: &Dir,
    to: impl AsRef<Path>,
) -> Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    change(format!("rename {} to", from_dir.shown(from).display()), to_dir.shown(to), || {
        renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE)
    })
}

/// Waits until the file's content is on the disk.
pub fn sync(file: &File, shown: &Path) -> Result<()> {
    change("sync", shown, || file.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dir::MOST_TEXT;
    use crate::error::Error;

    #[test]
    fn a_failed_replacement_changes_nothing_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        write(&dir, "menu", 0o644, b"one").unwrap();
        let failed = replace(&dir, "menu", |temporary| {
            dir.write_new(temporary, 0o644, b"half")?;
            Err(Error::refused("no"))
        });
        assert!(failed.is_err());
        assert_eq!(dir.read("menu", MOST_TEXT).unwrap(), b"one");
        assert_eq!(dir.entries().unwrap().len(), 1);
    }

    #[test]
    fn a_link_in_the_place_of_the_temporary_file_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        dir.write_new("victim", 0o644, b"as it was").unwrap();
        let replaces: [&dyn Fn() -> Result<()>; 2] =
            [&|| write(&dir, "menu", 0o644, b"new"), &|| rewrite(&dir, "menu", 0o644, b"new")];
        for replaced in replaces {
            dir.symlink("victim", temporary_name("menu")).unwrap();
            replaced().unwrap();
            assert_eq!(dir.read("victim", MOST_TEXT).unwrap(), b"as it was");
            assert_eq!(dir.read("menu", MOST_TEXT).unwrap(), b"new");
            assert_eq!(dir.entries().unwrap().len(), 2);
        }
    }

    #[test]
    fn a_file_that_is_rewritten_keeps_what_belongs_to_it() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        write(&dir, "table", 0o664, b"one").unwrap();
        let metadata = || {
            let file = dir.file("table").unwrap();
            let inode = Inode::open(file.as_fd(), "table");
            inode.metadata(&inode.stat().unwrap()).unwrap()
        };
        let attribute = Inode::named(&dir, Path::new("table")).set_attribute(c"user.label", b"x");
        attribute.unwrap();
        let before = metadata();
        rewrite(&dir, "table", 0o600, b"two").unwrap();
        assert_eq!((metadata(), before.attributes.len()), (before.clone(), 1));
        assert_eq!(dir.read("table", MOST_TEXT).unwrap(), b"two");
        rewrite(&dir, "new", 0o640, b"three").unwrap();
        assert_eq!(dir.stat_of("new").unwrap().unwrap().st_mode & 0o7777, 0o640);
    }

    #[test]
    fn a_link_replaces_a_file_and_names_are_exchanged() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        write(&dir, "a", 0o644, b"one").unwrap();
        link(&dir, "elsewhere", "b").unwrap();
        exchange(&dir, "a", &dir, "b").unwrap();
        assert_eq!(dir.read_link("a").unwrap(), Path::new("elsewhere"));
        link(&dir, "target", "b").unwrap();
        assert_eq!(dir.read_link("b").unwrap(), Path::new("target"));
        assert!(rename_no_replace(&dir, "a", &dir, "b").is_err());
    }
}
