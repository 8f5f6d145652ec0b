//! Renders the menu of extlinux and U-Boot from the entries of the versions.

use super::cmdline;
use super::entry::{Made, in_words, version_of};
use super::menu::{Directive, Entry, Menu};
use crate::label::ExistingLabel;
use crate::layout::DEFAULT;

/// The menu program of syslinux. U-Boot ignores it.
const MENU_PROGRAM: &str = "menu.c32";
/// The time that the menu waits for a key, in tenths of a second.
const TIMEOUT: &str = "50";

/// A menu, and what has become of the edits in the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The menu.
    pub menu: Menu,
    /// The edits by hand that it keeps, in words.
    pub kept: Vec<String>,
    /// What it does not keep, in words.
    pub dropped: Vec<String>,
}

/// The menu with the entries of the versions: the default first, then sorted by label. Directives and entries of `before` that do not concern
/// versions are kept, and so are entries that somebody has added for a version.
pub fn update(before: &Menu, mut versions: Vec<(ExistingLabel, Made)>, default: &ExistingLabel) -> Update {
    let mut menu = Menu { head: head(before, &versions), entries: Vec::new() };
    let (mut kept, mut dropped) = (Vec::new(), dropped_of_head(before, &menu));
    versions.sort_by(|(a, _), (b, _)| (a != default, a).cmp(&(b != default, b)));
    for (label, made) in &versions {
        menu.entries.push(made.entry.clone());
        if !made.kept.is_empty() {
            kept.push(format!("the boot menu's entry of {label}: {}", made.kept.join(", ")));
        }
        dropped.extend(made.dropped.iter().map(|line| format!("{line} of the entry {label}")));
    }
    for entry in before.entries.iter().filter(|entry| !is_taken(entry, &versions)) {
        match version_of(entry) {
            Some(gone) if versions.iter().all(|(label, _)| label.as_str() != gone) => {
                if entry.label != gone {
                    dropped.push(format!("the entry {}, which boots {gone}", entry.label));
                }
            }
            _ => menu.entries.push(entry.clone()),
        }
    }
    let chosen = menu.default_entry().filter(|entry| version_of(entry) == Some(default.as_str()));
    let chosen = chosen.map_or(default.to_string(), |entry| entry.label.clone());
    menu.set("ontimeout", chosen);
    Update { menu, kept, dropped }
}

/// The menu of a boot that is a trial: the entry that `once` names, with the arguments behind the label, then the default's, which is for a
/// boot loader that cannot load the first. `None` if there is no such entry.
pub fn once(menu: &Menu, once: &str) -> Option<Menu> {
    let (label, arguments) = once.split_once(' ').unwrap_or((once, ""));
    let mut entry = menu.entry(label)?.clone();
    match entry.lines.iter_mut().find(|line| line.key == "append") {
        Some(line) => line.value = format!("{} {arguments}", line.value),
        None => entry.lines.push(Directive::new("append", arguments)),
    }
    let head = [("default", label), ("prompt", "0"), ("timeout", "1"), ("ontimeout", label)];
    let head = head.map(|(key, value)| Directive::new(key, value)).into();
    let entries = std::iter::once(entry).chain(menu.default_entry().cloned()).collect();
    Some(Menu { head, entries })
}

/// The label of the version that the menu boots by default. The menus of the original tools name `systems/default` instead of a version;
/// `linked` is the target of that link.
pub fn default_version(menu: &Menu, linked: Option<&ExistingLabel>) -> Option<ExistingLabel> {
    match version_of(menu.default_entry()?)? {
        DEFAULT => linked.cloned(),
        label => ExistingLabel::of_file(label.as_ref()),
    }
}

/// Whether the menu has an entry of this version.
pub fn has_entry(menu: &Menu, label: &ExistingLabel) -> bool {
    menu.entry(label.as_str()).is_some_and(|entry| version_of(entry) == Some(label.as_str()))
}

/// Whether the entry of a version has taken the place of this one.
fn is_taken(entry: &Entry, versions: &[(ExistingLabel, Made)]) -> bool {
    versions
        .iter()
        .any(|(label, made)| label.as_str() == entry.label || made.replaces.as_ref() == Some(&entry.label))
}

/// The lines of the old head that are not in the new one. A menu without `ontimeout` is an original's, and what it had is converted.
fn dropped_of_head(before: &Menu, menu: &Menu) -> Vec<String> {
    if before.get("ontimeout").is_none() {
        return Vec::new();
    }
    let gone = before.head.iter().filter(|line| line.key != "ontimeout" && !menu.head.contains(line));
    gone.map(in_words).collect()
}

