//! The entry of a version in the boot menu: made from its record, or from an old menu. Edits by hand are kept if the entry still boots.

use system::error::Result;

use super::menu::{Directive, Entry, Menu};
use super::{BootRecord, cmdline};
use crate::label::ExistingLabel;
use crate::layout::{DEFAULT, DTB, INITRAMFS, KERNEL, SYSTEMS};

/// Tells whether a boot loader finds something at a path of the menu.
pub type Exists<'e> = &'e dyn Fn(&str) -> Result<bool>;

/// The words for the kernel. Syslinux and U-Boot have two.
const KERNEL_KEYS: [&str; 2] = ["kernel", "linux"];
/// The words for other files and directories that must exist.
const FILE_KEYS: [&str; 3] = ["initrd", "fdt", "fdtdir"];
/// The word for the command line.
const APPEND: &str = "append";

/// An entry that is ready for the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The entry.
    pub entry: Entry,
    /// The label of the entry in the old menu whose place it takes.
    pub replaces: Option<String>,
    /// The edits by hand that it keeps, in words.
    pub kept: Vec<String>,
    /// The lines of the old entry that it does not keep.
    pub dropped: Vec<String>,
}

/// The entry of a version: by its record, or by the old menu if it has none, as versions of the original tools. `None` if the menu cannot
/// boot it.
pub fn of_version(
    before: &Menu,
    label: &ExistingLabel,
    record: Option<&BootRecord>,
    exists: Exists<'_>,
) -> Result<Option<Made>> {
    if !cmdline::can_name(label) {
        return Ok(None);
    }
    let Some(record) = record else { return of_original(before, label, exists) };
    let Ok(append) = cmdline::compose(label, &record.root, &record.kernel_args) else { return Ok(None) };
    if !record.kernel {
        return Ok(None);
    }
    let ours = render(label, record, append);
    match before.entry(label.as_str()) {
        Some(was) => with_edits(was, ours, label, exists).map(Some),
        None => Ok(Some(Made { entry: ours, replaces: None, kept: Vec::new(), dropped: Vec::new() })),
    }
}

/// The boot parameters of a version without a record, from its entry in the menu, or else from the entry for `systems/default`.
pub fn record_from(menu: &Menu, label: &ExistingLabel) -> Option<BootRecord> {
    let entry = of(menu, label.as_str()).or_else(|| of(menu, DEFAULT))?;
    let (root, kernel_args) = cmdline::take_apart(entry.get(APPEND)?);
    let has = |key| entry.get(key).is_some();
    Some(BootRecord {
        root: root?,
        kernel_args,
        kernel: true,
        initramfs: has("initrd"),
        dtb: has("fdt"),
        fdtdir: has("fdtdir"),
    })
}

/// The kernel arguments that a new version inherits from this one: those of its entry, which may have been edited, or else of its record.
pub fn inherited_arguments(menu: &Menu, label: &ExistingLabel, record: BootRecord) -> String {
    let entry = menu.entry(label.as_str()).filter(|entry| version_of(entry) == Some(label.as_str()));
    match entry.and_then(|entry| entry.get(APPEND)) {
        Some(line) => cmdline::inherited(line, &record.kernel_args),
        None => record.kernel_args,
    }
}

/// The version that an entry boots, or [`DEFAULT`] for the link.
pub fn version_of(entry: &Entry) -> Option<&str> {
    version_in(entry.kernel()?)
}

/// The menu with a version that has got another label: in its entries, and as the default.
pub fn renamed(menu: &Menu, old: &ExistingLabel, new: &ExistingLabel) -> Menu {
    let label = |text: &str| if text == old.as_str() { new.to_string() } else { text.to_owned() };
    let (from, to) = (format!("{SYSTEMS}/{old}/"), format!("{SYSTEMS}/{new}/"));
    let mut menu = menu.clone();
    for line in menu.head.iter_mut().filter(|line| ["ontimeout", "default"].contains(&&*line.key)) {
        line.value = label(&line.value);
    }
    for entry in &mut menu.entries {
        if version_of(entry) == Some(old.as_str()) {
            entry.label = label(&entry.label);
            for line in &mut entry.lines {
                line.value = line.value.replace(&from, &to);
            }
        }
    }
    menu
}

