//! Renders the menu of extlinux and U-Boot from the versions' records.

use system::error::Result;

use super::menu::{Directive, Entry, Menu};
use super::{BootRecord, cmdline};
use crate::label::ExistingLabel;
use crate::layout::{DEFAULT, DTB, INITRAMFS, KERNEL, SYSTEMS};

/// The menu program of syslinux. U-Boot ignores it.
const MENU_PROGRAM: &str = "menu.c32";
/// The time that the menu waits for a key, in tenths of a second.
const TIMEOUT: &str = "50";

/// The menu with one entry for each version: the default first, then sorted by label. Directives and entries of `before` that do not
/// concern versions are kept.
pub fn update(
    before: &Menu,
    versions: &[(ExistingLabel, BootRecord)],
    default: &ExistingLabel,
) -> Result<Menu> {
    let mut menu = Menu { head: head(before, versions), entries: Vec::new() };
    menu.set("ontimeout", default.as_str());
    let mut ordered: Vec<_> = versions.iter().filter(|(_, record)| record.kernel).collect();
    ordered.sort_by_key(|(label, _)| (label != default, label));
    for (label, record) in ordered {
        menu.entries.push(entry(label, record)?);
    }
    let foreign = before.entries.iter().filter(|entry| !is_ours(entry));
    let free = foreign.filter(|entry| versions.iter().all(|(label, _)| label.as_str() != entry.label));
    menu.entries.extend(free.cloned());
    Ok(menu)
}

/// The label of the version that the menu boots by default. The menus of the original tools name `systems/default` instead of a version;
/// `linked` is the target of that link.
pub fn default_version(menu: &Menu, linked: Option<&ExistingLabel>) -> Option<ExistingLabel> {
    match version_of(menu.default_entry()?)? {
        DEFAULT => linked.cloned(),
        label => ExistingLabel::of_file(label.as_ref()),
    }
}

/// The boot parameters of a version without a record, from its entry in the menu, or else from the entry for `systems/default`.
pub fn record_from(menu: &Menu, label: &ExistingLabel) -> Option<BootRecord> {
    let of = |name: &str| menu.entries.iter().find(|entry| version_of(entry) == Some(name));
    let entry = of(label.as_str()).or_else(|| of(DEFAULT))?;
    let (root, kernel_args) = cmdline::take_apart(entry.get("append")?);
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

/// The version that an entry boots, or [`DEFAULT`] for the link.
fn version_of(entry: &Entry) -> Option<&str> {
    let path = entry.kernel()?.trim_start_matches('/').strip_prefix(SYSTEMS)?.strip_prefix('/')?;
    // Menus of the original tools name a kernel in the version or in its `run`.
    path.split_once('/').map(|(label, _)| label)
}

fn is_ours(entry: &Entry) -> bool {
    version_of(entry).is_some()
}

/// The directives before the entries: those of the old menu, and those that a menu needs.
fn head(before: &Menu, versions: &[(ExistingLabel, BootRecord)]) -> Vec<Directive> {
    let mut head = Menu { head: before.head.clone(), entries: Vec::new() };
    let is_version = |named: &str| versions.iter().any(|(label, _)| label.as_str() == named);
    let is_entry = |named: &str| before.entry(named).is_some_and(is_ours);
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
        (before.get("serial"), versions.iter().find_map(|(_, record)| serial(record)))
    {
        // Syslinux wants this directive first.
        head.head.insert(0, serial);
    }
    head.head
}

/// The directive that shows the menu on the serial line, if the kernel's messages go there too: `console=ttyS0,115200n8`. Boot loaders know
/// only `ttyS` ports.
fn serial(record: &BootRecord) -> Option<Directive> {
    let mut consoles =
        record.kernel_args.split_whitespace().filter_map(|word| word.strip_prefix("console=ttyS"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    consoles.find_map(|console| {
        let (port, speed) = console.split_once(',').unwrap_or((console, ""));
        let speed: String = speed.chars().take_while(char::is_ascii_digit).collect();
        let speed = if speed.is_empty() { "115200" } else { &speed };
        is_number(port).then(|| Directive::new("serial", format!("{port} {speed}")))
    })
}

fn entry(label: &ExistingLabel, record: &BootRecord) -> Result<Entry> {
    let path = |name: &str| format!("/{SYSTEMS}/{label}/{name}");
    let mut lines = vec![Directive::new("kernel", path(KERNEL))];
    if record.initramfs {
        lines.push(Directive::new("initrd", path(INITRAMFS)));
    }
    for (wanted, key) in [(record.dtb, "fdt"), (record.fdtdir, "fdtdir")] {
        if wanted {
            lines.push(Directive::new(key, path(DTB)));
        }
    }
    lines.push(Directive::new("append", cmdline::compose(label, &record.root, &record.kernel_args)?));
    Ok(Entry { label: label.to_string(), lines })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn label(text: &str) -> ExistingLabel {
        text.parse().unwrap()
    }

    #[test]
    fn a_new_menu_has_the_default_first() {
        let versions = [(label("a"), record("")), (label("b"), record("console=ttyS0,9600n8 quiet"))];
        let menu = update(&Menu::default(), &versions, &label("b")).unwrap();
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
        assert_eq!(update(&menu, &versions, &label("b")).unwrap(), menu);
        assert_eq!(record_from(&menu, &label("b")), Some(versions[1].1.clone()));
    }

    #[test]
    fn a_console_that_boot_loaders_do_not_know_is_none() {
        for (arguments, expected) in [
            ("console=ttyS", None),
            ("console=ttySAC2,115200n8", None),
            ("console=ttySAC2,115200n8 console=ttyS1", Some("serial 1 115200\n")),
        ] {
            let menu = update(&Menu::default(), &[(label("a"), record(arguments))], &label("a")).unwrap();
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
        let text =
            update(&Menu::parse("default a\ntimeout 5\n"), &versions, &label("b")).unwrap().to_string();
        assert!(text.starts_with("default menu.c32\ntimeout 50\nprompt 0\nontimeout b\nlabel b\n"), "{text}");
    }

    #[test]
    fn foreign_directives_and_entries_are_kept_and_gone_versions_are_not() {
        let before = Menu::parse(
            "default menu.c32\nui vesamenu.c32\nontimeout gone\nlabel gone\nkernel /systems/gone/kernel\n\
             label memtest\nkernel /memtest\nmenu hide\n",
        );
        let text = update(&before, &[(label("a"), record(""))], &label("a")).unwrap().to_string();
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
        let record = record_from(&before, &factory).unwrap();
        assert_eq!((record.root.as_str(), record.kernel_args.as_str()), ("/dev/sda", "quiet"));
        let text = update(&before, &[(factory.clone(), record)], &factory).unwrap().to_string();
        assert!(
            text.starts_with("default menu.c32\ntimeout 50\nprompt 0\nontimeout factory\nlabel factory\n"),
            "{text}"
        );
        assert!(!text.contains("linux"), "{text}");
    }
}