/// The directives before the entries: those of the old menu, and those that a menu needs.
fn head(before: &Menu, versions: &[(ExistingLabel, Made)]) -> Vec<Directive> {
    let mut head = Menu { head: before.head.clone(), entries: Vec::new() };
    let is_version = |named: &str| versions.iter().any(|(label, _)| label.as_str() == named);
    let is_entry = |named: &str| before.entry(named).is_some_and(|entry| version_of(entry).is_some());
    let names_a_version = before.get("default").is_some_and(|named| is_version(named) || is_entry(named));
    if before.get("default").is_none() || names_a_version {
        head.set("default", MENU_PROGRAM);
    }
    for (key, value) in [("prompt", "0"), ("timeout", TIMEOUT)] {
        if before.get(key).is_none() || names_a_version {
            head.set(key, value);
        }
    }
    if let (None, Some(serial)) =
        (before.get("serial"), versions.iter().find_map(|(_, made)| serial(&made.entry)))
    {
        // Syslinux wants this directive first.
        head.head.insert(0, serial);
    }
    head.head
}

/// The directive that shows the menu on the serial line, if the kernel's messages go there too: `console=ttyS0,115200n8`. Boot loaders know
/// only `ttyS` ports.
fn serial(entry: &Entry) -> Option<Directive> {
    let mut consoles = cmdline::words(entry.get("append").unwrap_or_default())
        .filter_map(|word| word.strip_prefix("console=ttyS"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    consoles.find_map(|console| {
        let (port, speed) = console.split_once(',').unwrap_or((console, ""));
        let speed: String = speed.chars().take_while(char::is_ascii_digit).collect();
        let speed = if speed.is_empty() { "115200" } else { &speed };
        is_number(port).then(|| Directive::new("serial", format!("{port} {speed}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::{BootRecord, entry};

    fn record(arguments: &str) -> BootRecord {
        BootRecord {
            root: "UUID=1".into(),
            kernel_args: arguments.into(),
            kernel: true,
            initramfs: true,
            dtb: false,
            fdtdir: false,
        }
    }

    /// The menu of versions with these records, where every file exists.
    fn updated(before: &Menu, versions: &[(ExistingLabel, BootRecord)], default: &ExistingLabel) -> Update {
        let made = versions.iter().map(|(label, record)| {
            let made = entry::of_version(before, label, Some(record), &|_| Ok(true)).unwrap();
            (label.clone(), made.unwrap())
        });
        update(before, made.collect(), default)
    }

    fn label(text: &str) -> ExistingLabel {
        text.parse().unwrap()
    }

    #[test]
    fn a_new_menu_has_the_default_first() {
        let versions = [(label("a"), record("")), (label("b"), record("console=ttyS0,9600n8 quiet"))];
        let menu = updated(&Menu::default(), &versions, &label("b")).menu;
        let expected = "\
serial 0 9600
default menu.c32
prompt 0
timeout 50
ontimeout b
label b
kernel /systems/b/kernel
initrd /systems/b/initramfs
append rw init=/sbin/init rootfstype=btrfs rootflags=subvol=systems/b/run root=UUID=1 console=ttyS0,9600n8 quiet
label a
kernel /systems/a/kernel
initrd /systems/a/initramfs
append rw init=/sbin/init rootfstype=btrfs rootflags=subvol=systems/a/run root=UUID=1
";
        assert_eq!(menu.to_string(), expected);
        assert_eq!(default_version(&menu, None), Some(label("b")));
        assert_eq!(
            updated(&menu, &versions, &label("b")),
            Update { menu: menu.clone(), kept: vec![], dropped: vec![] }
        );
        assert_eq!(entry::record_from(&menu, &label("b")), Some(versions[1].1.clone()));
    }

    #[test]
    fn a_trial_is_before_the_default_and_has_more_arguments() {
        let menu =
            Menu::parse("default a\nlabel a\nkernel /a\nlabel b\nkernel /b\nappend x\nlabel 1\nkernel /1\n");
        let text = |once: &str| super::once(&menu, once).map(|menu| menu.to_string());
        let head =
            |label: &str| format!("default {label}\nprompt 0\ntimeout 1\nontimeout {label}\nlabel {label}\n");
        let b = head("b") + "kernel /b\nappend x panic=30 y=1\nlabel a\nkernel /a\n";
        assert_eq!(text("b panic=30 y=1"), Some(b));
        assert_eq!(text("1 z"), Some(head("1") + "kernel /1\nappend z\nlabel a\nkernel /a\n"));
        assert_eq!(text("c"), None);
    }

    #[test]
    fn a_console_that_boot_loaders_do_not_know_is_none() {
        for (arguments, expected) in [
            ("console=ttyS", None),
            ("console=ttySAC2,115200n8", None),
            ("console=ttySAC2,115200n8 console=ttyS1", Some("serial 1 115200\n")),
        ] {
            let menu = updated(&Menu::default(), &[(label("a"), record(arguments))], &label("a")).menu;
            let text = menu.to_string();
            assert_eq!(
                text.split_inclusive('\n').find(|line| line.starts_with("serial")),
                expected,
                "{arguments}"
            );
        }
    }

    #[test]
    fn a_default_whose_entry_was_lost_does_not_go_before_the_one_that_was_chosen() {
        let versions = [(label("a"), record("")), (label("b"), record(""))];
        let text = updated(&Menu::parse("default a\ntimeout 5\n"), &versions, &label("b")).menu.to_string();
        assert!(text.starts_with("default menu.c32\ntimeout 50\nprompt 0\nontimeout b\nlabel b\n"), "{text}");
    }

    #[test]
    fn foreign_directives_and_entries_are_kept_and_gone_versions_are_not() {
        let before = Menu::parse(
            "default menu.c32\nui vesamenu.c32\nontimeout gone\nlabel gone\nkernel /systems/gone/kernel\n\
             label memtest\nkernel /memtest\nmenu hide\n",
        );
        let text = updated(&before, &[(label("a"), record(""))], &label("a")).menu.to_string();
        assert!(
            text.contains("ui vesamenu.c32\n")
                && text.contains("label memtest\nkernel /memtest\nmenu hide\n")
        );
        assert!(text.contains("ontimeout a\n") && !text.contains("gone"), "{text}");
    }

    #[test]
    fn an_originals_single_entry_over_the_link_becomes_one_a_version() {
        let before = Menu::parse(
            "default linux\ntimeout 1\nlabel linux\nkernel /systems/default/kernel\n\
             append root=/dev/sda rootfstype=btrfs rootflags=subvol=systems/default/run quiet rw init=/sbin/init\n",
        );
        let factory = ExistingLabel::factory();
        assert_eq!(default_version(&before, Some(&factory)), Some(factory.clone()));
        let record = entry::record_from(&before, &factory).unwrap();
        assert_eq!((record.root.as_str(), record.kernel_args.as_str()), ("/dev/sda", "quiet"));
        let made = entry::of_version(&before, &factory, None, &|_| Ok(true)).unwrap().unwrap();
        let update = update(&before, vec![(factory.clone(), made)], &factory);
        let text = update.menu.to_string();
        assert!(
            text.starts_with("default menu.c32\ntimeout 50\nprompt 0\nontimeout factory\nlabel factory\n"),
            "{text}"
        );
        assert!(!text.contains("linux") && update.dropped.is_empty(), "{text} {:?}", update.dropped);
    }

    #[test]
    fn what_somebody_wrote_into_the_menu_is_kept_or_named() {
        let versions = [(label("a"), record("quiet")), (label("b"), record(""))];
        let text = updated(&Menu::default(), &versions, &label("a")).menu.to_string();
        let text = text
            .replace("prompt 0\n", "prompt 1\nmenu title Mine\n")
            .replace("ontimeout a", "ontimeout a-single");
        let text = text.replace("default menu.c32", "default b")
            + "label a-single\nkernel /systems/a/kernel\nappend root=/dev/sda single\n\
               label c-single\nkernel /systems/c/kernel\nappend x\n";
        let update = updated(&Menu::parse(&text), &versions, &label("a"));
        let menu = update.menu.to_string();
        assert!(menu.contains("menu title Mine\n") && menu.contains("ontimeout a-single\n"), "{menu}");
        assert!(
            menu.contains("label a-single\nkernel /systems/a/kernel\nappend root=/dev/sda single\n"),
            "{menu}"
        );
        assert_eq!(update.dropped, ["default b", "prompt 1", "the entry c-single, which boots c"]);
        let other = updated(&update.menu, &versions, &label("b")).menu;
        assert_eq!(default_version(&other, None), Some(label("b")));
        let without = updated(&update.menu, &versions[1..], &label("b"));
        assert_eq!(without.dropped, ["the entry a-single, which boots a"]);
    }
}
