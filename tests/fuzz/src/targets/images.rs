//! Archives of images: their indexes and manifests are read without leaving their folder.

use std::path::Path;

use tar_extension::image::{Kind, Wish};
use tar_extension::layers::layers;

use crate::fence::Fence;
use crate::parts::choice;

/// A choice: the index of an OCI layout, or the manifest of an archive of `docker save`.
pub fn run(bytes: &[u8]) {
    let Some((kind, text)) = choice(bytes) else { return };
    let (kind, name) = if kind == b'O' { (Kind::Oci, "index.json") } else { (Kind::Docker, "manifest.json") };
    let fence = Fence::new();
    let folder = fence.inside("images");
    let written = folder.write_new(name, 0o600, text);
    written.and_then(|_| folder.write_new("c.json", 0o600, b"{}")).expect("files can be written");
    let archive = Path::new("a.tar");
    if let Err(error) = layers(&folder, kind, archive, &Wish::default()) {
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    fence.check();
}
