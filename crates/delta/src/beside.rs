//! The manifest that stands beside a complete tree, and when to trust it.
//!
//! ```text
//! 8 bytes    "BRBOUND", and the version: 1
//! 16 bytes   UUID of the subvolume
//! 8 bytes    the transaction that last changed it (ctransid), little-endian
//!            the manifest (see `format`)
//! ```

use std::io::Read;

use baserock::atomic;
use baserock::btrfs::{self, Identity};
use baserock::dir::Dir;
use baserock::error::{OrCannot, Result};
use baserock::layout::MANIFEST;

use crate::format;
use crate::manifest::Manifest;

const MAGIC: [u8; 8] = *b"BRBOUND\x01";

/// Writes the manifest of the version's tree beside it. The tree is committed before, and never written to again.
pub fn store(version: &Dir, tree: &Dir, manifest: &Manifest) -> Result<()> {
    btrfs::commit(tree)?;
    let mut bytes = head(&btrfs::identity(tree)?).to_vec();
    format::write(manifest, &mut bytes).or_cannot("write", version.shown(MANIFEST))?;
    atomic::write(version, MANIFEST, 0o600, &bytes)
}

/// The manifest beside the version's tree, where it is of the tree as it is now. One that is damaged counts as none.
pub fn load(version: &Dir, tree: &Dir) -> Result<Option<Manifest>> {
    if !version.has(MANIFEST)? {
        return Ok(None);
    }
    let mut file = version.file(MANIFEST)?;
    let mut found = [0; 32];
    if file.read_exact(&mut found).is_err() || found != head(&btrfs::identity(tree)?) {
        return Ok(None);
    }
    Ok(format::read(file).ok())
}

fn head(identity: &Identity) -> [u8; 32] {
    let mut head = [0; 32];
    head[..8].copy_from_slice(&MAGIC);
    head[8..24].copy_from_slice(&identity.uuid);
    head[24..].copy_from_slice(&identity.ctransid.to_le_bytes());
    head
}
