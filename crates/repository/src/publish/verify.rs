//! Holds a repository against its index.

use std::path::Path;

use baserock::operations::trust::AllowedSigners;
use baserock_signatures::Signer;
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Observer;

use crate::bundle::Names;
use crate::bundle::take::Bundle;
use crate::fetch::{Remote, Seen, Trust};
use crate::index::BundleFile;
use crate::location::Location;
use crate::rotation;

/// A repository that is as its index says.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Who has signed the index; empty if nobody was asked for.
    pub signers: Vec<Signer>,
    /// Manifests, packs and deltas.
    pub files: usize,
}

/// Reads every file of the repository. The first one that is not as the index says is an error. With a file of allowed signers, one of them has
/// to have signed the index.
pub fn verify(folder: &Path, signers: Option<&Path>, observer: &dyn Observer) -> Result<Verified> {
    let location = Location::new([folder.as_os_str()], None)?;
    let keys = signers.map(|file| AllowedSigners::of(&Dir::open("/")?, Some(file))).transpose()?;
    let trust = Trust { keys, threshold: 1, allow_expired: true };
    let remote = Remote::open(&location, &trust, &Seen::default(), observer)?;
    let mut verified = Verified { signers: remote.signers.clone(), files: 0 };
    rotation::check(&location, remote.index.rotations)?;
    let mut manifests = Vec::new();
    for version in &remote.index.versions {
        observer.phase(format!("verifying {}", version.label));
        manifests.push((version.manifest.digest, remote.manifest(version)?));
        for pack in &version.packs {
            bundle(&location, pack.of_pack(), *pack, Names::Hashes, observer)?;
        }
        verified.files += 1 + version.packs.len();
    }
    for delta in &remote.index.deltas {
        let tree = |digest| manifests.iter().find(|(known, _)| *known == digest).map(|(_, tree)| tree);
        let Some((from, to)) = tree(delta.from).zip(tree(delta.to)) else {
            return Err(Error::refused(format!("{}: the index has no version for it", delta.name())));
        };
        remote.manifest_by(delta, from)?;
        bundle(&location, delta.name(), delta.file, Names::Places(from, to), observer)?;
        verified.files += 2;
    }
    Ok(verified)
}

fn bundle(
    location: &Location,
    name: String,
    known: BundleFile,
    names: Names<'_>,
    observer: &dyn Observer,
) -> Result<()> {
    let mut bundle = Bundle::open(location.file(name, observer), known, names)?;
    let all: Vec<usize> = (0..bundle.table.answers().count()).collect();
    bundle.each(&all, |_, _| Ok(true))
}
