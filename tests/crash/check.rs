//! What must be true of a disk whenever the power goes.

use std::collections::BTreeMap;
use std::path::Path;

use baserock::boot::Menu;
use baserock::boot::menu::Entry;
use delta::hash::Hash;

use super::content::{Content, Node, all, below, difference};
use super::shape::{BOOT, Loaded, Shape};

/// What was on the disk before the operation, and what is after it.
pub struct Expected {
    /// Where everything is.
    pub shape: Shape,
    /// What the boot loader was told before and after to boot once; `None` if the disk has none.
    pub once: Option<[Option<String>; 2]>,
    /// What was on the disk before.
    pub before: Content,
    /// And after.
    pub after: Content,
    /// The default before and after.
    pub defaults: [String; 2],
}

/// The version that runs in every operation, also in one that begins when another is the default already.
const RUNNING: &str = "factory";

/// What a version boots from, beside it: its name, and its path in the trees that the harness deploys.
const BOOT_FILES: [(&str, &str); 2] = [("kernel", "boot/vmlinuz"), ("initramfs", "boot/initramfs")];

impl Expected {
    /// What the disks say.
    pub fn new(before: &Path, after: &Path) -> Result<Expected, String> {
        let shape = Shape::of(before);
        let defaults = [default(&shape.menu(before)?)?, default(&shape.menu(after)?)?];
        let once = shape.once(before).ok().zip(shape.once(after).ok()).map(<[_; 2]>::from);
        Ok(Expected { once, before: shape.content(before)?, after: shape.content(after)?, defaults, shape })
    }

    /// Checks a disk as the power cut left it. It is mounted, so what stands in logs is replayed. Returns what it holds then.
    pub fn check(&self, disk: &Path, faults: &mut Vec<String>) -> Option<Content> {
        let loaded = note(self.shape.load(disk).map_err(|error| format!("the boot loader: {error}")), faults);
        let found = note(self.shape.content(disk), faults)?;
        if let Some(loaded) = &loaded {
            self.menu("the boot loader's menu", &loaded.menu, &found, faults);
            kernels(loaded, &found, faults);
        }
        if let Some(menu) = note(self.shape.menu(disk), faults) {
            self.menu("the menu after replay", &menu, &found, faults);
        }
        if let Some(told) = &self.once {
            once(self.shape.once(disk), told, &found, faults);
        }
        self.running(&found, faults);
        self.state(&found, faults);
        Some(found)
    }

    /// One default, and every entry a version that is whole.
    fn menu(&self, whose: &str, menu: &Menu, found: &Content, faults: &mut Vec<String>) {
        match default(menu) {
            Err(error) => faults.push(format!("{whose}: {error}")),
            Ok(default) if !self.defaults.contains(&default) => {
                faults.push(format!("{whose}: the default is {default}"));
            }
            Ok(_) => {}
        }
        for entry in &menu.entries {
            self.version(entry, found, &mut |fault| {
                faults.push(format!("{whose} names {}: {fault}", entry.label));
            });
        }
        let [old, new] = &self.defaults;
        if old != new && default(menu).as_ref() == Ok(new) {
            let run = format!("systems/{new}/run");
            let difference = difference(&below(found, &run), &below(&self.after, &run));
            faults.extend(difference.map(|fault| format!("{whose} boots {new} too early: {fault}")));
        }
    }

    fn version(&self, entry: &Entry, found: &Content, fault: &mut dyn FnMut(String)) {
        let version = format!("systems/{}", entry.label);
        if !entry.get("append").unwrap_or_default().contains(&format!("rootflags=subvol={version}/run ")) {
            fault("another version's root is on its command line".into());
        }
        if found.contains_key(&format!("{version}/.incomplete")) {
            fault("it is marked as incomplete".into());
        }
        if !found.contains_key(&format!("{version}/boot.json")) {
            fault("it has no boot.json".into());
        }
        for part in ["orig", "run", "run/etc"] {
            let path = format!("{version}/{part}");
            let of = |content| without_etc(below(content, &path), &path, part == "run");
            let was = [of(&self.before), of(&self.after)];
            // Whole: what it was before, or what it is in the end.
            let fits = was.iter().filter(|was| !was.is_empty()).map(|was| difference(&of(found), was));
            if let Some(difference) = fits.min_by_key(|found| found.as_ref().map_or(0, String::len)).flatten()
            {
                fault(difference);
            }
        }
    }

    /// `/etc` of the version that runs is as it was.
    fn running(&self, found: &Content, faults: &mut Vec<String>) {
        let etc = format!("systems/{RUNNING}/run/etc");
        faults.extend(difference(&below(found, &etc), &below(&self.before, &etc)));
    }

    /// What was in the shared state is as it was, and nothing came that does not belong there.
    fn state(&self, found: &Content, faults: &mut Vec<String>) {
        for (path, node) in below(&self.before, "state") {
            match found.get(path) {
                Some(there) if there == node => {}
                Some(there) => faults.push(format!("{path} was {node:?} and is {there:?}")),
                None => faults.push(format!("{path} is gone")),
            }
        }
        for path in below(found, "state").into_keys().filter(|path| !is_temporary(path)) {
            if !self.after.contains_key(path) {
                faults.push(format!("{path} came from nowhere"));
            }
        }
    }

