//! What a volume must be, whatever happened to it: asked of the mounted top level, without the code that wrote it.
//!
//! Every check returns the faults that it finds, in words; a volume is sound where there are none.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use baserock::layout::SHARED;
use delta::entry::Entry;
use delta::scan::{ReadAll, scan};
use system::btrfs::{self, Access, Identity};
use system::dir::Dir;

/// A volume that is mounted: its top level, and where its boot files are (the same, unless `/boot` is a filesystem of its own).
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The top-level directory.
    pub top: &'a Path,
    /// The directory with `extlinux/` and `systems/LABEL/kernel`.
    pub boot: &'a Path,
}

/// One entry of the boot menu.
#[derive(Clone, Debug, Default)]
struct Entered {
    label: String,
    kernel: String,
    append: String,
}

/// The boot menu, as a boot loader reads it.
#[derive(Clone, Debug, Default)]
struct Menu {
    defaults: Vec<String>,
    entries: Vec<Entered>,
}

impl<'a> Place<'a> {
    /// A volume with its boot files on it.
    pub fn new(top: &'a Path) -> Self {
        Place { top, boot: top }
    }

    /// What is wrong at any moment, also after a crash: the menu has one default, names complete versions only, each with its own
    /// kernel and its own root; what was frozen is.
    pub fn faults(self) -> Vec<String> {
        let mut faults = Vec::new();
        let Ok(text) = fs::read_to_string(self.boot.join("extlinux/extlinux.conf")) else {
            return vec!["there is no menu".into()];
        };
        let menu = Menu::parse(&text);
        if let [default] = menu.defaults.as_slice() {
            if !menu.entries.iter().any(|entry| entry.label == *default) {
                faults.push(format!("the menu's default {default} is none of its entries"));
            }
        } else {
            faults.push(format!("the menu has {} defaults", menu.defaults.len()));
        }
        for entry in &menu.entries {
            let wrong = self.entry_faults(entry);
            faults.extend(wrong.into_iter().map(|fault| format!("menu entry {}: {fault}", entry.label)));
        }
        let linked = fs::read_link(self.top.join("systems/default"));
        if !linked.as_ref().is_ok_and(|label| self.top.join("systems").join(label).join("run").is_dir()) {
            faults.push(format!("systems/default leads nowhere: {linked:?}"));
        }
        faults
    }

    fn entry_faults(self, entry: &Entered) -> Vec<String> {
        let mut faults = Vec::new();
        let label = &entry.label;
        let version = self.top.join("systems").join(label);
        if version.join(".incomplete").exists() {
            faults.push("the version is marked as incomplete".into());
        }
        for part in ["orig", "run"] {
            match Dir::open(version.join(part)).and_then(|dir| btrfs::is_subvolume(&dir)) {
                Ok(true) => {}
                outcome => faults.push(format!("{part} is no subvolume: {outcome:?}")),
            }
        }
        if !version.join("run/etc").is_dir() {
            faults.push("run has no etc".into());
        }
        if entry.kernel != format!("/systems/{label}/kernel") {
            faults.push(format!("its kernel is {}", entry.kernel));
        }
        let kernel = fs::read(self.boot.join(entry.kernel.trim_start_matches('/')));
        let built = fs::read(version.join("orig/boot/vmlinuz"));
        match (kernel, built) {
            (Ok(kernel), Ok(built)) if kernel == built && !kernel.is_empty() => {}
            (kernel, built) => faults.push(format!(
                "its kernel has {:?} bytes, and is not the {:?} bytes that the version was built with",
                kernel.map(|bytes| bytes.len()),
                built.map(|bytes| bytes.len())
            )),
        }
        if !entry.append.contains(&format!("rootflags=subvol=systems/{label}/run ")) {
            faults.push(format!("it boots another root: {}", entry.append));
        }
        faults
    }

