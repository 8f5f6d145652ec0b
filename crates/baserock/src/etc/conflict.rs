//! Conflicts: changes that did not merge, their files `FILE.orig` and `FILE.rej`, and open conflicts of earlier merges.

use system::error::Result;

use super::path::EtcPath;
use super::record::{Conflict, Record};
use super::reject::{texts, unified_diff};
use super::tree::{Kind, Node, Tree};

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
            meta.mode =
                if matches!(kind, Kind::Symlink(_)) { 0o777 } else { mode_for(&self.v2, &self.user, mode) };
            Node { kind, meta, modified: self.user.modified }
        };
        Ok((beside(self.v2.kind.clone()), beside(self.change(path)?)))
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
    carried
}

/// Puts the files of an open conflict of an earlier merge into the result again. `.orig` becomes a copy of the new version's file.
pub fn carry(carried: Carried, v2: Option<&Node>, place: &mut Places<'_>) -> Conflict {
    let Carried { path, orig, mut rej, rej_path } = carried;
    let v2 = v2.filter(|node| !node.is_dir());
    if let Some(v2) = v2 {
        rej.meta.mode = mode_for(v2, &rej, rej.meta.mode & v2.meta.mode & 0o777);
    }
    let orig = v2.cloned().map(|v2| narrowed(v2, &rej)).or(orig);
    let names = place.names_of(&rej_path).unwrap_or_else(|| place.free_names(&path));
    place.put_as(&path, names, orig, rej)
}

fn narrowed(mut orig: Node, rej: &Node) -> Node {
    if !matches!(orig.kind, Kind::Symlink(_)) {
        orig.meta.mode = mode_for(&orig, rej, orig.meta.mode & rej.meta.mode & 0o777);
    }
    orig
}

/// The places for `.orig` and `.rej`. They never replace another file.
pub struct Places<'a> {
    /// The result so far.
    pub result: &'a mut Tree,
    /// The trees whose names must not be used.
    pub others: [&'a Tree; 2],
}

impl Places<'_> {
    /// Puts both files beside `path`, under free names.
    pub fn put(&mut self, path: &EtcPath, orig: Option<Node>, rej: Node) -> Conflict {
        let names = self.free_names(path);
        self.put_as(path, names, orig, rej)
    }

    fn put_as(&mut self, path: &EtcPath, names: [EtcPath; 2], orig: Option<Node>, rej: Node) -> Conflict {
        let [orig_path, rej_path] = names;
        let orig = orig.map(|node| {
            self.result.insert(orig_path.clone(), node);
            orig_path
        });
        self.result.insert(rej_path.clone(), rej);
        Conflict { path: path.clone(), orig, rej: rej_path }
    }

    /// The names from an earlier merge, if they are still free.
    fn names_of(&self, rej: &EtcPath) -> Option<[EtcPath; 2]> {
        let stem = rej.name().strip_suffix(b".rej")?;
        let orig = rej.parent()?.join(&[stem, b".orig"].concat());
        let names = [orig, rej.clone()];
        (!names.iter().any(|name| self.is_taken(name))).then_some(names)
    }

    /// The first free names: `FILE.orig` and `FILE.rej`, else `FILE.1.orig` and `FILE.1.rej`, and so on. The endings stay last, because
    /// programs that read whole folders ignore files with these endings.
    fn free_names(&self, path: &EtcPath) -> [EtcPath; 2] {
        let mut number = 0;
        loop {
            let names = [".orig", ".rej"].map(|ending| beside(path, number, ending));
            if !names.iter().any(|name| self.is_taken(name)) {
                return names;
            }
            number += 1;
        }
    }

    fn is_taken(&self, path: &EtcPath) -> bool {
        self.result.get(path).is_some() || self.others.iter().any(|tree| tree.get(path).is_some())
    }
}

fn beside(path: &EtcPath, number: u32, ending: &str) -> EtcPath {
    let ending = if number == 0 { ending.to_owned() } else { format!(".{number}{ending}") };
    let stem = &path.name()[..path.name().len().min(LONGEST_NAME - ending.len())];
    path.parent().unwrap_or_default().join(&[stem, ending.as_bytes()].concat())
}