fn version_in(path: &str) -> Option<&str> {
    let path = path.trim_start_matches('/').strip_prefix(SYSTEMS)?.strip_prefix('/')?;
    // Menus of the original tools name a kernel in the version or in its `run`.
    path.split_once('/').map(|(label, _)| label)
}

fn of<'m>(menu: &'m Menu, name: &str) -> Option<&'m Entry> {
    menu.entries.iter().find(|entry| version_of(entry) == Some(name))
}

fn path(label: &ExistingLabel, name: &str) -> String {
    format!("/{SYSTEMS}/{label}/{name}")
}

fn render(label: &ExistingLabel, record: &BootRecord, append: String) -> Entry {
    let mut lines = vec![Directive::new("kernel", path(label, KERNEL))];
    let others =
        [(record.initramfs, "initrd", INITRAMFS), (record.dtb, "fdt", DTB), (record.fdtdir, "fdtdir", DTB)];
    for (_, key, name) in others.into_iter().filter(|(wanted, ..)| *wanted) {
        lines.push(Directive::new(key, path(label, name)));
    }
    lines.push(Directive::new(APPEND, append));
    Entry { label: label.to_string(), lines }
}

/// The old entry if it boots this version, without the files that are gone. Otherwise our entry, with the lines of the old one that say
/// nothing of what boots.
fn with_edits(was: &Entry, ours: Entry, label: &ExistingLabel, exists: Exists<'_>) -> Result<Made> {
    let sound = |line: &Directive| is_sound(line, label, exists);
    let boots = |keys: &[&str]| -> Result<bool> {
        let lines: Vec<_> = was.lines.iter().filter(|line| keys.contains(&&*line.key)).collect();
        lines.iter().try_fold(!lines.is_empty(), |all, line| Ok(all && sound(line)?))
    };
    let mut lines = Vec::new();
    if boots(&KERNEL_KEYS)? && boots(&[APPEND])? {
        for line in &was.lines {
            let of_key = || ours.lines.iter().find(|ours| ours.key == line.key);
            lines.extend(if sound(line)? { Some(line.clone()) } else { of_key().cloned() });
        }
    } else {
        lines.clone_from(&ours.lines);
        lines.extend(was.lines.iter().filter(|line| !is_boot_line(line)).cloned());
    }
    let kept = edits(&lines, &ours.lines);
    let dropped = was.lines.iter().filter(|line| !lines.contains(line)).map(in_words).collect();
    let entry = Entry { label: ours.label, lines };
    Ok(Made { entry, replaces: None, kept, dropped })
}

/// The entry of a version without a record. The old menu names its kernel, or the kernel is beside its `run`.
fn of_original(before: &Menu, label: &ExistingLabel, exists: Exists<'_>) -> Result<Option<Made>> {
    let own = before.entry(label.as_str()).filter(|entry| version_of(entry) == Some(label.as_str()));
    let own = own.or_else(|| of(before, label.as_str()));
    let Some(was) = own.or_else(|| of(before, DEFAULT)) else { return Ok(None) };
    let linked = format!("{SYSTEMS}/{DEFAULT}/");
    let its = |value: &str| value.replace(&linked, &format!("{SYSTEMS}/{label}/"));
    let (Some(root), arguments) = cmdline::take_apart(&its(was.get(APPEND).unwrap_or_default())) else {
        return Ok(None);
    };
    let Ok(append) = cmdline::compose(label, &root, &arguments) else { return Ok(None) };
    let mut kernel = None;
    for path in [its(was.kernel().unwrap_or_default()), path(label, KERNEL)] {
        if kernel.is_none() && exists(&path)? {
            kernel = Some(path);
        }
    }
    let Some(kernel) = kernel else { return Ok(None) };
    let mut lines = vec![Directive::new(KERNEL_KEYS[0], kernel)];
    let mut dropped = Vec::new();
    for line in was.lines.iter().filter(|line| !KERNEL_KEYS.contains(&&*line.key)) {
        let line = Directive::new(&*line.key, its(&line.value));
        if line.key == APPEND {
            lines.push(Directive::new(APPEND, &*append));
        } else if is_sound(&line, label, exists)? && (own.is_some() || line.key != "menu") {
            lines.push(line);
        } else {
            dropped.push(in_words(&line));
        }
    }
    let entry = Entry { label: label.to_string(), lines };
    Ok(Some(Made { entry, replaces: Some(was.label.clone()), kept: Vec::new(), dropped }))
}