    /// What an operation that ended, or was undone, must not have left. Versions of `unfinished` have their `orig` alone, all others
    /// everything.
    pub fn debris(self, unfinished: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut only = |dir: PathBuf, allowed: &dyn Fn(&str) -> bool| {
            let others = names(&dir).into_iter().filter(|name| !allowed(name));
            faults.extend(others.map(|name| format!("debris: {}", dir.join(name).display())));
        };
        let of_top = ["systems", "state", ".baserock", "extlinux", "extlinux.conf", "ldlinux.sys"];
        only(self.top.into(), &|name| {
            of_top.contains(&name) || Path::new(name).extension().is_some_and(|end| end == "c32")
        });
        only(self.top.join(".baserock"), &|name| {
            [
                "lock",
                "ballast",
                "metadata-ballast",
                "fstab",
                "incoming",
                "agents",
                "trial.json",
                "history.jsonl",
                "repositories.json",
            ]
            .contains(&name)
        });
        only(self.top.join(".baserock/incoming"), &|_| false);
        only(self.top.join("state"), &|name| SHARED.contains(&name));
        // A trial's menu belongs to a trial.
        let is_on_trial = self.top.join(".baserock/trial.json").exists();
        only(self.boot.join("extlinux"), &|name| {
            !name.starts_with('.') && (is_on_trial || name != "trial.conf")
        });
        let mut half_made = Vec::new();
        for label in self.labels() {
            let version = self.top.join("systems").join(&label);
            let parts = ["orig", "run", "kernel", "initramfs", "dtb", "boot.json", "manifest", "merge.json"];
            let kept = [
                "etc.before-resolve",
                "etc.before-sync",
                "etc.before-merge",
                "remarks.json",
                "came-up.json",
                "trial.json",
            ];
            let is_unfinished = unfinished.contains(&label.as_str());
            if !is_unfinished && !version.join("run").exists() {
                half_made.push(format!("{label} is half made"));
            }
            only(version.clone(), &|name| match name {
                "orig" | "manifest" | "origin.json" | "signed" => true,
                name => !is_unfinished && (parts.contains(&name) || kept.contains(&name)),
            });
            if self.boot != self.top {
                only(self.boot.join("systems").join(&label), &|name| {
                    ["kernel", "initramfs", "dtb"].contains(&name)
                });
            }
        }
        faults.extend(half_made);
        for label in self.labels() {
            faults_of_temporaries(&self.top.join("systems").join(label).join("run"), 1, &mut faults);
        }
        faults_of_temporaries(&self.top.join("state"), usize::MAX, &mut faults);
        faults
    }

    /// The versions that have a directory.
    pub fn labels(self) -> Vec<String> {
        let mut labels = names(&self.top.join("systems"));
        labels.retain(|name| name != "default");
        labels
    }
}

/// What is named like the next of something, down to this many levels, and everywhere in `etc`.
fn faults_of_temporaries(dir: &Path, levels: usize, faults: &mut Vec<String>) {
    for name in names(dir) {
        let path = dir.join(&name);
        if name.starts_with('.') && Path::new(&name).extension().is_some_and(|end| end == "new") {
            faults.push(format!("debris: {}", path.display()));
        }
        let is_dir = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_dir && (levels > 1 || name == "etc") {
            faults_of_temporaries(&path, if name == "etc" { usize::MAX } else { levels - 1 }, faults);
        }
    }
}

impl Menu {
    fn parse(text: &str) -> Self {
        let mut menu = Menu::default();
        for line in text.lines() {
            let (key, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            match (key, menu.entries.last_mut()) {
                ("ontimeout", None) => menu.defaults.push(value.into()),
                ("label", _) => menu.entries.push(Entered { label: value.into(), ..Entered::default() }),
                ("kernel", Some(entry)) => entry.kernel = value.into(),
                ("append", Some(entry)) => entry.append = format!("{value} "),
                _ => {}
            }
        }
        menu
    }
}

/// A tree as it was: to see whether it still is.
#[derive(Clone, Debug)]
struct Subvolume {
    identity: Identity,
    entries: Vec<Entry>,
}

/// What existed on a volume, to see afterwards whether it was harmed: every version's `orig` and `run`, and the shared state.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    origs: BTreeMap<String, (Identity, Access)>,
    runs: BTreeMap<String, Subvolume>,
    state: BTreeMap<String, Subvolume>,
}

impl Existing {
    /// Looks at the volume that is mounted at `top`.
    pub fn on(top: &Path) -> Self {
        let mut existing = Existing::default();
        for label in Place::new(top).labels() {
            let version = top.join("systems").join(&label);
            if let Ok(orig) = Dir::open(version.join("orig")) {
                let access = btrfs::access(&orig).expect("orig is a subvolume");
                existing.origs.insert(label.clone(), (identity(&orig), access));
            }
            if let Ok(run) = Dir::open(version.join("run")) {
                existing.runs.insert(label, Subvolume::of(&run));
            }
        }
        for name in SHARED {
            if let Ok(shared) = Dir::open(top.join("state").join(name)) {
                existing.state.insert(name.into(), Subvolume::of(&shared));
            }
        }
        existing
    }

