//! The names that distributions give to kernels and initramfs files, and which of several kernels is the one to boot.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// The paths of kernels whose name has no version, in the order of the search. Links of distributions are among them.
pub const PLAIN: [&str; 10] = [
    "boot/vmlinuz",
    "boot/zImage",
    "boot/uImage",
    "vmlinuz",
    "boot/bzImage",
    "boot/Image",
    "boot/Image.gz",
    "boot/fitImage",
    "boot/kernel",
    "nix/var/nix/profiles/system/kernel",
];
/// The directories with kernels that have a version in their name.
pub const VERSIONED_DIRS: [&str; 2] = ["boot", "boot/kernels"];
/// The directories with a directory for each version, which holds the modules of its kernel, and often the kernel.
pub const MODULES: [&str; 2] = ["usr/lib/modules", "lib/modules"];

/// The names of kernels. A `-` and the version may follow. In a directory of modules there is only the name.
pub const KERNELS: [&str; 7] = ["vmlinuz", "kernel", "bzImage", "zImage", "Image.gz", "Image", "uImage"];
/// The names of initramfs files. A `-` and the version may follow. No name is the beginning of a later one.
const INITRAMFS: [&str; 6] = ["initrd.img", "initramfs.img", "initramfs", "initrd", "uInitrd", "uInitramfs"];
/// The endings of initramfs files, after the version.
const ENDINGS: [&str; 6] = [".img", ".cpio", ".gz", ".xz", ".zst", ".lz4"];
/// The endings of signed kernels and of those that a firmware can start, after the version.
const KERNEL_ENDINGS: [&str; 2] = [".signed", ".efi"];

/// The words in the name of a file that was replaced, or that belongs to a kernel and is none.
const LEFTOVER: [&str; 20] = [
    "old", "bak", "backup", "orig", "save", "dpkg", "ucf", "rpmsave", "rpmnew", "rpmorig", "pacnew",
    "pacsave", "apk", "sig", "hmac", "asc", "config", "map", "dtb", "dtbo",
];
/// The endings of files that are not whole yet.
const UNFINISHED: [&str; 4] = [".new", ".tmp", ".part", "~"];
/// The words in the name of a kernel that boots only when nothing else does.
const RESCUE: [&str; 7] = ["rescue", "recovery", "fallback", "failsafe", "emergency", "kdump", "memtest"];
/// The words in the name of a kernel for tests. A number may follow.
const TEST: [&str; 6] = ["rc", "alpha", "beta", "pre", "debug", "dbg"];

/// The kinds of kernels, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A release.
    Release,
    /// A release candidate, or a kernel with debugging.
    Test,
    /// A rescue image.
    Rescue,
    /// A file that is no kernel to boot: a copy that was replaced, a signature, a half-written file.
    Leftover,
}

/// The kernels among these paths, the one to boot first. The order of the directories counts less than the class, and more than the version.
pub fn ordered(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut kernels: Vec<_> = paths
        .into_iter()
        .filter_map(|path| {
            let version = kernel_version(&path)?;
            Some((class(&path), place(&path), version, path))
        })
        .filter(|(class, ..)| *class != Class::Leftover)
        .collect();
    kernels.sort_by(|(class, place, version, _), (other_class, other_place, other, _)| {
        (class, place).cmp(&(other_class, other_place)).then_with(|| by_preference(version, other))
    });
    kernels.into_iter().map(|(.., path)| path).collect()
}

/// The class of the kernel at this path.
pub fn class(path: &Path) -> Class {
    let text = kernel_version(path).unwrap_or_else(|| name_of(path));
    let text = text.to_ascii_lowercase();
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let has = |list: &[&str]| words.clone().any(|word| list.contains(&word));
    if has(&LEFTOVER) || UNFINISHED.iter().any(|ending| text.ends_with(ending)) {
        Class::Leftover
    } else if has(&RESCUE) {
        Class::Rescue
    } else if words.any(|word| TEST.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()))) {
        Class::Test
    } else {
        Class::Release
    }
}

/// The version in the path of a kernel: `vmlinuz-VERSION`, `modules/VERSION/vmlinuz`, `HASH-linux-VERSION-bzImage`. `None` for a name
/// without a version.
pub fn kernel_version(path: &Path) -> Option<String> {
    if let Some(version) = modules_version(path) {
        return Some(version);
    }
    let name = name_of(path);
    if let Some((_, rest)) = name.split_once("-linux-") {
        let of_nix = KERNELS.iter().find_map(|kernel| rest.strip_suffix(kernel)?.strip_suffix('-'));
        if let Some(version) = of_nix {
            return Some(version.to_owned());
        }
    }
    let version = KERNELS.iter().find_map(|kernel| name.strip_prefix(kernel)?.strip_prefix('-'))?;
    Some(without(version, &KERNEL_ENDINGS).to_owned())
}

