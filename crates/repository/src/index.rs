//! The index of a repository: what it has, and what each channel offers. It is the only file that changes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use baserock::ExistingLabel;
use baserock::json::Format;
pub use baserock::operations::trust::Digest;
use delta::hash::Hash;
use serde::{Deserialize, Serialize};

/// The name of its file.
pub const INDEX: &str = "index";
/// The folder of manifests, each named by its digest, and of their differences, each named by both digests.
pub const MANIFESTS: &str = "manifests";
/// The folder of packs, each named by its digest.
pub const PACKS: &str = "packs";
/// The folder of deltas, each named by the digests of the two manifests.
pub const DELTAS: &str = "deltas";

/// The index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The name of the repository, which no other has.
    pub repository: String,
    /// Rises with each change. A lower one than before is refused.
    pub serial: u64,
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// Until when it counts, in seconds since 1970.
    pub expires: u64,
    /// What each channel offers.
    pub channels: BTreeMap<String, Channel>,
    /// The versions, the oldest first.
    pub versions: Vec<Published>,
    /// The deltas between two versions.
    pub deltas: Vec<Delta>,
    /// The number of the last rotation of keys; 0 if there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rotations: u64,
}

impl Format for Index {}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The version that it offers.
    pub label: ExistingLabel,
    /// The share of machines that take it now, 0 to 100.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub percent: u8,
}

fn all() -> u8 {
    100
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_all(percent: &u8) -> bool {
    *percent >= 100
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its label.
    pub label: ExistingLabel,
    /// When it was published, in seconds since 1970.
    pub made: u64,
    /// Its manifest.
    pub manifest: ManifestFile,
    /// Bytes of its contents.
    pub bytes: u64,
    /// The packs that together have all its contents, the newest first.
    pub packs: Vec<BundleFile>,
    /// What a deployment takes: `KERNEL_ARGS` and others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deployment: BTreeMap<String, String>,
}

/// A file with a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The hash of the file.
    pub hash: Digest,
    /// Bytes.
    pub size: u64,
}

/// A file with units of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFile {
    /// The hash of its head, which has the hashes of all that follows.
    pub hash: Digest,
    /// Bytes of the head.
    pub head: u64,
    /// Bytes in all.
    pub size: u64,
}

impl BundleFile {
    /// The name in the repository, if it is a pack.
    pub fn of_pack(&self) -> String {
        format!("{PACKS}/{}", self.hash.0)
    }
}

impl ManifestFile {
    /// The name in the repository.
    pub fn name(&self) -> String {
        format!("{MANIFESTS}/{}", self.digest.0)
    }
}

/// What makes one version from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The digest of the manifest of the version that is there.
    pub from: Digest,
    /// The digest of the manifest of the version that is made.
    pub to: Digest,
    /// The manifest of the second version as its difference to that of the first.
    pub manifest: ManifestDifference,
    /// The file.
    #[serde(flatten)]
    pub file: BundleFile,
}

/// A file with the difference of two manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestDifference {
    /// The hash of the file.
    pub hash: Digest,
    /// Bytes.
    pub size: u64,
}

impl Delta {
    /// The name of the file in the repository.
    pub fn name(&self) -> String {
        format!("{DELTAS}/{}", self.own_name())
    }

    /// The name of the file with the difference of the manifests.
    pub fn manifest_name(&self) -> String {
        format!("{MANIFESTS}/{}", self.own_name())
    }

    /// The name of both files in their folders.
    pub fn own_name(&self) -> String {
        pair_name(self.from, self.to)
    }
}

/// How files are named that make one version from another.
pub fn pair_name(from: Digest, to: Digest) -> String {
    format!("{}-{}", from.0, to.0)
}

impl Index {
    /// The version with this label.
    pub fn version(&self, label: &ExistingLabel) -> Option<&Published> {
        self.versions.iter().find(|version| version.label == *label)
    }

    /// The delta that makes one tree from another.
    pub fn delta(&self, from: Hash, to: Hash) -> Option<&Delta> {
        self.deltas.iter().find(|delta| (delta.from, delta.to) == (Digest(from), Digest(to)))
    }
}

/// Seconds since 1970.
pub fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The moment that is so many seconds after the beginning of 1970.
pub fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.min(u64::from(u32::MAX) << 4))
}

#[cfg(test)]
mod tests {
    use baserock::json;

    use super::*;

    #[test]
    fn an_index_comes_back() {
        let digest = Digest(Hash::of(b"one"));
        let file = BundleFile { hash: digest, head: 10, size: 100 };
        let label: ExistingLabel = "v1".parse().unwrap();
        let index = Index {
            repository: "a".to_owned(),
            serial: 3,
            made: 100,
            expires: 200,
            channels: [("stable".to_owned(), Channel { label: label.clone(), percent: 20 })].into(),
            versions: vec![Published {
                label,
                made: 100,
                manifest: ManifestFile { digest, hash: digest, size: 7 },
                bytes: 9,
                packs: vec![file],
                deployment: [("KERNEL_ARGS".to_owned(), "quiet".to_owned())].into(),
            }],
            deltas: vec![Delta {
                from: digest,
                to: digest,
                manifest: ManifestDifference { hash: digest, size: 5 },
                file,
            }],
            rotations: 2,
        };
        assert_eq!(json::read::<Index>(&json::file(&index)).unwrap(), index);
    }
}