/// Whether a line of the version's entry does what it says: its files exist, and its command line boots this version.
fn is_sound(line: &Directive, label: &ExistingLabel, exists: Exists<'_>) -> Result<bool> {
    let key = line.key.as_str();
    if key == APPEND {
        return Ok(cmdline::boots(&line.value, label));
    }
    if KERNEL_KEYS.contains(&key) && version_in(&line.value) != Some(label.as_str()) {
        return Ok(false);
    }
    if !is_boot_line(line) {
        return Ok(true);
    }
    // Syslinux takes several initramfs files, and U-Boot a configuration in a kernel.
    line.value
        .split(',')
        .try_fold(true, |all, path| Ok(all && exists(path.split('#').next().unwrap_or_default())?))
}

fn is_boot_line(line: &Directive) -> bool {
    let key = line.key.as_str();
    key == APPEND || KERNEL_KEYS.contains(&key) || FILE_KEYS.contains(&key)
}

/// The differences of an edited entry from ours, in words.
fn edits(lines: &[Directive], ours: &[Directive]) -> Vec<String> {
    let append = |lines: &[Directive]| {
        let line = lines.iter().find(|line| line.key == APPEND);
        line.map(|line| line.value.clone()).unwrap_or_default()
    };
    let (now, plain) = (append(lines), append(ours));
    let added = cmdline::words_beyond(&now, &plain).into_iter().map(str::to_owned);
    let other = lines.iter().filter(|line| line.key != APPEND && !ours.contains(line)).map(in_words);
    let less = cmdline::words_beyond(&plain, &now).into_iter().map(str::to_owned);
    let gone = ours.iter().filter(|line| line.key != APPEND && !lines.contains(line)).map(in_words);
    let without = less.chain(gone).map(|text| format!("without {text}"));
    added.chain(other).chain(without).collect()
}

