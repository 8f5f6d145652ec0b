//! Installs the files for boot loaders. They must be uncompressed and on the disk, which is checked before a menu names them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::unistd::syncfs;
use system::atomic;
use system::btrfs;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result, if_exists};
use system::inode;
use system::signal;
use system::step::change;
use system::sys;
use system::undo::{Undo, tidy};

use super::ballast;
use crate::label::ExistingLabel;
use crate::layout::{self, DTB, INITRAMFS, KERNEL, SYSTEMS};
use crate::rootfs::kernel::{BootFiles, DeviceTrees, Found, TreesDir};
use crate::volume::{BootPlace, Kind, Volume};

/// Bytes copied at a time.
const BUFFER: usize = 1 << 20;

/// Copies kernel, initramfs and device trees to the place where the boot loader looks. They are on the disk after the next commit. Only then
/// can [`check`] tell whether the boot loader can read them.
pub fn install(volume: &Volume, label: &ExistingLabel, files: &BootFiles) -> Result<()> {
    let boot = volume.boot().dir();
    let dir = boot.ensure_dir(SYSTEMS, 0o755)?.ensure_dir(label, 0o755)?;
    let dtb = match &files.dtb {
        Some(DeviceTrees::One(found)) => Some(found),
        Some(DeviceTrees::Directory(_)) | None => None,
    };
    let all = [(KERNEL, Some(&files.kernel)), (INITRAMFS, files.initramfs.as_ref()), (DTB, dtb)];
    for (name, found) in all.into_iter().filter_map(|(name, found)| Some((name, found?))) {
        atomic::replace(&dir, name, |temporary| begin_copy(found, &dir, temporary, volume.boot().kind()))?;
    }
    if let Some(DeviceTrees::Directory(trees)) = &files.dtb {
        atomic::replace(&dir, DTB, |temporary| {
            dir.make_dir(temporary, 0o755)?;
            copy_trees(trees, &dir.dir(temporary)?, volume.boot().kind())
        })?;
    }
    Ok(())
}

/// Copies the device trees to the directory `into`, with the directories in which they are.
fn copy_trees(trees: &TreesDir, into: &Dir, kind: Kind) -> Result<()> {
    for file in trees.files() {
        signal::check()?;
        let mut dir = into.duplicate()?;
        for name in file.parent().unwrap_or(Path::new("")) {
            dir = dir.ensure_dir(name, 0o755)?;
        }
        let name = Path::new(file.file_name().unwrap_or_default());
        begin_copy(&trees.open(file)?, &dir, name, kind)?;
    }
    Ok(())
}

/// Copies a file, and lets the disk begin to write it.
fn begin_copy(found: &Found, dir: &Dir, name: impl AsRef<Path>, kind: Kind) -> Result<()> {
    let file = copy(found, dir, name.as_ref(), kind)?;
    change("begin to write", dir.shown(name), || sys::fs::start_writing(file.as_fd()))
}

/// Fails if the boot loader cannot read one of the files that [`install`] made. They must have been committed.
pub fn check(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    let boot = volume.boot();
    for path in boot.files(label)? {
        check_plain(&boot.dir().file(&path)?, &boot.dir().shown(&path), boot.kind())?;
    }
    Ok(())
}

/// Copies one file to a directory of the boot place, for the boot loader.
pub fn put(boot: &BootPlace, dir: &Dir, name: &str, found: &Found) -> Result<()> {
    atomic::replace(dir, name, |temporary| {
        finish(&copy(found, dir, temporary.as_ref(), boot.kind())?, &dir.shown(temporary), boot.kind())
    })
}

/// Gives a version the boot files of another one. On filesystems that can, these are the same files.
pub fn duplicate(volume: &Volume, from: &ExistingLabel, to: &ExistingLabel) -> Result<()> {
    let (boot, source) = (volume.boot(), layout::version(from));
    let target = boot.dir().ensure_dir(SYSTEMS, 0o755)?.ensure_dir(to, 0o755)?;
    for path in boot.files(from)? {
        signal::check()?;
        if boot.dir().stat_beneath(&path)?.is_some_and(|stat| inode::is_directory(&stat)) {
            continue;
        }
        let inner = path.strip_prefix(&source).unwrap_or(&path);
        let mut dir = target.duplicate()?;
        for name in inner.parent().unwrap_or(Path::new("")) {
            dir = dir.ensure_dir(name, 0o755)?;
        }
        if boot.kind() == Kind::Fat && boot.mirror().is_none() {
            let (file, shown) = (boot.dir().file(&path)?, boot.dir().shown(&path));
            let name = Path::new(inner.file_name().unwrap_or_default());
            begin_copy(&Found { path: path.clone(), shown, file }, &dir, name, boot.kind())?;
        } else {
            boot.dir().hard_link(&path, layout::version(to).join(inner))?;
        }
    }
    Ok(())
}

