//! Publishes versions: adds files to a repository, and then writes its index anew. Until then a new version is invisible.

mod extract;
mod folder;
mod machine;
mod pack;
pub mod prune;
pub mod verify;

use std::cell::Cell;
use std::collections::BTreeMap;

use baserock::ExistingLabel;
use baserock::extension::Environment;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::plan::Wanted;
use delta::{Manifest, Plan, Tree, format};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;

pub(crate) use extract::numbers_of_units;
pub use machine::refuse as refuse_one_machine;

pub use folder::{Folder, MOST_INDEX, read_index};

use crate::bundle::Names;
use crate::bundle::make::Making;
use crate::index::{
    BundleFile, Channel, DELTAS, Delta, Digest, MANIFESTS, ManifestDifference, ManifestFile, PACKS,
    Published, pair_name,
};
use crate::refusal::Refusal;
use extract::Extracted;
use pack::Stored;

/// How a version is published.
#[derive(Clone, Debug)]
pub struct Publishing {
    /// Its label.
    pub label: ExistingLabel,
    /// The channel that offers it from now on.
    pub channel: Option<String>,
    /// From so many of the newest versions, a delta makes this one.
    pub deltas: usize,
    /// zstd's level for deltas.
    pub level: i32,
    /// What a deployment takes.
    pub deployment: BTreeMap<String, String>,
}

/// The variables of a deployment that a version brings to the machines.
const DEPLOYMENT: [&str; 5] =
    ["KERNEL_ARGS", "KERNEL_PATH", "INITRAMFS_PATH", "DTB_PATH", "BOOTLOADER_CONFIG_FORMAT"];