/// The version in the path of an initramfs, `Some(None)` for a name without a version. `None` for any other file.
pub fn initramfs_version(path: &Path) -> Option<Option<String>> {
    let name = name_of(path);
    if let Some(version) = name.strip_suffix("-initrd").and_then(|name| name.split_once("-initrd-linux-")) {
        return Some(Some(version.1.to_owned()));
    }
    let rest = INITRAMFS.iter().find_map(|initramfs| name.strip_prefix(initramfs))?;
    let rest = without(rest, &ENDINGS);
    match (rest.strip_prefix('-'), modules_version(path)) {
        (_, Some(version)) if rest.is_empty() => Some(Some(version)),
        (None, _) if rest.is_empty() => Some(None),
        (Some(version), _) if !version.is_empty() => Some(Some(version.to_owned())),
        // A leftover such as `initrd.img.old` belongs to no kernel.
        _ => rest.starts_with('.').then(|| Some(rest.to_owned())),
    }
}

/// The rank of an initramfs among those of the same kernel in the same directory.
pub fn initramfs_rank(name: &str) -> usize {
    INITRAMFS.iter().position(|initramfs| name.starts_with(initramfs)).unwrap_or(INITRAMFS.len())
}

/// The version of the modules beside which a file is: `modules/VERSION/NAME`.
fn modules_version(path: &Path) -> Option<String> {
    let version = path.parent()?;
    MODULES.iter().any(|modules| version.parent() == Some(Path::new(modules))).then(|| name_of(version))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn place(path: &Path) -> usize {
    let dir = path.parent().unwrap_or(Path::new(""));
    VERSIONED_DIRS.iter().position(|known| dir == Path::new(known)).unwrap_or(VERSIONED_DIRS.len())
}

/// The text without these endings.
fn without<'t>(text: &'t str, endings: &[&str]) -> &'t str {
    let mut text = text;
    while let Some(shorter) = endings.iter().find_map(|ending| text.strip_suffix(ending)) {
        text = shorter;
    }
    text
}

/// The order of kernels of one class, the one to boot first: a number before a flavour, a short flavour before a long one (`linux`,
/// `linux-lts`), and the higher version.
fn by_preference(a: &str, b: &str) -> Ordering {
    let (a_text, b_text) = (split_at_digit(a).0, split_at_digit(b).0);
    let flavour = (a_text.len(), a_text).cmp(&(b_text.len(), b_text));
    flavour.then_with(|| by_version(b, a))
}

/// The order of versions for people and packages: runs of digits are compared by their value, and a `~` comes before everything, even the end.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (a_text, a_rest) = split_at_digit(a);
        let (b_text, b_rest) = split_at_digit(b);
        let (a_number, a_next) = split_digits(a_rest);
        let (b_number, b_next) = split_digits(b_rest);
        let numbers = a_number.len().cmp(&b_number.len()).then_with(|| a_number.cmp(b_number));
        let order = by_text(a_text, b_text).then(numbers);
        if order != Ordering::Equal || (a_next.is_empty() && b_next.is_empty()) {
            return order;
        }
        (a, b) = (a_next, b_next);
    }
}

/// The order of two texts without digits.
fn by_text(a: &str, b: &str) -> Ordering {
    // The end is 1, so that only `~` is before it.
    let weights = |text: &str| {
        text.chars().map(|c| if c == '~' { 0 } else { u32::from(c) + 1 }).chain([1]).collect::<Vec<_>>()
    };
    weights(a).cmp(&weights(b))
}

