//! `tar.write` and `tar.check`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use baserock::extension::Environment;
use system::observer::Observer;
use system::process::Program;
use system::step::change;
use system::{Error, Result};

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
    let partial = partial(location);
    let written = archive(tree, location, &partial);
    if written.is_err() && partial.exists() {
        change("remove", &partial, || fs::remove_file(&partial))?;
    }
    written
}

fn archive(tree: &Path, location: &Path, partial: &Path) -> Result<()> {
    Program::new("tar")
        .package("tar")
        .args(FAITHFUL)
        .args(compression(location)?)
        .arg("--file")
        .arg(partial)
        .arg("--directory")
        .arg(tree)
        .arg(".")
        .run()?;
    change("sync", partial, || File::open(partial)?.sync_all())?;
    change("rename the archive to", location, || fs::rename(partial, location))
}

fn folder(location: &Path) -> &Path {
    match location.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The name of the archive while it is written, in the same folder.
fn partial(location: &Path) -> PathBuf {
    let name = location.file_name().unwrap_or_default().to_string_lossy();
    folder(location).join(format!(".{name}.partial"))
}
