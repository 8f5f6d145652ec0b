//! Lays the layers of an image over each other, which makes one tree.

use std::path::Path;

use system::dir::Dir;
use system::inode::{Inode, times};
use system::observer::Observer;
use system::{Result, atomic};

use crate::image::{self, Kind, Wish};

/// The folder to which the layout is moved while the tree is made.
const ASIDE: &str = ".oci-layout";

/// In that folder: the folder that becomes the tree.
const TREE: &str = "tree";

/// Turns the archive of images in `output` into the tree of the wanted image. `archive` is its source, for messages.
pub fn flatten(output: &Dir, kind: Kind, archive: &Path, wish: &Wish, observer: &dyn Observer) -> Result<()> {
    let layers = image::layers(output, kind, archive, wish)?;
    let names = output.entries()?;
    let aside = output.ensure_dir(ASIDE, 0o700)?;
    for entry in names {
        atomic::rename_no_replace(output, &entry.name, &aside, &entry.name)?;
    }
    let tree = aside.ensure_dir(TREE, 0o755)?;
    let count = layers.len();
    for (index, layer) in layers.into_iter().enumerate() {
        observer.phase(format!("laying over layer {} of {count}", index + 1));
        baserock_archive::unpack_layer(layer, archive, &tree, observer)?;
    }
    let top = Inode::named(&tree, Path::new(""));
    let stat = top.stat()?;
    let metadata = top.metadata(&stat)?;
    for entry in tree.entries()? {
        atomic::rename_no_replace(&tree, &entry.name, output, &entry.name)?;
    }
    output.remove_tree(ASIDE)?;
    Inode::named(output, Path::new("")).give(&metadata, times(&stat))
}