    /// What of it is gone or otherwise now. Versions in `touched` are the operation's own and not looked at; to the shared state
    /// something may have been added.
    pub fn harm(&self, top: &Path, touched: &[&str], times: Times) -> Vec<String> {
        let mut faults = Vec::new();
        let untouched = |label: &&String| !touched.contains(&label.as_str());
        for label in self.origs.keys().filter(untouched) {
            let now = Dir::open(top.join("systems").join(label).join("orig"))
                .map(|orig| (identity(&orig), btrfs::access(&orig).expect("orig is a subvolume")));
            if now.as_ref().ok() != self.origs.get(label) {
                faults.push(format!("orig of {label} is another: {now:?}"));
            }
        }
        for (label, run) in self.runs.iter().filter(|(label, _)| untouched(label)) {
            let place = top.join("systems").join(label).join("run");
            faults.extend(run.changes(&place, Additions::Faults, Times::Kept));
        }
        for (name, shared) in &self.state {
            faults.extend(shared.changes(&top.join("state").join(name), Additions::Allowed, times));
        }
        faults
    }

    /// What of the versions and the shared state here is other than in `other`, times aside.
    pub fn differences(&self, other: &Existing) -> Vec<String> {
        let trees = |existing: &Existing| -> BTreeMap<String, Vec<Entry>> {
            let runs = existing.runs.iter().map(|(label, run)| (format!("run of {label}"), run));
            let state = existing.state.iter().map(|(name, shared)| (format!("state {name}"), shared));
            runs.chain(state).map(|(name, tree)| (name, without_times(&tree.entries))).collect()
        };
        let (these, others) = (trees(self), trees(other));
        let mut faults = Vec::new();
        for name in these.keys().chain(others.keys().filter(|name| !these.contains_key(*name))) {
            let (this, other) = (these.get(name), others.get(name));
            if this != other {
                let of = |tree: Option<&Vec<Entry>>| tree.cloned().unwrap_or_default();
                let (this, other) = (of(this), of(other));
                let odd = this.iter().find(|entry| !other.contains(entry));
                let odd = odd.or_else(|| other.iter().find(|entry| !this.contains(entry)));
                faults.push(format!("{name} is another: {odd:?}"));
            }
        }
        faults
    }

    /// Whether the version's `/etc` is now what it was here: every name, content, owner, mode and attribute.
    pub fn has_etc(&self, top: &Path, label: &str) -> bool {
        let Some(before) = self.runs.get(label) else { return false };
        let Ok(run) = Dir::open(top.join("systems").join(label).join("run")) else { return false };
        let of_etc = |entry: &&Entry| entry.path().starts_with("etc");
        let now = entries(&run);
        let (now, before) = (without_times(&now), without_times(&before.entries));
        now.iter().filter(of_etc).eq(before.iter().filter(of_etc))
    }
}

/// What is asked of the times of directories in the shared state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// They are what they were.
    Kept,
    /// A process that added something was killed before it could set them back.
    OfDirectoriesDiffer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Additions {
    Allowed,
    Faults,
}

impl Subvolume {
    fn of(dir: &Dir) -> Self {
        Subvolume { identity: identity(dir), entries: entries(dir) }
    }

    fn changes(&self, place: &Path, additions: Additions, times: Times) -> Vec<String> {
        let dir = match Dir::open(place) {
            Ok(dir) => dir,
            Err(error) => return vec![format!("{} is gone: {error}", place.display())],
        };
        // Nothing was written to it since.
        if identity(&dir) == self.identity {
            return Vec::new();
        }
        let now = entries(&dir);
        let by_path = |entries: &[Entry]| -> BTreeMap<PathBuf, Entry> {
            entries.iter().map(|entry| (entry.path().to_owned(), entry.clone())).collect()
        };
        let (before, now) = (by_path(&self.entries), by_path(&now));
        let mut faults = Vec::new();
        for (path, entry) in &before {
            match now.get(path) {
                Some(there) if there == entry => {}
                Some(there) if times == Times::OfDirectoriesDiffer && is_same_directory(there, entry) => {}
                Some(there) => faults.push(format!(
                    "{} is {:?} {:?}, it was {:?} {:?}",
                    place.join(path).display(),
                    there.kind,
                    there.metadata,
                    entry.kind,
                    entry.metadata
                )),
                None => faults.push(format!("{} is gone", place.join(path).display())),
            }
        }
        if additions == Additions::Faults {
            let added = now.keys().filter(|path| !before.contains_key(*path));
            faults.extend(added.map(|path| format!("{} was not there", place.join(path).display())));
        }
        faults
    }
}

fn is_same_directory(one: &Entry, other: &Entry) -> bool {
    one.is_directory()
        && without_times(std::slice::from_ref(one)) == without_times(std::slice::from_ref(other))
}

fn without_times(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        entry.modified = system::metadata::Time::default();
    }
    entries
}

fn identity(dir: &Dir) -> Identity {
    btrfs::identity(dir).expect("a subvolume")
}

fn entries(dir: &Dir) -> Vec<Entry> {
    scan(dir, &mut ReadAll, &|_| Ok(())).expect("a tree that can be read").entries().to_vec()
}

/// The names in a directory, sorted; none where there is no such directory.
fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
