//! Chains of merges over several versions, with rollbacks, removals and second merges between: no edit is lost without being named.
//!
//! Each edit writes a word that nobody else writes. Whatever happens, the word is in some version afterwards, or a path that had it was named,
//! or somebody has replaced or removed it.

use std::collections::BTreeSet;

use baserock::etc::left::{Version, dropped, left_behind};
use baserock::etc::{EtcPath, Node, Options, Record, Tree, Trees, plan};

/// The edited paths: accounts, a file of the machine, files that vendors change and others.
const PATHS: [&str; 8] = ["passwd", "hostname", "a", "b", "d/a", "d/b", "new", "localtime"];
/// The most versions at a time.
const MOST: usize = 5;

/// Steps of two bytes: what is done, and with which path or version.
pub fn run(bytes: &[u8]) {
    let mut machine = Machine::new();
    for step in bytes.chunks_exact(2).take(40) {
        let (what, which) = (step[0] % 8, usize::from(step[1]));
        let before = machine.words();
        match what {
            0 => machine.append(which),
            1 => machine.replace(which),
            2 => machine.remove_file(which),
            3 => drop(machine.deploy(which)),
            4 => {
                let new = machine.deploy(which);
                machine.choose(new);
            }
            5 | 6 => machine.choose(which % machine.versions.len()),
            _ => machine.remove(which % machine.versions.len()),
        }
        let now = machine.words();
        let lost: Vec<_> = before.difference(&now).filter(|word| !machine.settled.contains(*word)).collect();
        assert!(lost.is_empty(), "{lost:?} are in no version and were never named");
    }
}

/// Versions as they stand on a volume. The numbers of all are words of their own.
struct Machine {
    versions: Vec<Version>,
    running: usize,
    made: usize,
    /// The words that were named, or replaced by somebody.
    settled: BTreeSet<String>,
}

impl Machine {
    fn new() -> Self {
        let built = vendor(0);
        let first = Version {
            id: Some("v0".into()),
            built: [built.clone(), built.clone()],
            now: built,
            record: None,
        };
        Machine { versions: vec![first], running: 0, made: 1, settled: BTreeSet::new() }
    }

    /// All words in all versions.
    fn words(&self) -> BTreeSet<String> {
        self.versions.iter().flat_map(|version| words_in(&version.now)).collect()
    }

    fn word(&mut self) -> String {
        self.made += 1;
        format!("word{}x", self.made)
    }

    /// Adds a line to a file: what people do most.
    fn append(&mut self, which: usize) {
        let (word, path) = (self.word(), EtcPath::from(PATHS[which % PATHS.len()]));
        let etc = &mut self.versions[self.running].now;
        let line = match path.as_bytes() {
            b"passwd" => format!("{word}:x:{}:100::/:/bin/sh\n", 1000 + self.made),
            _ => format!("{word}\n"),
        };
        let text = etc.get(&path).map(text).unwrap_or_default() + &line;
        put(etc, path, &text);
    }

    fn replace(&mut self, which: usize) {
        let (word, path) = (self.word(), EtcPath::from(PATHS[which % PATHS.len()]));
        if path.as_bytes() == b"passwd" {
            return;
        }
        self.settle(self.running, &path);
        put(&mut self.versions[self.running].now, path, &format!("{word}\n"));
    }

    fn remove_file(&mut self, which: usize) {
        let path = EtcPath::from(PATHS[which % PATHS.len()]);
        if path.as_bytes() != b"passwd" {
            self.settle(self.running, &path);
            self.versions[self.running].now.remove(&path);
        }
    }

    /// Makes a version from another tree, merged from the running one. Returns its place.
    fn deploy(&mut self, which: usize) -> usize {
        if self.versions.len() == MOST {
            return self.running;
        }
        let built = vendor(which);
        self.made += 1;
        let id = format!("v{}", self.made);
        let fresh = Version { id: Some(id), built: [built.clone(), built.clone()], now: built, record: None };
        let Some(merged) = self.merged(&fresh, &Options::default()) else { return self.running };
        self.versions.push(merged);
        let new = self.versions.len() - 1;
        let running = self.running;
        for other in (0..new).filter(|other| *other != running) {
            self.name_left(other, &[new]);
        }
        new
    }

    /// The version with the running one merged into it; `None` if they do not merge. What the merge names is settled.
    fn merged(&mut self, new: &Version, options: &Options) -> Option<Version> {
        let old = &self.versions[self.running];
        let trees = Trees { v1: old.built[0].clone(), user: old.now.clone(), v2: new.built[0].clone() };
        let plan = plan(trees, old.record.as_ref(), options).ok()?;
        let record = Record {
            old_run: old.id.clone(),
            older: old.record.as_ref().map(Record::sources).unwrap_or_default(),
            ..plan.record("old")
        };
        let named = plan.steps.iter().filter(|step| step.is_named()).map(|step| step.path.clone());
        let words = named.filter_map(|path| old.now.get(&path).map(words_of)).flatten();
        let dropped = dropped(&new.built, new.record.as_ref(), &new.now, &plan.result).into_iter();
        let words: Vec<_> =
            words.chain(dropped.filter_map(|path| new.now.get(&path).map(words_of)).flatten()).collect();
        self.settled.extend(words);
        Some(Version { now: plan.result, record: Some(record), ..new.clone() })
    }