/// Removes the files that [`install`] made. Some or all may be missing.
pub fn uninstall(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    let Some(dir) = volume.boot().dir().dir_if_exists(layout::version(label))? else { return Ok(()) };
    for name in [KERNEL, INITRAMFS, DTB] {
        dir.remove_tree(atomic::temporary_name(name))?;
        dir.remove_tree(name)?;
    }
    if volume.boot().kind() == Kind::Volume {
        return Ok(());
    }
    drop(dir);
    volume.boot().dir().remove_dir(layout::version(label))?;
    commit(volume.boot())
}

/// Replaces the menu. The boot loader sees the whole old one or the whole new one.
pub fn write_menu(volume: &Volume, text: &str) -> Result<()> {
    let boot = volume.boot();
    let dir = boot.dir().ensure_dir(layout::MENU_DIR, 0o755)?;
    ballast::with_release(volume, || {
        switch(boot, &dir, |temporary| {
            let file = dir.create(temporary, 0o644)?;
            write_plain(&file, text.as_bytes(), &dir.shown(layout::MENU), boot.kind())
        })
    })?;
    link_menu(boot)
}

/// Writes the menu of a trial, which is in force once the boot loader is told of it.
pub fn write_trial_menu(volume: &Volume, text: &str) -> Result<()> {
    let boot = volume.boot();
    let dir = boot.dir().ensure_dir(layout::MENU_DIR, 0o755)?;
    atomic::replace(&dir, layout::TRIAL_MENU, |temporary| {
        let file = dir.create(temporary, 0o644)?;
        write_plain(&file, text.as_bytes(), &dir.shown(layout::TRIAL_MENU), boot.kind())
    })?;
    commit(boot)
}

/// Removes the menu of a trial, if there is one.
pub fn remove_trial_menu(volume: &Volume) -> Result<()> {
    let boot = volume.boot();
    match boot.dir().dir_if_exists(layout::MENU_DIR)? {
        Some(dir) if dir.has(layout::TRIAL_MENU)? => {
            dir.remove_file(layout::TRIAL_MENU)?;
            commit(boot)
        }
        _ => Ok(()),
    }
}

/// Calls `make` to make the menu, or the link to it, and replaces the one in `dir` by it. The change is on the disk afterwards.
///
/// A filesystem with a journal copies blocks from the journal to their places one by one, and a boot loader sees only those that have
/// arrived. So the new file is at its place before the directory names it, and the old file stays until the directory no longer names
/// it. Only a block of the directory changes in between.
fn switch(boot: &BootPlace, dir: &Dir, make: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    if boot.kind() != Kind::Separate || !dir.has(layout::MENU)? {
        atomic::replace(dir, layout::MENU, make)?;
        return commit(boot);
    }
    let temporary = atomic::temporary_name(layout::MENU);
    dir.remove_tree(&temporary)?;
    let mut undo = Undo::new();
    undo.push(format!("remove {}", dir.shown(&temporary).display()), || dir.remove_tree(&temporary));
    make(&temporary)?;
    commit(boot)?;
    atomic::exchange(dir, &temporary, dir, layout::MENU)?;
    commit(boot)?;
    undo.commit();
    // The new menu is in force now, even if the old one cannot be removed.
    tidy(dir.remove_tree(&temporary));
    Ok(())
}

/// Makes `/extlinux.conf`, where syslinux looks, a link to the menu. The original tools leave a file there. It is replaced only now that
/// the menu has taken over its content.
fn link_menu(boot: &BootPlace) -> Result<()> {
    let target = format!("{}/{}", layout::MENU_DIR, layout::MENU);
    if boot.kind() == Kind::Fat {
        return Ok(());
    }
    let there = if_exists(boot.dir().read_link(layout::MENU));
    if there.is_ok_and(|link| link.as_deref() == Some(Path::new(&target))) {
        return Ok(());
    }
    switch(boot, boot.dir(), |temporary| boot.dir().symlink(&target, temporary))
}

