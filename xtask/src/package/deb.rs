//! A Debian package, made by `dpkg-deb`.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::contents::{self, Entry};
use super::control::{Package, VERSION};
use super::{Making, archive};
use crate::build::Architecture;
use crate::root::{command, output, run};

/// The folder of what the package says of itself.
const DEBIAN: &str = "DEBIAN";
/// What is compressed: documents that others read.
const COMPRESSED: [&str; 3] = ["usr/share/man", "changelog", "changelog.Debian"];

/// Makes the package of what belongs to it in an installed tree.
pub fn make(making: &Making, tree: &Path, package: &Package, architecture: &Architecture) -> Result<PathBuf> {
    let stage = tempfile::tempdir().context("cannot create a temporary folder")?;
    let stage = stage.path();
    for entry in contents::of(tree, package.name)? {
        put(&entry, stage)?;
    }
    let mut sums = String::new();
    let mut size = 0;
    for file in contents::walk(stage)? {
        let metadata = fs::symlink_metadata(&file)?;
        // As `dpkg-gencontrol` counts: files in whole KiB, everything else as one.
        size += if metadata.is_file() { metadata.len().div_ceil(1024) } else { 1 };
        if metadata.is_file() {
            let sum = output(command("md5sum").arg(&file))?;
            let sum = sum.split_whitespace().next().unwrap_or_default();
            writeln!(sums, "{sum}  {}", file.strip_prefix(stage)?.display())?;
        }
    }
    let own = stage.join(DEBIAN);
    fs::create_dir(&own).with_context(|| format!("cannot create {}", own.display()))?;
    for (name, text) in [("control", package.control(architecture.debian, size)), ("md5sums", sums)] {
        fs::write(own.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    archive::settle(stage, making.epoch)?;
    let made = making.output.join(format!("{}_{VERSION}_{}.deb", package.name, architecture.debian));
    let level = format!("-z{}", making.level);
    let epoch = making.epoch.to_string();
    let mut build = command("dpkg-deb");
    build.env("SOURCE_DATE_EPOCH", epoch).args(["--root-owner-group", "-Zxz", &level, "--build"]);
    output(build.arg(stage).arg(&made))?;
    Ok(made)
}

/// Puts a file or link in its place in the package. Documents are compressed.
fn put(entry: &Entry, stage: &Path) -> Result<()> {
    let to = stage.join(&entry.place);
    let context = || format!("cannot pack {}", entry.file.display());
    fs::create_dir_all(to.parent().unwrap_or(stage)).with_context(context)?;
    let metadata = fs::symlink_metadata(&entry.file).with_context(context)?;
    let compressed = COMPRESSED.iter().any(|end| entry.place.starts_with(end) || entry.place.ends_with(end));
    let with_ending = |path: &Path| PathBuf::from(format!("{}.gz", path.display()));
    if metadata.is_symlink() {
        let target = fs::read_link(&entry.file).with_context(context)?;
        let (target, at) = if compressed { (with_ending(&target), with_ending(&to)) } else { (target, to) };
        return symlink(target, at).with_context(context);
    }
    fs::copy(&entry.file, &to).with_context(context)?;
    if compressed {
        // Without the name and the time.
        run(command("gzip").args(["-n9"]).arg(&to))?;
    } else {
        let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
        fs::set_permissions(&to, Permissions::from_mode(mode)).with_context(context)?;
    }
    Ok(())
}
