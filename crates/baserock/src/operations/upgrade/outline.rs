//! An outline of a tree that is not there: all names with their metadata and sizes, and the contents by which a merge of `/etc` and a search for
//! losses decide. It is in memory, so nothing is written to the volume.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use delta::apply::Apply;
use delta::entry::{Entry, Kind, as_path};
use delta::hash::Hash;
use delta::plan::Wanted;
use delta::{Manifest, Plan, Tree};
use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use system::copy::copy_data;
use system::dir::Dir;
use system::error::{Error, Result};
use system::inode::Inode;
use system::metadata::Flags;
use system::mount::PrivateMount;
use system::resolve::Links;
use system::signal;
use system::step::change;

use super::{Contents, Filling, staging};
use crate::meta;
use crate::operations::losses::packages::IN_TREE;
use crate::rootfs::databases::{DATABASES, Database};
use crate::rootfs::etc::staged::ETC;
use crate::volume::Volume;

/// An outline.
pub struct Outline {
    tree: Dir,
    _mount: PrivateMount,
}

/// Any number of names, and half of the memory.
const OPTIONS: &str = "mode=700,nr_inodes=0,size=50%";

impl Outline {
    /// The outline of the tree of this manifest. Contents come from the basis where it has them.
    pub fn new(
        volume: &Volume,
        basis: Tree<'_>,
        new: &Manifest,
        contents: &mut dyn Contents,
    ) -> Result<Self> {
        let mount = PrivateMount::new(Path::new("baserock-outline"), "tmpfs", MsFlags::empty(), OPTIONS)?;
        let tree = Dir::open(mount.path())?.shown_as("the new tree");
        let outlined = outlined(new)?;
        let root = Manifest::new(outlined.entries().iter().take(1).cloned().collect());
        let root = root.map_err(Error::refused)?;
        let plan = Plan::new(&root, &outlined);
        let parts_name = staging::parts_name([new, new]);
        let parts = tree.ensure_dir(&parts_name, 0o700)?;
        let have = bring(basis, &plan.wanted, &parts)?;
        let basis = Tree { dir: basis.dir, manifest: &root };
        let apply = Apply { plan: &plan, basis, new: &outlined, into: &tree };
        contents.fill(&Filling { volume: volume.top(), apply, parts: &parts, have: &have })?;
        drop(parts);
        tree.remove_tree(&parts_name)?;
        set_sizes(&tree, new, &outlined)?;
        Ok(Outline { tree, _mount: mount })
    }

    /// Its tree.
    pub fn tree(&self) -> &Dir {
        &self.tree
    }
}

/// The manifest with empty files in the place of those whose contents decide nothing. What a filesystem in memory cannot keep is left out: flags,
/// and attributes of users.
fn outlined(new: &Manifest) -> Result<Manifest> {
    let decisive: Vec<_> = DATABASES
        .iter()
        .map(Database::in_tree)
        .chain(IN_TREE.map(|(path, _)| path.into()))
        .chain([ETC.into(), meta::PATH.into()])
        .collect();
    let decides = |path: &[u8]| decisive.iter().any(|place| as_path(path).starts_with(place));
    let linked: HashSet<&[u8]> = new
        .entries()
        .iter()
        .filter_map(|entry| match &entry.kind {
            Kind::HardLink(first) if decides(&entry.path) => Some(&**first),
            _ => None,
        })
        .collect();
    let outline = |entry: &Entry| {
        let mut entry = entry.clone();
        entry.metadata.flags = Flags::default();
        entry.metadata.attributes.retain(|name, _| !name.starts_with(b"user."));
        if matches!(entry.kind, Kind::File { .. }) && !decides(&entry.path) && !linked.contains(&*entry.path)
        {
            entry.kind = Kind::File { size: 0, hash: Hash::of(&[]) };
        }
        entry
    };
    Manifest::new(new.entries().iter().map(outline).collect()).map_err(Error::refused)
}

/// Copies the contents that the basis has into the folder of contents.
fn bring(basis: Tree<'_>, wanted: &[Wanted], parts: &Dir) -> Result<HashMap<Hash, u64>> {
    let entries = basis.manifest.entries().iter();
    let there: HashMap<Hash, &Entry> = entries
        .filter_map(|entry| match entry.kind {
            Kind::File { hash, .. } => Some((hash, entry)),
            _ => None,
        })
        .collect();
    let (mut have, mut buffer) = (HashMap::new(), vec![0; 1 << 16]);
    for Wanted { size, hash, .. } in wanted.iter().filter(|wanted| wanted.size > 0) {
        let Some(entry) = there.get(hash) else { continue };
        signal::check()?;
        let (name, path) = (hash.to_string(), entry.path());
        let target = parts.create(&name, 0o600)?;
        let from = basis.dir.file(path)?;
        copy_data(&from, &basis.dir.shown(path), &target, &parts.shown(&name), *size, &mut buffer)?;
        have.insert(*hash, *size);
    }
    Ok(have)
}

/// Gives the empty files the sizes and times that the manifest says.
fn set_sizes(tree: &Dir, new: &Manifest, outlined: &Manifest) -> Result<()> {
    for (entry, outline) in new.entries().iter().zip(outlined.entries()) {
        let Kind::File { size, .. } = entry.kind else { continue };
        if entry.kind == outline.kind {
            continue;
        }
        signal::check()?;
        let path = entry.path();
        let file = File::from(tree.open_with(path, OFlag::O_WRONLY, 0, Links::Refuse)?);
        change("set the length of", tree.shown(path), || file.set_len(size))?;
        Inode::open(file.as_fd(), tree.shown(path)).set_times(entry.modified.into())?;
    }
    Ok(())
}
