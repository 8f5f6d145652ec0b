//! A repository whose index has arrived and is trusted.

use std::io;
use std::time::SystemTime;

use baserock::ExistingLabel;
use baserock::json;
use baserock_signatures::{SignedText, Signer};
use delta::{Manifest, format};
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;
use system::utc;

use super::seen::Seen;
use super::trust::Trust;
use crate::index::{
    Delta, Digest, INDEX, Index, ManifestDifference, ManifestFile, Published, moment, seconds,
};
use crate::location::Location;
use crate::publish::MOST_INDEX;
use crate::refusal::Refusal;
use crate::rotation::{Rotation, follow, number_of};

/// Bytes of a manifest's file at most.
const MOST_MANIFEST: u64 = 512 << 20;

/// Clocks differ by so many seconds.
const SLACK: u64 = 86_400;

/// A repository.
pub struct Remote<'a> {
    /// Where it is.
    pub location: &'a Location,
    /// Its index.
    pub index: Index,
    /// Who has signed the index.
    pub signers: Vec<Signer>,
    /// The keys that are trusted from now on, if they are others than before.
    pub rotation: Option<Rotation>,
    /// The file of the index, with its signatures.
    pub(super) file: String,
    pub(super) observer: &'a dyn Observer,
}

/// A version that a repository offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The version.
    pub version: Published,
    /// The share of machines that take it now, 0 to 100.
    pub percent: u8,
}

impl<'a> Remote<'a> {
    /// Fetches the index from the repository, or from the first mirror that has one that counts.
    pub fn open(
        location: &'a Location,
        trust: &Trust,
        seen: &Seen,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let mut fault: Option<Error> = None;
        for source in location.sources(INDEX) {
            let outcome = location.small(&source, MOST_INDEX).and_then(|bytes| {
                let shown = source.to_string();
                let read = |trust: &Trust| Read::new(&bytes, trust, seen, (location, &shown));
                let first = read(trust);
                if !is_behind(trust, &first) {
                    return Ok((first?, None));
                }
                match follow(location, trust)? {
                    None => Ok((first?, None)),
                    Some((rotation, trust)) => {
                        let read = read(&trust)?;
                        rotation.require_of(&read.index.repository)?;
                        Ok((read, Some(rotation)))
                    }
                }
            });
            match outcome {
                Ok((Read { index, signers, file }, rotation)) => {
                    return Ok(Remote { location, index, signers, rotation, file, observer });
                }
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => {
                    if let Some(fault) = fault.replace(error) {
                        observer.note(format!("{fault}; trying the next mirror"));
                    }
                }
            }
        }
        Err(fault.unwrap_or_else(|| Error::refused("no repository is named")))
    }

    /// The version with the label, or else what the channel offers.
    pub fn offer(&self, label: Option<&ExistingLabel>, channel: &str) -> Result<Offer> {
        let (repository, index) = (self.location.shown(), &self.index);
        let (label, percent) = match (label, index.channels.get(channel)) {
            (Some(label), _) => (label, 100),
            (None, Some(channel)) => (&channel.label, channel.percent),
            (None, None) => {
                let (channel, known) = (channel.to_owned(), index.channels.keys().cloned().collect());
                return Err(Refusal::NoChannel { repository, channel, known }.into());
            }
        };
        let missing = || {
            let known = index.versions.iter().map(|version| version.label.to_string()).collect();
            Error::from(Refusal::NoVersion { repository, label: label.clone(), known })
        };
        Ok(Offer { version: index.version(label).ok_or_else(missing)?.clone(), percent })
    }

    /// The manifest of a version, for whoever has the other one: as its difference to that, if there is one.
    pub fn manifest_from(&self, version: &Published, basis: &Manifest) -> Result<Manifest> {
        if let Some(delta) = self.index.delta(basis.digest(), version.manifest.digest.0) {
            match self.manifest_by(delta, basis) {
                Err(error) if !matches!(error, Error::Interrupted(_)) => {
                    self.observer.note(format!("{error}; fetching the whole manifest"));
                }
                outcome => return outcome,
            }
        }
        self.manifest(version)
    }

