//! A layer of an image: an archive that is laid over a tree. Files whose names begin with `.wh.` remove what the layers below have.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Seek;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};
use system::observer::Observer;
use system::remove;
use system::resolve::Links;

use crate::extract::{Below, Extractor};
use crate::name::Name;
use crate::tree::Tree;
use crate::{Options, Owners, each, tell};

/// The beginning of the name of a file that removes a name.
const WHITEOUT: &[u8] = b".wh.";

/// The beginning of names that belong to the filesystem that made the layer.
const OWN: &[u8] = b".wh..wh.";

/// The file that removes everything in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a member of a layer does.
enum Does {
    /// It is a file of the tree.
    Stays,
    /// It removes this name, or everything in the folder.
    Removes(Option<Vec<u8>>),
    /// It belongs to the filesystem that made the layer.
    Nothing,
}

/// Lays the layers of an image over each other.
///
/// One layer can be there many times, so what all of them unpack to together is limited like what one archive unpacks to.
pub struct Layers<'a> {
    archive: &'a Path,
    size: u64,
    unpacked: u64,
}

impl<'a> Layers<'a> {
    /// The layers of the image in this archive, which has `size` bytes. Its name is that of each layer in messages.
    pub fn of(archive: &'a Path, size: u64) -> Self {
        Layers { archive, size, unpacked: 0 }
    }

    /// Lays a layer over the tree in `dest`. The layer's content was compared with its checksum.
    ///
    /// What the layer removes goes first, so it never removes what the layer itself brings, whatever their order. Folders that the layer
    /// only goes through keep their metadata.
    pub fn lay(&mut self, layer: File, dest: &Dir, observer: &dyn Observer) -> Result<()> {
        let size = layer.metadata().or_cannot("examine", self.archive)?.len();
        let options = Options {
            source: self.archive,
            size: Some(size),
            owners: Owners::AsArchived,
            devices: true,
            most: None,
            strip: 0,
            whole: true,
            observer,
        };
        let arrived = make_room(&layer, dest, &options)?;
        self.unpacked = self.unpacked.saturating_add(arrived);
        options.grown(self.unpacked, self.size)?;
        unpack_layer(layer, dest, &options)
    }
}

/// Removes what the layer removes. Returns the bytes that the layer unpacks to, headers included.
fn make_room(layer: &File, dest: &Dir, options: &Options<'_>) -> Result<u64> {
    let silent = Options { observer: &system::observer::Silent, ..*options };
    let mut tree = Tree::new(dest.duplicate()?, Links::InRoot)?;
    let arrived = each(layer, &silent, |member, members| {
        if let Does::Removes(name) = does(&member.name).map_err(|reason| members.malformed(reason))? {
            remove(&mut tree, &member.name, name.as_deref())?;
        }
        if members.skip(member.stored)? { Ok(()) } else { Err(members.cut_short()) }
    })?;
    tree.restore_times()?;
    Ok(arrived)
}

fn unpack_layer(mut layer: File, dest: &Dir, options: &Options<'_>) -> Result<()> {
    layer.rewind().or_cannot("read", options.source)?;
    let mut extractor = Extractor::new(dest.duplicate()?, options, Below::Layers)?;
    each(&layer, options, |member, members| match does(&member.name) {
        Ok(Does::Stays) => extractor.add(member, members),
        _ if members.skip(member.stored)? => Ok(()),
        _ => Err(members.cut_short()),
    })?;
    tell(&extractor.finish()?, options.observer);
    Ok(())
}

/// Removes a name from the folder of the member, or everything in it. A folder that is not there has nothing to remove.
fn remove(tree: &mut Tree, member: &Name, name: Option<&[u8]>) -> Result<()> {
    let (folder, _) = member.split();
    let Some(dir) = if_exists(tree.open(folder, member))? else { return Ok(()) };
    tree.keep_times(&dir, folder)?;
    match name {
        None => remove::below(&dir).map(drop),
        Some(name) => dir.remove_tree(OsStr::from_bytes(name)),
    }
}

fn does(name: &Name) -> std::result::Result<Does, String> {
    let mut components = name.components().rev();
    let last = components.next().unwrap_or_default();
    if components.any(|folder| folder.starts_with(WHITEOUT)) {
        return Ok(Does::Nothing);
    }
    if last == OPAQUE {
        return Ok(Does::Removes(None));
    }
    match last.strip_prefix(WHITEOUT) {
        Some(_) if last.starts_with(OWN) => Ok(Does::Nothing),
        Some(b"" | b"." | b"..") => Err(format!("{name} removes no name of a file")),
        Some(gone) => Ok(Does::Removes(Some(gone.to_vec()))),
        None => Ok(Does::Stays),
    }
}
