//! An archive of an installed tree for systems other than Debian, and the checksums of all that is made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use super::Making;
use crate::build::Architecture;
use crate::root::{command, list, output, run};

/// Makes the archive. It is unpacked at the top of a root filesystem.
pub fn make(making: &Making, tree: &Path, architecture: &Architecture) -> Result<PathBuf> {
    settle(tree, making.epoch)?;
    let name = format!("baserock-{}-{}.tar", env!("CARGO_PKG_VERSION"), architecture.name);
    let archive = making.output.join(name);
    let owners = ["--sort=name", "--format=gnu", "--owner=root:0", "--group=root:0"];
    run(command("tar").args(owners).arg("-cf").arg(&archive).arg("-C").arg(tree).arg("usr"))?;
    // Without the name and the time.
    run(command("gzip").args(["-n", "--force", &format!("-{}", making.level)]).arg(&archive))?;
    Ok(archive.with_extension("tar.gz"))
}

/// Writes the checksums of files of the folder.
pub fn checksums(making: &Making, files: &[PathBuf]) -> Result<PathBuf> {
    let mut names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
    names.sort();
    let sums = output(command("sha256sum").args(names).current_dir(&making.output))?;
    let file = making.output.join("SHA256SUMS");
    fs::write(&file, sums).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Gives everything below a folder, and the folder, this time, and folders the usual mode, whatever the umask is.
pub fn settle(folder: &Path, epoch: u64) -> Result<()> {
    let context = || format!("cannot change {}", folder.display());
    for path in list(folder)? {
        let metadata = fs::symlink_metadata(&path).with_context(context)?;
        if metadata.is_dir() {
            settle(&path, epoch)?;
        } else {
            touch(&path, epoch)?;
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).with_context(context)?;
    touch(folder, epoch)
}

fn touch(path: &Path, epoch: u64) -> Result<()> {
    let time = TimeSpec::new(i64::try_from(epoch)?, 0);
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)
        .with_context(|| format!("cannot change the time of {}", path.display()))
}
