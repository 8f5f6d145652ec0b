//! The inputs of a build, as one hash.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use system::error::OrCannot;
use system::{Error, Result, file, signal};

use crate::artifacts;
use crate::definition::Build;
use crate::repository::Repository;

/// Bytes read at a time: 1 MiB.
const BUFFER: usize = 1 << 20;

/// The SHA-256, in hexadecimal, of the definition's `build`, the build extension, and all files that the build names. What else is in the
/// definition changes deployments and no artifact.
pub fn digest(build: &Build, extension: &Path, repository: &Repository) -> Result<String> {
    let mut inputs = vec![extension.to_owned()];
    inputs.extend(named(build, repository)?);
    let mut hasher = Sha256::new();
    for word in [&build.extension].into_iter().chain(&build.inputs) {
        frame(&mut hasher, word.as_bytes());
    }
    for (name, value) in build.parameters.iter() {
        frame(&mut hasher, name.as_bytes());
        frame(&mut hasher, value.as_bytes());
    }
    for input in inputs {
        add(&mut hasher, &input)?;
        // A named link stands for its target. A link inside a folder stands only for itself.
        let target = input.canonicalize().or_cannot("find", &input)?;
        if target != input {
            add(&mut hasher, &target)?;
        }
    }
    Ok(hasher.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// The files and folders that the build names: all of `inputs`, and the values of parameters that are paths of such.
fn named(build: &Build, repository: &Repository) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for input in &build.inputs {
        let path = repository.inside(Path::new(input))?;
        if !path.exists() {
            return Err(Error::refused(format!("the build's input {input} is not in the repository")));
        }
        paths.push(path);
    }
    for (_, value) in build.parameters.iter().filter(|(_, value)| !value.is_empty()) {
        let path = repository.root().join(value);
        if path.exists() {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Adds a file, or a folder with everything in it: names, kinds, permissions and content.
fn add(hasher: &mut Sha256, path: &Path) -> Result<()> {
    signal::check()?;
    let status = fs::symlink_metadata(path).or_cannot("look at", path)?;
    frame(hasher, path.as_os_str().as_bytes());
    frame(hasher, &status.permissions().mode().to_le_bytes());
    if status.is_symlink() {
        let target = fs::read_link(path).or_cannot("read the link", path)?;
        frame(hasher, target.as_os_str().as_bytes());
    } else if status.is_dir() {
        for entry in sorted(path)? {
            add(hasher, &entry)?;
        }
    } else if status.is_file() {
        hasher.update(status.len().to_le_bytes());
        add_content(hasher, path)?;
    }
    Ok(())
}

/// The entries of a folder, without those of git and without artifacts.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join(artifacts::RECORDS).exists() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).or_cannot("list", folder)? {
        paths.push(entry.or_cannot("list", folder)?.path());
    }
    paths.retain(|path| !path.ends_with(".git"));
    paths.sort();
    Ok(paths)
}

fn add_content(hasher: &mut Sha256, path: &Path) -> Result<()> {
    let mut file = file::open(path)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        signal::check()?;
        match file.read(&mut buffer).or_cannot("read", path)? {
            0 => return Ok(()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Adds bytes with their length in front, so that two sequences of byte strings never look the same.
fn frame(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