    /// Makes a version the default, and boots it. All words of the version that is left are in it, or are settled.
    fn choose(&mut self, new: usize) {
        if new == self.running {
            return;
        }
        let both = self.merge_again(new);
        let old = &self.versions[self.running];
        both.iter().filter_map(|path| old.now.get(path)).for_each(|node| self.settled.extend(words_of(node)));
        self.name_left(self.running, &[new]);
        let there = words_in(&self.versions[new].now);
        let mut left = words_in(&self.versions[self.running].now);
        left.retain(|word| !there.contains(word) && !self.settled.contains(word));
        assert!(left.is_empty(), "{left:?} are left behind without a name");
        self.running = new;
    }

    /// As a version is merged again when it becomes the default. Returns the paths that are named because both have changed.
    fn merge_again(&mut self, new: usize) -> Vec<EtcPath> {
        let (old, version) = (&self.versions[self.running], self.versions[new].clone());
        let Some(record) = version.record.as_ref().filter(|record| record.old_run == old.id) else {
            return Vec::new();
        };
        if !record.user_changed(&old.now) {
            return Vec::new();
        }
        if record.result_changed(&version.now) {
            let changes = record.user_changes.as_ref().expect("few paths");
            return changes.since(&old.built[0], &old.now).into_iter().collect();
        }
        let options = Options { earlier_take: record.choices.take.clone(), ..Options::default() };
        if let Some(merged) = self.merged(&version, &options) {
            self.versions[new] = merged;
        }
        Vec::new()
    }

    fn remove(&mut self, which: usize) {
        if which == self.running {
            return;
        }
        let others: Vec<_> = (0..self.versions.len()).filter(|other| *other != which).collect();
        self.name_left(which, &others);
        self.versions.remove(which);
        self.running -= usize::from(which < self.running);
    }

    fn name_left(&mut self, from: usize, among: &[usize]) {
        let among: Vec<_> = among.iter().map(|other| self.versions[*other].clone()).collect();
        for path in left_behind(&self.versions[from], &among) {
            self.settle(from, &path);
        }
    }

    /// Counts the words of a file as named or replaced.
    fn settle(&mut self, version: usize, path: &EtcPath) {
        let words = self.versions[version].now.get(path).map(words_of).unwrap_or_default();
        self.settled.extend(words);
    }
}

/// A tree as a vendor builds it: each bit changes a file.
fn vendor(bits: usize) -> Tree {
    let is = |bit: usize| bits >> bit & 1 == 1;
    let lines = |first: bool, last: bool| {
        let line = |changed: bool, line: &str| {
            if changed { format!("{line} changed\n") } else { format!("{line}\n") }
        };
        [line(first, "one"), line(false, "two"), line(false, "three"), line(last, "four")].concat()
    };
    let mut tree = Tree::from_iter([(EtcPath::ROOT, Node::dir())]);
    let passwd =
        if is(0) { "root:x:0:0::/:/bin/sh\nnew:x:101:101::/:/bin/sh\n" } else { "root:x:0:0::/:/bin/sh\n" };
    put(&mut tree, "passwd".into(), passwd);
    put(&mut tree, "group".into(), "root:x:0:\nusers:x:100:\n");
    put(&mut tree, "hostname".into(), "machine\n");
    put(&mut tree, "a".into(), &lines(is(1), is(2)));
    if !is(3) {
        put(&mut tree, "b".into(), &lines(false, is(4)));
    }
    put(&mut tree, "d/a".into(), &lines(is(5), false));
    if is(6) {
        put(&mut tree, "new".into(), "new\n");
    }
    tree
}

fn put(tree: &mut Tree, path: EtcPath, text: &str) {
    if let Some(folder) = path.parent().filter(|folder| tree.get(folder).is_none()) {
        tree.insert(folder, Node::dir());
    }
    tree.insert(path, Node::file(text.as_bytes()));
}

fn text(node: &Node) -> String {
    let bytes = node.content().map(|content| content.bytes().expect("it is in memory").to_vec());
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

fn words_in(tree: &Tree) -> BTreeSet<String> {
    tree.iter().flat_map(|(_, node)| words_of(node)).collect()
}

/// The words of edits in a file. In a `.rej` they may follow a sign.
fn words_of(node: &Node) -> BTreeSet<String> {
    let text = text(node);
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| word.starts_with("word") && word.ends_with('x')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use baserock::etc::fingerprint::fingerprint_of_user;

    use super::*;

    #[test]
    fn a_chain_that_loses_an_edit_would_be_found() {
        let mut machine = Machine::new();
        machine.append(2);
        assert_eq!(machine.words().len(), 1);
        let before = fingerprint_of_user(&machine.versions[0].now);
        let new = machine.deploy(6);
        machine.choose(new);
        assert_eq!(machine.words().len(), 1, "the edit came along");
        machine.append(3);
        machine.choose(0);
        assert!(machine.settled.contains("word4x"), "{:?}", machine.settled);
        assert_eq!(fingerprint_of_user(&machine.versions[0].now), before, "a rollback changes nothing");
    }
}