/// What the environment says of a deployment.
pub fn deployment(environment: &Environment) -> Result<BTreeMap<String, String>> {
    let mut deployment = BTreeMap::new();
    for name in DEPLOYMENT {
        if let Some(value) = environment.text(name)? {
            deployment.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(deployment)
}

/// zstd's level for packs.
const PACK_LEVEL: i32 = 12;

/// Adds the tree to the repository. The index has still to be written.
pub fn add(folder: &mut Folder, tree: &Dir, publishing: &Publishing, observer: &dyn Observer) -> Result<()> {
    let manifest = baserock::operations::manifest::read(tree, observer)?;
    let digest = Digest(manifest.digest());
    match folder.index.version(&publishing.label) {
        Some(there) if there.manifest.digest == digest => {
            observer.note(format!("{} has this version {} already", folder.shown(), publishing.label));
        }
        Some(_) => {
            let (repository, label) = (folder.shown(), publishing.label.clone());
            return Err(Refusal::Exists { repository, label }.into());
        }
        None => {
            let adding = Adding { folder, new: Tree { dir: tree, manifest: &manifest }, observer };
            let (version, deltas) = adding.version(publishing)?;
            folder.index.deltas.extend(deltas);
            folder.index.versions.push(version);
        }
    }
    if let Some(channel) = &publishing.channel {
        let offered = Channel { label: publishing.label.clone(), percent: 100 };
        folder.index.channels.insert(channel.clone(), offered);
    }
    Ok(())
}

/// A version that is being added.
struct Adding<'a> {
    folder: &'a Folder,
    new: Tree<'a>,
    observer: &'a dyn Observer,
}

impl Adding<'_> {
    fn version(&self, publishing: &Publishing) -> Result<(Published, Vec<Delta>)> {
        let digest = self.new.manifest.digest();
        // What the index names never changes, so it is not made again for the same tree under another label.
        let same =
            self.folder.index.versions.iter().find(|version| version.manifest.digest == Digest(digest));
        let manifest = same.map_or_else(|| self.manifest(digest), |same| Ok(same.manifest))?;
        let packs = same.map_or_else(|| self.packs(), |same| Ok(same.packs.clone()))?;
        let mut deltas: Vec<Delta> = Vec::new();
        let known = self.folder.index.versions.iter().rev();
        for from in known.filter(|from| from.manifest.digest != manifest.digest).take(publishing.deltas) {
            let is_made = |delta: &Delta| (delta.from, delta.to) == (from.manifest.digest, manifest.digest);
            if !self.folder.index.deltas.iter().chain(&deltas).any(is_made) {
                deltas.push(self.delta(from, publishing.level)?);
            }
        }
        let version = Published {
            label: publishing.label.clone(),
            made: self.folder.now(),
            manifest,
            bytes: self.new.manifest.bytes(),
            packs,
            deployment: publishing.deployment.clone(),
        };
        Ok((version, deltas))
    }

    fn manifest(&self, digest: Hash) -> Result<ManifestFile> {
        let bytes = format::to_bytes(self.new.manifest).or_cannot("describe", self.new.dir.shown(""))?;
        self.folder.write(MANIFESTS, &digest.to_string(), &[&bytes])?;
        Ok(ManifestFile { digest: Digest(digest), hash: Digest(Hash::of(&bytes)), size: bytes.len() as u64 })
    }

    /// Makes a pack of what no pack has, and of what is [scattered](pack::Stored). Returns the packs that the version needs, the newest first.
    fn packs(&self) -> Result<Vec<BundleFile>> {
        let wanted = Plan::new(&Manifest::default(), self.new.manifest).wanted;
        let mut stored = Stored::new(&wanted);
        for pack in self.folder.packs() {
            stored.add(pack, &self.folder.pack(pack, self.observer)?);
        }
        let groups = stored.to_pack(wanted);
        let mut packs = stored.packs;
        if groups.iter().any(|group| !group.is_empty()) {
            self.observer.phase("packing what is new".to_owned());
            let nothing = Manifest::default();
            let open_old = |_| Err(Error::refused("a pack compares with nothing"));
            let making = Making {
                new: self.new,
                old: &nothing,
                open_old: &open_old,
                names: Names::Hashes,
                level: PACK_LEVEL,
            };
            packs.insert(0, self.bundle(&making, &groups, PACKS, None)?);
        }
        Ok(packs)
    }

    /// Makes what makes the new version from an older one.
    fn delta(&self, from: &Published, level: i32) -> Result<Delta> {
        self.observer.phase(format!("comparing with {}", from.label));
        let old = self.folder.manifest(from, self.observer)?;
        let plan = Plan::new(&old, self.new.manifest);
        let predecessor = |wanted: &Wanted| match wanted.like?.of(&old).kind {
            Kind::File { hash, .. } => Some(hash),
            _ => None,
        };
        let needed = plan.wanted.iter().filter_map(predecessor).collect();
        let extracted = self.folder.extracting()?;
        let location = self.folder.location()?;
        let contents =
            Extracted::new(extracted.duplicate()?, &location, &from.packs, &old, needed, self.observer)?;
        let open_old = |hash| contents.open(hash);
        let making = Making {
            new: self.new,
            old: &old,
            open_old: &open_old,
            names: Names::Places(&old, self.new.manifest),
            level,
        };
        let (from, to) = (from.manifest.digest, Digest(self.new.manifest.digest()));
        let name = pair_name(from, to);
        let bytes = format::difference(self.new.manifest, &old).or_cannot("describe", "the tree")?;
        self.folder.write(MANIFESTS, &name, &[&bytes])?;
        let manifest = ManifestDifference { hash: Digest(Hash::of(&bytes)), size: bytes.len() as u64 };
        let file = self.bundle(&making, &[plan.wanted], DELTAS, Some(&name))?;
        self.folder.extracted()?;
        Ok(Delta { from, to, manifest, file })
    }

    fn bundle(
        &self,
        making: &Making<'_>,
        groups: &[Vec<Wanted>],
        folder: &str,
        name: Option<&str>,
    ) -> Result<BundleFile> {
        let total: u64 = groups.iter().flatten().map(|wanted| wanted.size).sum();
        let done = Cell::new(0);
        let report = |bytes| {
            done.set(done.get() + bytes);
            self.observer.progress(done.get(), Some(total));
        };
        let (answers, shown) = self.folder.scratch()?;
        let made = making.make(groups, (answers, &shown), &report)?;
        let hash = Hash::of(&made.head);
        let own = hash.to_string();
        self.folder.put(folder, name.unwrap_or(&own), &made)?;
        Ok(BundleFile { hash: Digest(hash), head: made.head.len() as u64, size: made.size })
    }
}
