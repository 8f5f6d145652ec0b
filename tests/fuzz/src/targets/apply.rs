//! Trees of hostile manifests on a disk: nothing outside the tree is touched, and the tree becomes what the manifest says.

use std::collections::BTreeMap;

use delta::apply::Apply;
use delta::entry::{Entry, Kind};
use delta::hash::Hash;
use delta::scan::{ReadAll, scan};
use delta::{Manifest, Plan, Tree};
use system::dir::Dir;
use system::error::Result;
use system::metadata::{Metadata, Time};

use crate::entries::{content, entries, with_contents};
use crate::fence::Fence;
use crate::parts::choice;

/// How many entries the basis has, the entries of the basis, those of the new tree.
pub fn run(bytes: &[u8]) {
    let Some((count, rest)) = choice(bytes) else { return };
    let (basis, rest) = entries(rest, count.into());
    let (new, _) = entries(rest, usize::MAX);
    let (Some(basis), Some(new)) = (with_contents(basis), with_contents(new)) else { return };
    let fence = Fence::new();
    // What cannot be made (a name of a device, an attribute) is an error, and then the rest is not looked at.
    let _refused = upgrade(&fence, &basis, &new);
    fence.check();
}

fn upgrade(fence: &Fence, basis: &Manifest, new: &Manifest) -> Result<()> {
    let [old, into] = [fence.inside("old"), fence.inside("new")];
    let empty_dir = fence.inside("empty");
    let empty = scan(&empty_dir, &mut ReadAll, &|_| Ok(()))?;
    let nothing = Tree { dir: &empty_dir, manifest: &empty };
    for tree in [&old, &into] {
        carry_out(&Plan::new(&empty, basis), nothing, basis, tree)?;
    }
    same(&into, basis)?;
    let tree = Tree { dir: &old, manifest: basis };
    carry_out(&Plan::new(basis, new), tree, new, &into)?;
    same(&into, new)
}

fn carry_out(plan: &Plan, basis: Tree<'_>, new: &Manifest, into: &Dir) -> Result<()> {
    let apply = Apply { plan, basis, new, into };
    apply.prepare()?;
    let mut placer = apply.placer();
    for wanted in &plan.wanted {
        let bytes =
            (0..=u8::MAX).map(|byte| content(wanted.size, byte)).find(|bytes| Hash::of(bytes) == wanted.hash);
        let bytes = bytes.expect("every content can be made");
        placer.place(wanted, |dir, name| dir.write_new(name, 0o600, &bytes).map(drop))?;
    }
    apply.finish().map(drop)
}

fn same(tree: &Dir, manifest: &Manifest) -> Result<()> {
    let found = scan(tree, &mut ReadAll, &|_| Ok(()))?;
    assert_eq!(told(&found), told(manifest), "left is the tree, right is the manifest");
    Ok(())
}

/// All names of a file, and what it is.
type Told<'a> = (Vec<&'a [u8]>, &'a Kind, Metadata, Time);

/// What the manifest says, however it says it: names of one file in a fixed order, each with what belongs to the file.
fn told(manifest: &Manifest) -> BTreeMap<&[u8], Told<'_>> {
    let first = |entry: &Entry| {
        if let Kind::HardLink(first) = &entry.kind { first.clone() } else { entry.path.clone() }
    };
    let by_path = manifest.by_path();
    let mut names: BTreeMap<Box<[u8]>, Vec<&[u8]>> = BTreeMap::new();
    for entry in manifest.entries() {
        names.entry(first(entry)).or_default().push(&entry.path);
    }
    for names in names.values_mut() {
        names.sort_unstable();
    }
    let told = manifest.entries().iter().map(|entry| {
        let first = first(entry);
        let file = &manifest.entries()[by_path[&*first]];
        let mut metadata = file.metadata.clone();
        if matches!(file.kind, Kind::Symlink(_)) {
            metadata.mode = 0o777;
        }
        (&*entry.path, (names[&first].clone(), &file.kind, metadata, file.modified))
    });
    told.collect()
}
