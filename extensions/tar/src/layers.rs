//! Lays the layers of an image over each other, which makes one tree.

use std::fs::File;
use std::path::Path;

use baserock_archive::Layers;
use system::dir::Dir;
use system::error::OrCannot;
use system::inode::{Inode, times};
use system::observer::Observer;
use system::{Error, Result, atomic};

use crate::image::{Kind, Wish};
use crate::{content, docker, oci};

/// The folder to which the layout is moved while the tree is made.
const ASIDE: &str = ".oci-layout";

/// In that folder: the folder that becomes the tree.
const TREE: &str = "tree";

/// The layers of the wanted image, the lowest first, with their files. Each was compared with its digest. It is an error if the wish fits
/// several images.
pub fn layers(folder: &Dir, kind: Kind, archive: &Path, wish: &Wish) -> Result<Vec<File>> {
    let mut images = match kind {
        Kind::Oci => oci::images(folder, archive, wish),
        Kind::Docker => docker::images(folder, archive, wish),
    }?;
    images.retain(|image| wish.names(image));
    images.sort_by(|one, other| one.id.cmp(&other.id));
    images.dedup_by(|one, other| one.id == other.id);
    match images.as_slice() {
        [image] => {
            let layers = image.layers.iter();
            layers.map(|layer| content::check(folder, &layer.path, &layer.content, archive)).collect()
        }
        [] => Err(Error::malformed(
            archive,
            format!("it has no image {wish}; IMAGE and PLATFORM (for example linux/arm64) choose another"),
        )),
        several => {
            let mut shown: Vec<String> = several.iter().take(8).map(ToString::to_string).collect();
            shown.sort_unstable();
            let shown = shown.join(", ");
            Err(Error::malformed(
                archive,
                format!("it has several images ({shown}); IMAGE or PLATFORM chooses one"),
            ))
        }
    }
}

/// Turns the archive of images in `output` into the tree of the wanted image. `archive` is its source, for messages.
pub fn flatten(output: &Dir, kind: Kind, archive: &Path, wish: &Wish, observer: &dyn Observer) -> Result<()> {
    let layers = layers(output, kind, archive, wish)?;
    let size = archive.metadata().or_cannot("examine", archive)?.len();
    let mut over = Layers::of(archive, size);
    let names = output.entries()?;
    let aside = output.ensure_dir(ASIDE, 0o700)?;
    for entry in names {
        atomic::rename_no_replace(output, &entry.name, &aside, &entry.name)?;
    }
    let tree = aside.ensure_dir(TREE, 0o755)?;
    let count = layers.len();
    for (index, layer) in layers.into_iter().enumerate() {
        observer.phase(format!("laying over layer {} of {count}", index + 1));
        over.lay(layer, &tree, observer)?;
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