/// A line as the user knows it.
pub fn in_words(line: &Directive) -> String {
    line.to_string().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "label a\nkernel /systems/a/kernel\ninitrd /systems/a/initramfs\n\
                        append rw init=/sbin/init rootfstype=btrfs rootflags=subvol=systems/a/run root=UUID=1 quiet\n";

    fn made(text: &str, record: Option<&BootRecord>, missing: &[&str]) -> Option<Made> {
        let exists = |path: &str| Ok(!missing.contains(&path));
        of_version(&Menu::parse(text), &"a".parse().unwrap(), record, &exists).unwrap()
    }

    fn record() -> BootRecord {
        let (root, kernel_args) = ("UUID=1".to_owned(), "quiet".to_owned());
        BootRecord { root, kernel_args, kernel: true, initramfs: true, dtb: false, fdtdir: false }
    }

    fn text(made: &Made) -> String {
        Menu { head: Vec::new(), entries: vec![made.entry.clone()] }.to_string()
    }

    #[test]
    fn edits_of_an_entry_that_still_boots_are_kept() {
        for (from, to, kept) in [
            (" quiet", " quiet nomodeset", "nomodeset"),
            (" quiet", "", "without quiet"),
            ("append", "menu label Mine\nappend", "menu label Mine"),
            (
                "/systems/a/initramfs",
                "/systems/a/initramfs,/ucode",
                "initrd /systems/a/initramfs,/ucode, without initrd /systems/a/initramfs",
            ),
            ("initrd /systems/a/initramfs\n", "", "without initrd /systems/a/initramfs"),
            ("UUID=1", "/dev/sdb", "root=/dev/sdb, without root=UUID=1"),
            (
                "run root",
                "run,ssd root",
                "rootflags=subvol=systems/a/run,ssd, without rootflags=subvol=systems/a/run",
            ),
        ] {
            let edited = OURS.replace(from, to);
            let made = made(&edited, Some(&record()), &[]).unwrap();
            assert_eq!((text(&made), made.kept.join(", ")), (edited, kept.to_owned()));
            assert!(made.dropped.is_empty(), "{:?}", made.dropped);
        }
        let plain = made(OURS, Some(&record()), &[]).unwrap();
        assert_eq!((text(&plain).as_str(), plain.kept.len()), (OURS, 0));
    }

    #[test]
    fn an_entry_that_does_not_boot_its_version_is_made_anew_and_its_lines_are_named() {
        for (from, to, dropped) in [
            (
                "a/run",
                "b/run",
                "append rw init=/sbin/init rootfstype=btrfs rootflags=subvol=systems/b/run root=UUID=1 quiet",
            ),
            ("/systems/a/kernel", "/systems/b/kernel", "kernel /systems/b/kernel"),
            ("/systems/a/kernel", "/memtest", "kernel /memtest"),
            ("/systems/a/kernel", "/systems/a/run/gone", "kernel /systems/a/run/gone"),
            ("/systems/a/initramfs", "/gone", "initrd /gone"),
        ] {
            let edited = OURS.replace(from, to).replace("append", "menu label Mine\nappend");
            let missing = ["/gone", "/systems/a/run/gone"];
            let made = made(&edited, Some(&record()), &missing).unwrap();
            let entry = Menu::parse(&text(&made)).entries.remove(0);
            let of_ours = Menu::parse(OURS).entries.remove(0);
            assert!(of_ours.lines.iter().all(|line| entry.lines.contains(line)), "{}", text(&made));
            assert_eq!((made.dropped, entry.get("menu")), (vec![dropped.to_owned()], Some("label Mine")));
        }
    }

    #[test]
    fn a_version_of_the_original_keeps_the_kernel_that_its_menu_names_if_it_exists() {
        let linked = "label linux\nkernel /systems/default/run/boot/vmlinuz\ninitrd /systems/default/initramfs\n\
                      append root=/dev/sda rootflags=subvol=systems/default/run quiet\n";
        let kernel = |text: &str, missing: &[&str]| {
            let made = made(text, None, missing)?;
            Some((made.entry.kernel().unwrap().to_owned(), made.entry.get("initrd").is_some()))
        };
        let (inside, beside) = ("/systems/a/run/boot/vmlinuz", "/systems/a/kernel");
        assert_eq!(kernel(linked, &[]), Some((inside.into(), true)));
        assert_eq!(kernel(linked, &[inside, "/systems/a/initramfs"]), Some((beside.into(), false)));
        assert_eq!(kernel(linked, &[inside, beside]), None);
        assert_eq!(kernel(&linked.replace("default", "a"), &[]), Some((inside.into(), true)));
        assert_eq!(kernel(&linked.replace("default", "b"), &[]), None);
    }

    #[test]
    fn a_new_version_inherits_the_arguments_of_an_edited_entry() {
        let inherited = |text: &str| inherited_arguments(&Menu::parse(text), &"a".parse().unwrap(), record());
        assert_eq!(inherited(&OURS.replace("quiet", "quiet nomodeset init=/bin/sh")), "quiet nomodeset");
        assert_eq!(inherited(&OURS.replace("/systems/a/", "/systems/b/")), "quiet");
        assert_eq!(inherited(""), "quiet");
    }
}
