//! Conflicts: changes that did not merge, their files `FILE.orig` and `FILE.rej`, and open conflicts of earlier merges.

use system::error::Result;
use system::metadata::{Metadata, is_acl};

use super::path::EtcPath;
use super::record::{Conflict, Record};
use super::reject::{texts, unified_diff};
use super::tree::{Kind, Node, Tree};
use super::whole::is_read_whole;

/// The longest file name, in bytes.
const LONGEST_NAME: usize = 255;

/// A change of the user that is not in the result.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The old version's node.
    pub v1: Option<Node>,
    /// The user's node.
    pub user: Node,
    /// The new version's node, which is the result.
    pub v2: Node,
}

impl Rejected {
    /// The nodes of `FILE.orig` and `FILE.rej`.
    pub fn files(&self, path: &EtcPath) -> Result<(Node, Node)> {
        let mode = self.v2.meta.mode & self.user.meta.mode & 0o777;
        let beside = |kind: Kind| {
            let mut meta = self.v2.meta.clone();
            meta.set_mode(if is_link(&kind) { 0o777 } else { mode_for(&self.v2, &self.user, mode) });
            Node { kind, meta, modified: self.user.modified }
        };
        let mut rej = beside(self.change(path)?);
        if !reads_alike(&self.v2.meta, &self.user.meta) {
            hide(&mut rej);
        }
        Ok((beside(self.v2.kind.clone()), rej))
    }

    /// The change as a diff, or the user's whole node if there are no two texts to compare.
    fn change(&self, path: &EtcPath) -> Result<Kind> {
        let before = self.v1.as_ref().and_then(Node::content);
        if let (Some(before), Some(after)) = (before, self.user.content())
            && let Some([before, after]) = texts([before, after])?.as_deref()
            && let Some(diff) = unified_diff(path, before, after)
        {
            return Ok(Kind::File(diff.into()));
        }
        Ok(self.user.kind.clone())
    }
}

fn is_link(kind: &Kind) -> bool {
    matches!(kind, Kind::Symlink(_))
}

/// Whether both name the same owner, group, and users and groups in ACLs, so that of both files the one with the narrower mode is the one that
/// fewer can read.
fn reads_alike(one: &Metadata, other: &Metadata) -> bool {
    (one.uid, one.gid) == (other.uid, other.gid) && one.acls().eq(other.acls())
}

/// Leaves a file to root alone.
fn hide(node: &mut Node) {
    node.meta.attributes.retain(|name, _| !is_acl(name));
    (node.meta.uid, node.meta.gid) = (0, 0);
    if !is_link(&node.kind) {
        node.meta.mode = 0o600;
    }
}

/// The mode for `.orig` and `.rej`. `both` is the narrower of both modes. If one node is a link, only the other mode counts, because the
/// mode of a link means nothing.
fn mode_for(v2: &Node, user: &Node, both: u32) -> u32 {
    match (&v2.kind, &user.kind) {
        (Kind::Symlink(_), _) => user.meta.mode & 0o600,
        (_, Kind::Symlink(_)) => v2.meta.mode & 0o777,
        _ => both,
    }
}

/// A conflict of an earlier merge that nobody has resolved.
#[derive(Debug)]
pub struct Carried {
    path: EtcPath,
    orig: Option<Node>,
    rej: Node,
    rej_path: EtcPath,
}

impl Carried {
    /// The path that both sides changed.
    pub fn path(&self) -> &EtcPath {
        &self.path
    }
}

/// Removes the files of the earlier merge from the user's tree, and returns the conflicts that are still open.
///
/// A conflict is resolved once its `.rej` is gone. If somebody has changed a `.orig`, it belongs to the user now and stays in the tree.
pub fn take_tool_files(user: &mut Tree, earlier: &Record) -> Vec<Carried> {
    let mut carried = Vec::new();
    for conflict in &earlier.conflicts {
        let orig = conflict.orig.as_ref().filter(|path| earlier.made(path, user.get(path)));
        let orig = orig.and_then(|path| user.remove(path));
        if let Some(rej) = user.remove(&conflict.rej) {
            let (path, rej_path) = (conflict.path.clone(), conflict.rej.clone());
            carried.push(Carried { path, orig, rej, rej_path });
        }
    }
    let own = EtcPath::from(OWN);
    let folders: Vec<_> = [&own].into_iter().chain(user.below(&own).map(|(path, _)| path)).cloned().collect();
    for folder in folders.iter().rev() {
        if user.get(folder).is_some_and(Node::is_dir) && !user.has_below(folder) {
            user.remove(folder);
        }
    }
    carried
}

/// Puts the files of an open conflict of an earlier merge into the result again. `.orig` becomes a copy of the new version's file.
pub fn carry(carried: Carried, v2: Option<&Node>, place: &mut Places<'_>) -> Conflict {
    let Carried { path, orig, mut rej, rej_path } = carried;
    let v2 = v2.filter(|node| !node.is_dir());
    if let Some(v2) = v2 {
        rej.meta.set_mode(mode_for(v2, &rej, rej.meta.mode & v2.meta.mode & 0o777));
    }
    let orig = v2.cloned().map(|v2| narrowed(v2, &rej)).or(orig);
    let names = place.names_of(&path, &rej_path).unwrap_or_else(|| place.free_names(&path));
    place.put_as(&path, names, orig, rej)
}

