//! Versions in use: a process has one mounted, has its root or its directory in one, or runs a program of one.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use system::error::{Error, OrCannot, Result};
use system::mount::{self, MountId};
use system::mountinfo::{self, Mount};

use super::{Volume, subvolumes};
use crate::label::ExistingLabel;
use crate::layout;

/// The links in a process's directory below `/proc` that lead into what it uses, with the use in words.
const ROOT: (&str, &str) = ("root", "it is the root of");
const OTHERS: [(&str, &str); 2] =
    [("cwd", "it has the working directory of"), ("exe", "it has the program of")];

/// Fails if a process has a part of the version mounted, or has its root in it.
pub(super) fn refuse(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    refuse_mounts(volume, label, &shows_version)?;
    refuse_links(volume, label, &[ROOT])
}

/// Fails if a process uses the version in any way, or something is mounted in it, so that it cannot be deleted.
pub(super) fn refuse_any(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    refuse(volume, label)?;
    refuse_mounts(volume, label, &is_in_version)?;
    refuse_links(volume, label, &OTHERS)
}

/// A version as mount tables show it.
struct Mounted {
    /// The device number of the volume's filesystem.
    device: String,
    /// The path of the version on the filesystem.
    path: PathBuf,
}

/// Tells whether a mount, which is one of these, concerns the version.
type Concerns = dyn Fn(&Mounted, &Mount, &[Mount]) -> bool;

/// Whether a part of the version is mounted there.
fn shows_version(version: &Mounted, mount: &Mount, _: &[Mount]) -> bool {
    mount.kind == "btrfs" && mount.device == version.device && mount.root.starts_with(&version.path)
}

/// Whether something is mounted on a directory or file of the version, wherever the volume itself is mounted.
fn is_in_version(version: &Mounted, mount: &Mount, mounts: &[Mount]) -> bool {
    let parent = mounts.iter().find(|parent| parent.id == mount.parent);
    parent.filter(|parent| parent.device == version.device).is_some_and(|parent| {
        let inside = mount.target.strip_prefix(&parent.target);
        inside.is_ok_and(|inside| parent.root.join(inside).starts_with(&version.path))
    })
}

fn refuse_mounts(volume: &Volume, label: &ExistingLabel, concerns: &Concerns) -> Result<()> {
    let Some(device) = device_of(volume)? else { return Ok(()) };
    let version = Mounted { device, path: Path::new("/").join(layout::version(label)) };
    let mut seen = HashSet::new();
    for process in processes()? {
        // A process can end at any moment. Then it has nothing mounted.
        let Ok(namespace) = fs::read_link(process.join("ns/mnt")) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        let Ok(mounts) = fs::read(process.join("mountinfo")) else { continue };
        let mounts = mountinfo::parse(&mounts);
        if let Some(mount) = mounts.iter().find(|mount| concerns(&version, mount, &mounts)) {
            return Err(in_use(label, &process, &format!("mounted at {} for", mount.target.display())));
        }
    }
    Ok(())
}

/// Fails if one of these links of a process leads into a subvolume of the version. Each subvolume has its own device number, which is the
/// same through every mount of the volume. So the path at which the process has reached it does not matter.
fn refuse_links(volume: &Volume, label: &ExistingLabel, links: &[(&str, &str)]) -> Result<()> {
    let mut own = HashSet::new();
    for subvolume in subvolumes::of(volume, label)? {
        own.insert(subvolume.dir.stat()?.st_dev);
    }
    let this = Path::new("/proc").join(std::process::id().to_string());
    for process in processes()?.into_iter().filter(|process| *process != this) {
        for (link, words) in links {
            // A process that has ended, or is a part of the kernel, has no such link.
            if fs::metadata(process.join(link)).is_ok_and(|found| own.contains(&found.dev())) {
                return Err(in_use(label, &process, words));
            }
        }
    }
    Ok(())
}

fn in_use(label: &ExistingLabel, process: &Path, words: &str) -> Error {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let pid = process.file_name().unwrap_or_default().display().to_string();
    Error::refused(format!(
        "version {label} is in use: {words} {} (process {pid}); end that first",
        name.trim_end()
    ))
}

/// The device number of the volume's filesystem in mountinfo.
fn device_of(volume: &Volume) -> Result<Option<String>> {
    let id = mount::id(volume.top().as_fd(), &volume.top().shown(""))?;
    Ok(mount::own()?.into_iter().find(|mount| MountId(mount.id) == id).map(|mount| mount.device))
}

fn processes() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir("/proc").or_cannot("list", "/proc")?;
    let is_process = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
    };
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_process).collect())
}