    /// What the disk holds once the operation was done again: what it holds when nothing happened in between.
    pub fn finished(&self, disk: &Path) -> Result<(), String> {
        let found = self.shape.content(disk)?;
        difference(&all(&found), &all(&self.after))
            .map_or(Ok(()), |fault| Err(format!("after doing it again: {fault}")))
    }
}

/// What is booted once is what was to be before or is to be after, so that no trial is booted a second time. It is a complete version, and
/// its trial is recorded.
fn once(
    once: Result<Option<String>, String>,
    told: &[Option<String>; 2],
    found: &Content,
    faults: &mut Vec<String>,
) {
    let Some(once) = note(once, faults) else { return };
    if !told.contains(&once) {
        faults.push(format!("{once:?} is booted once, and not one of {told:?}"));
    }
    let Some(once) = once else { return };
    let label = once.split(' ').next().unwrap_or_default();
    // For extlinux the arguments are there too; GRUB has them in a menu of its own.
    let menu = (once == label).then(|| "extlinux/trial.conf".to_owned());
    let records = [".baserock/trial.json".to_owned(), format!("systems/{label}/boot.json")];
    for path in records.into_iter().chain(menu) {
        if !found.contains_key(&path) {
            faults.push(format!("{once:?} is booted once, and there is no {path}"));
        }
    }
}

/// Kernel and initramfs are the version's own, byte for byte.
fn kernels(loaded: &Loaded, found: &Content, faults: &mut Vec<String>) {
    for entry in &loaded.menu.entries {
        for (name, path) in BOOT_FILES {
            let shipped = found.get(&format!("systems/{}/orig/{path}", entry.label));
            let file = loaded.files.get(&format!("/systems/{}/{name}", entry.label));
            match (shipped, file) {
                (Some(shipped), Some(file)) if is(shipped, *file) => {}
                _ => faults.push(format!("the boot loader finds another {name} of {}", entry.label)),
            }
        }
    }
}

fn is(node: &Node, hash: Hash) -> bool {
    node.what.ends_with(&format!(" {hash:?}"))
}

/// The complete versions of a disk, by what is there.
pub fn complete(found: &Content, shape: &Shape) -> Vec<String> {
    let boot = if shape.has_boot() { format!("{BOOT}/") } else { String::new() };
    let labels = found.keys().filter_map(|path| {
        let label = path.strip_prefix("systems/")?;
        (!label.contains('/') && label != "default").then_some(label)
    });
    let is_complete = |label: &&str| {
        let has = |name: &str| found.contains_key(&format!("systems/{label}/{name}"));
        let boots =
            BOOT_FILES.iter().all(|(name, _)| found.contains_key(&format!("{boot}systems/{label}/{name}")));
        has("orig") && has("run") && boots && !has(".incomplete")
    };
    labels.filter(is_complete).map(str::to_owned).collect()
}

/// The one version that a menu boots.
pub fn default(menu: &Menu) -> Result<String, String> {
    let named: Vec<_> = menu.head.iter().filter(|line| line.key == "ontimeout").collect();
    let [line] = named.as_slice() else { return Err(format!("{} defaults", named.len())) };
    let entries = menu.entries.iter().filter(|entry| entry.label == line.value).count();
    if entries == 1 { Ok(line.value.clone()) } else { Err(format!("{entries} entries of {}", line.value)) }
}

fn without_etc<'c>(
    mut content: BTreeMap<&'c str, &'c Node>,
    run: &str,
    without: bool,
) -> BTreeMap<&'c str, &'c Node> {
    let etc = format!("{run}/etc");
    // A merge that was going on stands beside it.
    let staged = format!("{run}/.etc.new");
    content.retain(|path, _| !without || !(path.starts_with(&etc) || path.starts_with(&staged)));
    content
}

/// A part that has not got its name yet.
fn is_temporary(path: &str) -> bool {
    path.split('/').any(|name| name.starts_with('.') && name.strip_suffix(".new").is_some())
}

fn note<T>(outcome: Result<T, String>, faults: &mut Vec<String>) -> Option<T> {
    outcome.map_err(|fault| faults.push(fault)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(what: &str) -> Node {
        Node { what: what.into(), time: (0, 0) }
    }

    #[test]
    fn differences_are_named() {
        let one: Content = [("a".to_owned(), node("x")), ("a/b".to_owned(), node("y"))].into();
        let other: Content = [("a".to_owned(), node("z"))].into();
        assert_eq!(difference(&all(&one), &all(&one)), None);
        assert_eq!(difference(&all(&one), &all(&other)).unwrap(), "a is x, not z; a/b is too much");
        assert_eq!(difference(&all(&other), &below(&one, "a")).unwrap(), "a/b is missing; a is z, not x");
    }

    #[test]
    fn a_menu_has_one_default() {
        let default = |text| default(&Menu::parse(text));
        assert_eq!(default("ontimeout a\nlabel a\n"), Ok("a".into()));
        for text in ["label a\n", "ontimeout b\nlabel a\n", "ontimeout a\nontimeout a\nlabel a\n"] {
            assert!(default(text).is_err(), "{text}");
        }
    }
}
