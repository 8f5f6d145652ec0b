//! Versions in use: a process has one as its root or in another mount.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use system::error::{Error, OrCannot, Result};
use system::mount::{self, MountId};
use system::mountinfo::{self, Mount};

use super::Volume;
use crate::label::ExistingLabel;
use crate::layout;

/// Fails if a process has a part of the version mounted.
pub(super) fn refuse(volume: &Volume, label: &ExistingLabel) -> Result<()> {
    let Some(device) = device_of(volume)? else { return Ok(()) };
    let version = Path::new("/").join(layout::version(label));
    let uses =
        |mount: &Mount| mount.kind == "btrfs" && mount.device == device && mount.root.starts_with(&version);
    let mut seen = HashSet::new();
    for process in processes()? {
        // A process can end at any moment. Then it has nothing mounted.
        let Ok(namespace) = fs::read_link(process.join("ns/mnt")) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        let Ok(mounts) = fs::read(process.join("mountinfo")) else { continue };
        if let Some(mount) = mountinfo::parse(&mounts).iter().find(|mount| uses(mount)) {
            return Err(in_use(label, &process, mount));
        }
    }
    Ok(())
}

fn in_use(label: &ExistingLabel, process: &Path, mount: &Mount) -> Error {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let pid = process.file_name().unwrap_or_default().display().to_string();
    Error::refused(format!(
        "version {label} is in use: mounted at {} for {} (process {pid}); end that first",
        mount.target.display(),
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
