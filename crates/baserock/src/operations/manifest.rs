//! The manifest beside a complete tree. It is trusted only if the tree has not changed since.
//!
//! ```text
//! 8 bytes    "BRBOUND", and the version: 1
//! 16 bytes   UUID of the subvolume
//! 8 bytes    the transaction that last changed it (ctransid), little-endian
//!            the manifest (see `delta::format`)
//! ```

use std::io::Read;

use delta::codec::invalid;
use delta::scan::{ReadAll, scan};
use delta::{Manifest, format};
use system::atomic;
use system::btrfs::{self, Identity};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;

use crate::layout::MANIFEST;

const MAGIC: [u8; 8] = *b"BRBOUND\x01";

/// Commits the version's tree and writes its manifest beside it. The tree must never be written to again.
pub fn store(version: &Dir, tree: &Dir, manifest: &Manifest) -> Result<()> {
    btrfs::commit(tree)?;
    let mut bytes = head(&btrfs::identity(tree)?).to_vec();
    format::write(manifest, &mut bytes).or_cannot("write", version.shown(MANIFEST))?;
    atomic::write(version, MANIFEST, 0o600, &bytes)
}

/// A manifest that was found beside a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// Whether it describes the tree as it is now: the tree was not written to since, and not replaced by another.
    pub is_current: bool,
}

/// The manifest beside the version's tree, if it describes the tree as it is now. A damaged or unreadable manifest counts as missing.
pub fn load(version: &Dir, tree: &Dir) -> Result<Option<Manifest>> {
    match examine(version, tree) {
        Err(Error::Malformed { .. } | Error::Io { .. }) => Ok(None),
        found => Ok(found?.filter(|beside| beside.is_current).map(|beside| beside.manifest)),
    }
}

/// The manifest of the version's tree: the one beside it, or else one that is made now. A new one is stored only if there was none. One that
/// no longer describes the tree stays, because it shows what has changed.
pub fn load_or_make(version: &Dir, tree: &Dir, observer: &dyn Observer) -> Result<Manifest> {
    if let Some(manifest) = load(version, tree)? {
        return Ok(manifest);
    }
    let manifest = read(tree, observer)?;
    if !version.has(MANIFEST)? {
        store(version, tree, &manifest)?;
    }
    Ok(manifest)
}

/// Reads every byte of a tree, and makes its manifest.
pub fn read(tree: &Dir, observer: &dyn Observer) -> Result<Manifest> {
    observer.phase(format!("reading {}", tree.shown("").display()));
    scan(tree, &mut ReadAll, &|bytes| {
        observer.progress(bytes, None);
        Ok(())
    })
}

/// The manifest beside the version's tree, even if the tree has changed since; `None` if there is no manifest.
pub fn examine(version: &Dir, tree: &Dir) -> Result<Option<StoredManifest>> {
    if !version.has(MANIFEST)? {
        return Ok(None);
    }
    let shown = version.shown(MANIFEST);
    let mut file = version.file(MANIFEST)?;
    let mut found = [0; 32];
    let read = file.read_exact(&mut found).and_then(|()| {
        if found[..8] == MAGIC { format::read(file) } else { Err(invalid("not the manifest of a version")) }
    });
    let manifest = match read {
        // An error of the operating system concerns the disk, not the format.
        Err(error) if error.raw_os_error().is_some() => Err(error).or_cannot("read", shown)?,
        Err(error) => return Err(Error::malformed(shown, error.to_string())),
        Ok(manifest) => manifest,
    };
    Ok(Some(StoredManifest { manifest, is_current: found == head(&btrfs::identity(tree)?) }))
}

fn head(identity: &Identity) -> [u8; 32] {
    let mut head = [0; 32];
    head[..8].copy_from_slice(&MAGIC);
    head[8..24].copy_from_slice(&identity.uuid);
    head[24..].copy_from_slice(&identity.ctransid.to_le_bytes());
    head
}