    /// The manifest of a version.
    pub fn manifest(&self, version: &Published) -> Result<Manifest> {
        let ManifestFile { digest, hash, size } = version.manifest;
        self.read_manifest(version.manifest.name(), (hash, size), digest, |bytes| format::read(bytes))
    }

    /// The manifest to which a delta leads.
    pub fn manifest_by(&self, delta: &Delta, basis: &Manifest) -> Result<Manifest> {
        let ManifestDifference { hash, size } = delta.manifest;
        self.read_manifest(delta.manifest_name(), (hash, size), delta.to, |bytes| {
            format::read_difference(bytes, basis)
        })
    }

    fn read_manifest(
        &self,
        name: String,
        (hash, size): (Digest, u64),
        digest: Digest,
        read: impl FnOnce(&[u8]) -> io::Result<Manifest>,
    ) -> Result<Manifest> {
        let file = format!("{}/{name}", self.location.shown());
        let altered = |what: &str| Refusal::Altered { file: file.clone(), what: what.to_owned() };
        if size > MOST_MANIFEST {
            return Err(altered("its size").into());
        }
        let bytes = self.location.whole(name, (hash.0, size), self.observer)?;
        let manifest = read(&bytes).or_cannot("understand", &file)?;
        if manifest.digest() == digest.0 { Ok(manifest) } else { Err(altered("its digest").into()) }
    }
}

/// An index that counts.
struct Read {
    index: Index,
    signers: Vec<Signer>,
    file: String,
}

impl Read {
    fn new(bytes: &[u8], trust: &Trust, seen: &Seen, (location, file): (&Location, &str)) -> Result<Self> {
        let text =
            str::from_utf8(bytes).map_err(|_| Error::malformed(file, "not the index of a repository"))?;
        let signed = SignedText::parse(text);
        // Nothing of it is read before its signature.
        let signers = trust.verify(&signed, file)?;
        let index: Index = json::read(signed.text.as_bytes())
            .map_err(|fault| Error::malformed(file, fault.in_a("the index of a repository")))?;
        if seen.is_another(&location.shown(), &index.repository) {
            return Err(Refusal::Another { repository: location.shown() }.into());
        }
        let known = seen.serial(&index.repository);
        if index.serial < known {
            return Err(Refusal::Older { file: file.to_owned(), found: index.serial, known }.into());
        }
        if !trust.allow_expired {
            in_time(&index, file, SystemTime::now())?;
        }
        Ok(Read { index, signers, file: text.to_owned() })
    }
}

/// Whether other keys may be trusted by now: a rotation is announced, or these keys have not signed.
fn is_behind(trust: &Trust, read: &Result<Read>) -> bool {
    match (&trust.keys, read) {
        (None, _) => false,
        (Some(keys), Ok(read)) => read.index.rotations > number_of(keys.text()),
        (_, Err(error)) => error.kind::<baserock_signatures::Refusal>().is_some(),
    }
}

fn in_time(index: &Index, file: &str, now: SystemTime) -> Result<()> {
    let (file, clock) = (file.to_owned(), utc::text(now));
    if seconds(now) > index.expires {
        return Err(Refusal::Expired { file, expires: utc::text(moment(index.expires)), now: clock }.into());
    }
    if seconds(now).saturating_add(SLACK) < index.made {
        return Err(Refusal::Clock { file, made: utc::text(moment(index.made)), now: clock }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_counts_from_its_making_to_its_end() {
        let index = Index { made: 1_000_000, expires: 2_000_000, ..Index::default() };
        let at = |seconds| in_time(&index, "index", moment(seconds)).map_err(|error| error.to_string());
        assert!(at(1_000_000).is_ok() && at(2_000_000).is_ok() && at(999_000).is_ok());
        assert!(at(2_000_001).unwrap_err().contains("has expired: it counts until 1970-01-24"));
        assert!(at(5).unwrap_err().contains("the clock says 1970-01-01T00:00:05Z"));
    }
}