/// Commits the boot filesystem, then the volume: a version must not be on the disk before its boot files.
pub fn commit_all(volume: &Volume) -> Result<()> {
    if volume.boot().kind() != Kind::Volume {
        commit(volume.boot())?;
    }
    btrfs::commit(volume.top())
}

/// Refuses a label that differs from another only in case if the boot files are on FAT, where both would be one name.
pub fn refuse_case_clash(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    if volume.boot().kind() != Kind::Fat {
        return Ok(());
    }
    let clash = |other: &ExistingLabel| other != label && other.as_str().eq_ignore_ascii_case(label.as_str());
    match volume.versions()?.into_iter().map(|version| version.label).find(clash) {
        Some(other) => Err(Error::refused(format!(
            "version {label} differs from {other} only in upper and lower case, which /boot (FAT) cannot tell apart; \
             choose another label"
        ))),
        None => Ok(()),
    }
}

/// Writes everything to the disk in a form that needs no log, because boot loaders do not replay logs.
pub fn commit(boot: &BootPlace) -> Result<()> {
    let dir = boot.dir();
    if let Some(mirror) = boot.mirror() {
        return mirror.push();
    }
    match boot.kind() {
        Kind::Volume if btrfs::is_btrfs(dir)? => btrfs::commit(dir),
        Kind::Fat | Kind::Volume => change("sync", dir.shown(""), || syncfs(dir)),
        Kind::Separate => {
            change("sync", dir.shown(""), || syncfs(dir))?;
            // Freezing writes the journal's content to its place. The filesystem must not stay frozen if a step fails, so both are one step.
            change("freeze and thaw", dir.shown(""), || {
                sys::fs::freeze(dir.as_fd())?;
                sys::fs::thaw(dir.as_fd())
            })
        }
    }
}

fn copy(found: &Found, dir: &Dir, name: &Path, kind: Kind) -> Result<File> {
    let shown = dir.shown(name);
    let target = dir.create(name, 0o644)?;
    let mut source = &found.file;
    source.seek(SeekFrom::Start(0)).or_cannot("read", &found.shown)?;
    let size = source.metadata().or_cannot("examine", &found.shown)?.len();
    reserve(&target, size, &shown, kind)?;
    let mut buffer = vec![0; BUFFER];
    let mut copied = 0;
    loop {
        let count = source.read(&mut buffer).or_cannot("read", &found.shown)?;
        if count == 0 {
            break;
        }
        change("write", &shown, || target.write_all_at(&buffer[..count], copied))?;
        copied += count as u64;
    }
    if copied != size {
        return Err(Error::refused(format!(
            "{} changed while it was being copied; try again",
            found.shown.display()
        )));
    }
    Ok(target)
}

fn write_plain(mut file: &File, content: &[u8], shown: &Path, kind: Kind) -> Result<()> {
    reserve(file, content.len() as u64, shown, kind)?;
    change("write", shown, || std::io::Write::write_all(&mut file, content))?;
    finish(file, shown, kind)
}

/// Reserves space for the file. btrfs never compresses extents that were reserved before they are written.
fn reserve(file: &File, size: u64, shown: &Path, kind: Kind) -> Result<()> {
    if size == 0 || kind == Kind::Fat {
        return Ok(());
    }
    change("reserve space for", shown, || {
        match fallocate(file, FallocateFlags::empty(), 0, size.cast_signed()) {
            Err(nix::Error::EOPNOTSUPP) => Ok(()),
            outcome => outcome,
        }
    })
}

/// Syncs the file, and checks that a boot loader that knows no compression can read it.
fn finish(file: &File, shown: &Path, kind: Kind) -> Result<()> {
    atomic::sync(file, shown)?;
    check_plain(file, shown, kind)
}

fn check_plain(file: &File, shown: &Path, kind: Kind) -> Result<()> {
    if kind != Kind::Volume || !btrfs::has_encoded_extents(file.as_fd(), shown)? {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} was stored compressed, which boot loaders cannot read; mount the volume without compress-force",
        shown.display()
    )))
}