fn narrowed(mut orig: Node, rej: &Node) -> Node {
    if !is_link(&orig.kind) {
        orig.meta.set_mode(mode_for(&orig, rej, orig.meta.mode & rej.meta.mode & 0o777));
    }
    orig
}

/// The folder of the tools in `etc`, which belongs to root alone.
const OWN: &str = ".baserock";
/// The folder for `.orig` and `.rej` of paths in folders that are read whole.
const ASIDE: &str = ".baserock/conflicts";

/// The places for `.orig` and `.rej`. They never replace another file.
pub struct Places<'a> {
    /// The result so far.
    pub result: &'a mut Tree,
    /// The user's tree. Its names must not be used.
    pub user: &'a Tree,
    /// The new version's tree. Its names must not be used.
    pub v2: &'a Tree,
}

impl Places<'_> {
    /// Puts both files into the folder for `path`, under free names.
    pub fn put(&mut self, path: &EtcPath, orig: Option<Node>, rej: Node) -> Conflict {
        let names = self.free_names(path);
        self.put_as(path, names, orig, rej)
    }

    fn put_as(&mut self, path: &EtcPath, names: [EtcPath; 2], orig: Option<Node>, mut rej: Node) -> Conflict {
        let [orig_path, rej_path] = names;
        for folder in folders(&rej_path).filter(|folder| folder.is_within(&EtcPath::from(OWN))) {
            self.result.insert(folder, Node::new(Kind::Dir, 0o700));
        }
        if self.opens(&rej_path) {
            hide(&mut rej);
        }
        let orig = orig.map(|node| {
            self.result.insert(orig_path.clone(), node);
            orig_path
        });
        self.result.insert(rej_path.clone(), rej);
        Conflict { path: path.clone(), orig, rej: rej_path }
    }

    /// Whether a folder above the path may let somebody in whom the user's does not.
    fn opens(&self, path: &EtcPath) -> bool {
        folders(path).any(|folder| {
            let metas = [self.user, &*self.result].map(|tree| tree.get(&folder).map(|node| &node.meta));
            let [Some(user), Some(result)] = metas else { return false };
            user.mode != result.mode || !reads_alike(user, result)
        })
    }

    /// The names from an earlier merge, if they are still free and in the right folder.
    fn names_of(&self, path: &EtcPath, rej: &EtcPath) -> Option<[EtcPath; 2]> {
        let folder = rej.parent().filter(|folder| *folder == self.folder(path))?;
        let stem = rej.name().strip_suffix(b".rej")?;
        let names = [folder.join(&[stem, b".orig"].concat()), rej.clone()];
        (!names.iter().any(|name| self.is_taken(name))).then_some(names)
    }

    /// The first free names: `FILE.orig` and `FILE.rej`, else `FILE.1.orig` and `FILE.1.rej`, and so on. The endings stay last, because
    /// many programs ignore files with these endings.
    fn free_names(&self, path: &EtcPath) -> [EtcPath; 2] {
        let folder = self.folder(path);
        let mut number = 0;
        loop {
            let names = [".orig", ".rej"].map(|ending| in_folder(&folder, path, number, ending));
            if !names.iter().any(|name| self.is_taken(name)) {
                return names;
            }
            number += 1;
        }
    }

    /// The folder for `.orig` and `.rej`: the file's own, or one where no program takes them for configuration.
    fn folder(&self, path: &EtcPath) -> EtcPath {
        let own = path.parent().unwrap_or_default();
        if !is_read_whole(&own) {
            return own;
        }
        let aside = own.as_bytes().split(|&byte| byte == b'/');
        let aside = aside.fold(EtcPath::from(ASIDE), |folder, name| folder.join(name));
        let is_folder = |path: &EtcPath| {
            let trees = [self.user, self.v2, &*self.result];
            trees.iter().all(|tree| tree.get(path).is_none_or(Node::is_dir))
        };
        let is_possible = is_folder(&aside) && folders(&aside).all(|folder| is_folder(&folder));
        if is_possible { aside } else { own }
    }

    fn is_taken(&self, path: &EtcPath) -> bool {
        [self.user, self.v2, &*self.result].iter().any(|tree| tree.get(path).is_some())
    }
}

/// The folders above the path, the nearest first.
fn folders(path: &EtcPath) -> impl Iterator<Item = EtcPath> {
    std::iter::successors(path.parent(), EtcPath::parent)
}

fn in_folder(folder: &EtcPath, path: &EtcPath, number: u32, ending: &str) -> EtcPath {
    let ending = if number == 0 { ending.to_owned() } else { format!(".{number}{ending}") };
    let stem = &path.name()[..path.name().len().min(LONGEST_NAME - ending.len())];
    folder.join(&[stem, ending.as_bytes()].concat())
}
