//! `tar.write` and `tar.check`.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use baserock::extension::Environment;
use system::dir::Dir;
use system::observer::Observer;
use system::process::Program;
use system::{Error, Result, atomic, umask};

use crate::location::compression;

/// The options with which GNU tar keeps all metadata, and writes names always in the same order.
const FAITHFUL: [&str; 8] = [
    "--create",
    "--numeric-owner",
    "--acls",
    "--xattrs",
    "--xattrs-include=*",
    "--sparse",
    "--one-file-system",
    "--sort=name",
];

/// Refuses a location that cannot be written to, and an upgrade.
pub fn check(location: &Path, environment: &Environment) -> Result<()> {
    if environment.boolean("UPGRADE", false)? {
        return Err(Error::refused("an archive cannot be upgraded; deploy it anew, without UPGRADE"));
    }
    compression(location)?;
    if location.is_dir() {
        return Err(Error::refused(format!("{} is a folder; name a file", location.display())));
    }
    let folder = folder(location);
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::refused(format!("there is no folder {}; make it first", folder.display())))
}

/// Writes the tree to the location. An existing archive is replaced when the new one is complete and on the disk.
pub fn write(tree: &Path, location: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    check(location, environment)?;
    observer.phase(format!("writing {}", location.display()));
    let folder = Dir::open(folder(location))?;
    let name = location.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::refused(format!("{}: name it in UTF-8", location.display())))?;
    atomic::replace(&folder, name, |temporary| {
        // The file is new and open, so nobody who can write to the folder leads the archive elsewhere.
        let file = folder.create(temporary, umask::for_caller(0o644))?;
        archive(tree, location, &file)?;
        atomic::sync(&file, location)
    })
}

fn archive(tree: &Path, location: &Path, file: &File) -> Result<()> {
    let opened = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    Program::new("tar")
        .package("tar")
        .args(FAITHFUL)
        .args(compression(location)?)
        .arg("--file")
        .arg(opened)
        .arg("--directory")
        .arg(tree)
        .arg(".")
        .run()?;
    Ok(())
}

fn folder(location: &Path) -> &Path {
    match location.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
