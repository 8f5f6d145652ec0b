//! Whether a version counts: where the system requires signatures, only one for which enough trusted keys vouch.

mod keys;
mod provenance;
mod sign;
mod statement;

use std::path::Path;

use baserock_signatures::{Keyring, SignedText, Signer};
use delta::hash::Hash;
use system::dir::Dir;
use system::error::Result;
use system::observer::Observer;

pub use self::keys::{ALLOWED_SIGNERS, AllowedSigners};
pub use self::provenance::Provenance;
pub use self::sign::{require_key, sign, signing_key};
pub use self::statement::{Digest, MOST_STATEMENT, Statement};

use super::manifest;
use crate::label::ExistingLabel;
use crate::layout::{self, ORIG, RUN, SIGNED};
use crate::refusal::Refusal;
use crate::rootfs::settings::{SETTINGS, Settings};
use crate::volume::Volume;

/// Who vouches for a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Nobody: it has no signature.
    ByNobody,
    /// It has one that does not count here, for this reason.
    Unknown(String),
    /// It has one that counts, and belongs to another tree.
    ForAnother,
    /// These keys.
    By(Vec<Signer>),
}

/// The system whose settings and keys count for a volume: the running one, if the volume is its own, or else the default.
fn judge(volume: &Volume) -> Result<Option<Dir>> {
    if volume.running().is_some() {
        return Dir::open("/").map(Some);
    }
    let Some(default) = volume.survey()?.default else { return Ok(None) };
    let version = volume.top().dir_if_exists(layout::version(&default))?;
    Ok(version.map(|version| version.dir_if_exists(RUN)).transpose()?.flatten())
}

/// Fails if the system requires signatures, and too few of its keys have signed that the label belongs to this tree.
pub fn admit(volume: &Volume, label: &ExistingLabel, digest: Hash, signed: Option<&str>) -> Result<()> {
    let Some((judge, settings)) = requiring(volume)? else { return Ok(()) };
    let refused = |reason: String| {
        let settings = judge.shown(SETTINGS);
        Err(Refusal::NotVouched { label: label.clone(), reason, settings }.into())
    };
    let Some(signed) = signed else { return refused("is not signed".to_owned()) };
    let counts = AllowedSigners::of(&judge, None).and_then(|keys| {
        verify(signed, &keys.keyring()?, settings.signers, &format!("the signature of {label}"))
    });
    match counts {
        Err(error) => refused(format!("does not count ({error})")),
        Ok((statement, _)) if statement.is_about(Some(label), digest) => Ok(()),
        Ok(_) => refused("has the signature of another tree or label".to_owned()),
    }
}

/// Fails if the system requires signatures, and the one beside the version does not count.
pub fn admit_stored(volume: &Volume, label: &ExistingLabel, observer: &dyn Observer) -> Result<()> {
    if requiring(volume)?.is_none() {
        return Ok(());
    }
    let version = volume.version_dir(label)?;
    let orig = version.dir(ORIG)?;
    let digest = match manifest::load(&version, &orig)? {
        Some(manifest) => manifest.digest(),
        None => manifest::read(&orig, observer)?.digest(),
    };
    admit(volume, label, digest, stored(volume, label)?.as_deref())
}

/// Who vouches for the tree of this digest, which is that of the version. The label may be another than the one that was signed. A file of
/// allowed signers counts instead of the keys of the system.
pub fn vouched(
    volume: &Volume,
    label: &ExistingLabel,
    digest: Hash,
    signers: Option<&Path>,
) -> Result<Vouched> {
    let Some(signed) = stored(volume, label)? else { return Ok(Vouched::ByNobody) };
    let Some(judge) = judge(volume)? else {
        return Ok(Vouched::Unknown("there is no system whose keys count".to_owned()));
    };
    let verified = AllowedSigners::of(&judge, signers)
        .and_then(|keys| verify(&signed, &keys.keyring()?, 1, &format!("the signature of {label}")));
    Ok(match verified {
        Err(error) => Vouched::Unknown(error.to_string()),
        Ok((statement, signers)) if statement.is_about(None, digest) => Vouched::By(signers),
        Ok(_) => Vouched::ForAnother,
    })
}

/// What somebody has signed about a version, with the signatures; `None` if nobody has.
fn stored(volume: &Volume, label: &ExistingLabel) -> Result<Option<String>> {
    let bytes = volume.top().read_if_exists(layout::in_version(label, SIGNED), MOST_STATEMENT)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether the system requires signatures.
pub fn is_required(volume: &Volume) -> Result<bool> {
    Ok(requiring(volume)?.is_some())
}

/// The system that judges, and its settings, if it requires signatures.
fn requiring(volume: &Volume) -> Result<Option<(Dir, Settings)>> {
    let Some(judge) = judge(volume)? else { return Ok(None) };
    let settings = Settings::of(&judge)?;
    Ok(settings.require_signatures.then_some((judge, settings)))
}

fn verify(file: &str, keys: &Keyring, threshold: usize, shown: &str) -> Result<(Statement, Vec<Signer>)> {
    let signed = SignedText::parse(file);
    let signers = signed.verify(keys, threshold, shown)?;
    let statement = Statement::parse(signed.text);
    let malformed = || system::Error::malformed(Path::new(shown), "not a statement about a version");
    Ok((statement.ok_or_else(malformed)?, signers))
}
