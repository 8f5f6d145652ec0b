//! Lays the layers of an OCI image over each other, which makes one tree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::stat::SFlag;
use system::dir::Dir;
use system::inode::{Inode, times};
use system::observer::Observer;
use system::remove;
use system::{Result, atomic};

use crate::oci;

/// The folder to which the layout is moved while the tree is made.
const ASIDE: &str = ".oci-layout";

/// In that folder: the folder into which each layer is unpacked.
const LAYER: &str = "layer";

/// In that folder: the folder that becomes the tree.
const TREE: &str = "tree";

/// The beginning of the name of a whiteout: a file that removes a name of the layers below.
const WHITEOUT: &str = ".wh.";

/// The file that removes everything in its folder that the layers below have.
const OPAQUE: &str = ".wh..wh..opq";

/// Turns the image layout in `output` into the tree of the image. `archive` is its source, for messages.
pub fn flatten(output: &Path, archive: &Path, observer: &dyn Observer) -> Result<()> {
    let place = Dir::open(output)?;
    let names = place.entries()?;
    let aside = place.ensure_dir(ASIDE, 0o700)?;
    for entry in names {
        atomic::rename_no_replace(&place, &entry.name, &aside, &entry.name)?;
    }
    let layout = output.join(ASIDE);
    let tree = aside.ensure_dir(TREE, 0o755)?;
    let layers = oci::layers(&layout, archive)?;
    for (index, layer) in layers.iter().enumerate() {
        observer.phase(format!("laying over layer {} of {}", index + 1, layers.len()));
        aside.remove_tree(LAYER)?;
        aside.make_dir(LAYER, 0o755)?;
        baserock_archive::unpack_file(layer, &aside.dir(LAYER)?, observer)?;
        lay_over(&aside.dir(LAYER)?, &tree)?;
    }
    for entry in tree.entries()? {
        atomic::rename_no_replace(&tree, &entry.name, &place, &entry.name)?;
    }
    copy_own_metadata(&tree, &place)?;
    place.remove_tree(ASIDE)
}

/// Moves the content of a folder of the layer into the folder of the tree, and copies the metadata of the folder.
fn lay_over(layer: &Dir, tree: &Dir) -> Result<()> {
    let entries = layer.entries()?;
    if entries.iter().any(|entry| entry.name == OPAQUE) {
        remove::below(tree)?;
    }
    for entry in &entries {
        let name = entry.name.as_os_str();
        if let Some(gone) = gone(name) {
            tree.remove_tree(gone)?;
        } else if name != OPAQUE && folder_at(layer, name)?.is_none() {
            tree.remove_tree(name)?;
            atomic::rename_no_replace(layer, name, tree, name)?;
        }
    }
    for entry in &entries {
        if let Some(from) = folder_at(layer, &entry.name)? {
            lay_over(&from, &folder(tree, &entry.name)?)?;
        }
    }
    copy_own_metadata(layer, tree)
}

fn copy_own_metadata(from: &Dir, to: &Dir) -> Result<()> {
    let source = Inode::named(from, Path::new(""));
    let stat = source.stat()?;
    Inode::named(to, Path::new("")).give(&source.metadata(&stat)?, times(&stat))
}

/// The folder of this name in the tree. Anything else with this name is replaced.
fn folder(tree: &Dir, name: &OsStr) -> Result<Dir> {
    if folder_at(tree, name)?.is_none() {
        tree.remove_tree(name)?;
    }
    tree.ensure_dir(name, 0o755)
}

/// The folder of this name; `None` if there is nothing, or something else.
fn folder_at(dir: &Dir, name: &OsStr) -> Result<Option<Dir>> {
    match dir.stat_of(name)? {
        Some(stat) if is_folder(stat.st_mode) => dir.dir(name).map(Some),
        _ => Ok(None),
    }
}

fn is_folder(mode: u32) -> bool {
    SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR
}

/// The name that a whiteout removes.
fn gone(name: &OsStr) -> Option<&OsStr> {
    let rest = name.as_encoded_bytes().strip_prefix(WHITEOUT.as_bytes())?;
    let plain = !rest.is_empty() && rest != b"." && rest != b".." && !rest.starts_with(WHITEOUT.as_bytes());
    plain.then(|| OsStr::from_bytes(rest))
}
