//! Verifies that a version is the same as when it was made.

use std::path::Path;

use delta::Manifest;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::verify::verify as compare;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;
use system::signal;

use super::manifest;
use super::trust::{self, Vouched};
use crate::label::ExistingLabel;
use crate::layout::{self, ORIG};
use crate::refusal::Refusal;
use crate::volume::Volume;

/// The result of verifying a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// All differences. There are none if the version is intact.
    pub findings: Vec<Finding>,
    /// The size of the tree, if it has a manifest.
    pub size: Size,
    /// Who vouches for it, if it has a manifest.
    pub vouched: Option<Vouched>,
}

/// A difference between a version now and the same version when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is no manifest, so nothing can be compared.
    NoManifest,
    /// The version as a whole has a fault.
    Version(String),
    /// A path has changed, or cannot be read.
    Path {
        /// The path on the volume, with special characters escaped.
        path: String,
        /// The change, in words.
        change: String,
    },
}

/// The size of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Names.
    pub names: usize,
    /// Bytes of content.
    pub bytes: u64,
}

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// Reads every byte of the version's `orig` and of its boot files, and compares them with the manifest. A file that the disk cannot read is a
/// finding, too. An incomplete version is verified as far as possible. With a file of allowed signers, these vouch for it, and not those of the
/// system.
pub fn verify(
    volume: &Volume,
    label: &ExistingLabel,
    signers: Option<&Path>,
    observer: &dyn Observer,
) -> Result<Verified> {
    if !volume.top().has(layout::version(label))? {
        volume.require(label)?;
    }
    match look(volume, label, signers, observer) {
        // What the disk cannot read of this version must not keep the other versions from being verified.
        Err(error) if error.os_error().is_some() => {
            Ok(Verified { findings: vec![Finding::Version(error.to_string())], ..Verified::default() })
        }
        outcome => outcome,
    }
}

fn look(
    volume: &Volume,
    label: &ExistingLabel,
    signers: Option<&Path>,
    observer: &dyn Observer,
) -> Result<Verified> {
    let findings = volume.faults(label)?.into_iter().map(Finding::Version).collect();
    let mut verified = Verified { findings, ..Verified::default() };
    let version = volume.version_dir(label)?;
    let Some(orig) = version.dir_if_exists(ORIG)? else { return Ok(verified) };
    let beside = match manifest::examine(&version, &orig) {
        Ok(Some(beside)) => beside,
        Ok(None) => {
            verified.findings.push(Finding::NoManifest);
            return Ok(verified);
        }
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => {
            verified.findings.push(Finding::Version(error.to_string()));
            return Ok(verified);
        }
    };
    if !beside.is_current {
        let tree = orig.shown("").display().to_string();
        verified.findings.push(Finding::Version(format!(
            "{tree} was written to, or replaced, after its manifest was made"
        )));
    }
    verified.size = Size::of(&beside.manifest);
    let vouched = trust::vouched(volume, label, beside.manifest.digest(), signers)?;
    if vouched == Vouched::ForAnother {
        verified.findings.push(Finding::Version("its signature is that of another tree".to_owned()));
    }
    verified.vouched = Some(vouched);
    verified.findings.extend(tree(&orig, &beside.manifest, observer)?);
    verified.findings.extend(boot_files(volume, label, &beside.manifest)?);
    Ok(verified)
}

/// Makes the manifest of a complete version that has none. One that exists is never made anew: that would excuse what has happened since.
pub fn record(volume: &Volume, label: &ExistingLabel, observer: &dyn Observer) -> Result<Size> {
    volume.require(label)?;
    let version = volume.version_dir(label)?;
    let orig = version.dir(ORIG)?;
    if manifest::examine(&version, &orig)?.is_some() {
        return Err(Refusal::Recorded { label: label.clone() }.into());
    }
    if btrfs::access(&orig)? == Access::Writable {
        return Err(Error::refused(format!(
            "orig of version {label} is writable; what is written to after its manifest is made cannot be verified"
        )));
    }
    let made = manifest::read(&orig, observer)?;
    manifest::store(&version, &orig, &made)?;
    Ok(Size::of(&made))
}

impl Size {
    fn of(manifest: &Manifest) -> Self {
        Size { names: manifest.entries().len(), bytes: manifest.bytes() }
    }
}

fn tree(orig: &Dir, manifest: &Manifest, observer: &dyn Observer) -> Result<Vec<Finding>> {
    observer.phase(format!("reading {}", orig.shown("").display()));
    let total = manifest.bytes();
    let report = |bytes| {
        observer.progress(bytes, Some(total));
        Ok(())
    };
    let differences = compare(orig, manifest, &report)?;
    Ok(differences
        .iter()
        .map(|difference| found(&orig.shown(difference.path()), difference.to_string()))
        .collect())
}

/// Checks the files that boot loaders read. Each is a copy of a file of `orig`, so the manifest must have its hash.
fn boot_files(volume: &Volume, label: &ExistingLabel, manifest: &Manifest) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let dir = volume.boot().dir();
    for path in volume.boot().files(label)? {
        let shown = dir.shown(&path);
        match hash(dir, &path) {
            Ok(hash) if has(manifest, hash) => {}
            Ok(_) => findings.push(found(&shown, format!("content, no file of {ORIG} has it"))),
            Err(error) if error.os_error().is_some() => {
                findings.push(found(&shown, format!("cannot be read ({})", error.reason())));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

/// A name may contain a newline, and a finding is one line.
fn found(path: &Path, change: String) -> Finding {
    Finding::Path { path: path.display().to_string().escape_debug().to_string(), change }
}

fn hash(dir: &Dir, path: &Path) -> Result<Hash> {
    let (file, shown) = (dir.file(path)?, dir.shown(path));
    let size = file.metadata().or_cannot("examine", &shown)?.len();
    Hash::of_file(&file, size, &shown, &mut vec![0; BUFFER], &signal::check)
}

fn has(manifest: &Manifest, wanted: Hash) -> bool {
    manifest.entries().iter().any(|entry| matches!(entry.kind, Kind::File { hash, .. } if hash == wanted))
}