fn split_at_digit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Splits the text into its first digits, without leading zeros, and the rest.
fn split_digits(text: &str) -> (&str, &str) {
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_of(names: &[&str]) -> String {
        let best = ordered(names.iter().map(PathBuf::from).collect());
        best.first().map(|path| path.display().to_string()).unwrap_or_default()
    }

    #[test]
    fn the_kernel_to_boot_of_several() {
        for (expected, others) in [
            ("boot/vmlinuz-6.10.0", &["boot/vmlinuz-6.9.0", "boot/vmlinuz-6.1.0-50-amd64"][..]),
            ("boot/vmlinuz-6.1.0-50-amd64", &["boot/vmlinuz-6.1.0-6-amd64"]),
            ("boot/vmlinuz-6.1.1", &["boot/vmlinuz-6.1"]),
            ("boot/vmlinuz-6.1.0", &["boot/vmlinuz-6.1.0~bpo1"]),
            ("boot/vmlinuz-6.6.30-gentoo-r1", &["boot/vmlinuz-6.6.30-gentoo"]),
            ("boot/vmlinuz-6.8.0", &["boot/vmlinuz-6.9.0-rc1", "boot/vmlinuz-6.10.0-0.rc3.fc41.x86_64"]),
            ("boot/vmlinuz-6.9-rc10", &["boot/vmlinuz-6.9-rc9"]),
            ("boot/vmlinuz-6.8.5.x86_64", &["boot/vmlinuz-6.8.5.x86_64+debug"]),
            (
                "boot/vmlinuz-6.1.0",
                &["boot/vmlinuz-6.2.0.old", "boot/vmlinuz-6.2.0.bak", "boot/vmlinuz-6.2.0~"],
            ),
            ("boot/vmlinuz-6.1.0", &["boot/vmlinuz-6.2.0.dpkg-new", "boot/vmlinuz-6.2.0.rpmsave"]),
            ("boot/vmlinuz-6.1.0", &["boot/vmlinuz-9-rescue-0123", "boot/kernel-6.2-fallback"]),
            ("boot/vmlinuz-6.1.0", &["boot/config-6.2.0", "boot/zImage-imx6.dtb", "boot/initrd.img-6.2.0"]),
            ("boot/vmlinuz-6.9-rc1", &["boot/vmlinuz-0-rescue-0123"]),
            ("boot/vmlinuz-0-rescue-0123", &["boot/vmlinuz-6.1.0.old"]),
            ("boot/vmlinuz-linux", &["boot/vmlinuz-linux-lts", "boot/vmlinuz-linux-zen"]),
            ("boot/vmlinuz-6.9.1", &["boot/vmlinuz-linux"]),
            ("boot/vmlinuz-6.1", &["usr/lib/modules/6.2/vmlinuz"]),
            ("usr/lib/modules/6.2/vmlinuz", &["usr/lib/modules/6.1/vmlinuz", "boot/vmlinuz-6.3-rc1"]),
            ("boot/kernel-genkernel-x86_64-6.10.1", &["boot/kernel-genkernel-x86_64-6.9.1"]),
            ("", &["boot/vmlinuz-6.1.0.old", "boot/vmlinuz-6.1.0.dpkg-tmp"]),
        ] {
            let forwards = [&[expected][..], others].concat();
            let backwards: Vec<&str> = forwards.iter().rev().copied().collect();
            for names in [forwards, backwards] {
                let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
                assert_eq!(first_of(&names), expected, "{names:?}");
            }
        }
    }

    #[test]
    fn the_version_that_an_initramfs_belongs_to() {
        for (path, version) in [
            ("boot/initrd.img-6.1.0-9-amd64", Some(Some("6.1.0-9-amd64"))),
            ("boot/initramfs-6.8.5-301.fc40.x86_64.img", Some(Some("6.8.5-301.fc40.x86_64"))),
            ("boot/initrd-6.4.0-1-default", Some(Some("6.4.0-1-default"))),
            ("boot/initramfs-linux.img", Some(Some("linux"))),
            ("boot/initramfs-linux-fallback.img", Some(Some("linux-fallback"))),
            ("boot/initramfs-lts", Some(Some("lts"))),
            ("boot/initramfs-6.1.cpio.gz", Some(Some("6.1"))),
            ("boot/initrd.img", Some(None)),
            ("boot/initrd.gz", Some(None)),
            ("boot/initramfs", Some(None)),
            ("usr/lib/modules/6.9.5/initramfs.img", Some(Some("6.9.5"))),
            ("boot/kernels/abc-initrd-linux-6.6.32-initrd", Some(Some("6.6.32"))),
            ("boot/initrd.img.old", Some(Some(".old"))),
            ("boot/initramfs-tools", Some(Some("tools"))),
            ("boot/intel-ucode.img", None),
            ("boot/initialise", None),
        ] {
            let version = version.map(|version| version.map(str::to_owned));
            assert_eq!(initramfs_version(Path::new(path)), version, "{path}");
        }
    }
}
