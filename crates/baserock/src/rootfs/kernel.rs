//! Finds the kernel, initramfs and device tree of a root filesystem.

use std::cmp::Ordering;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};
use system::resolve::Links;

use crate::boot::Parameters;
use crate::refusal::{BootFile, Refusal};

/// The boot files of a version, open for reading.
#[derive(Debug)]
pub struct BootFiles {
    /// The kernel.
    pub kernel: Found,
    /// The initramfs, if any.
    pub initramfs: Option<Found>,
    /// The device tree, if any.
    pub dtb: Option<Found>,
}

/// A file in a root filesystem.
#[derive(Debug)]
pub struct Found {
    /// Its path in the root filesystem, links resolved, without a leading `/`.
    pub path: PathBuf,
    /// Its name for messages.
    pub shown: PathBuf,
    /// The file, open for reading.
    pub file: File,
}

/// The usual paths of a kernel, in the order of the search. After them comes the highest `boot/vmlinuz-VERSION`.
const KERNELS: [&str; 4] = ["boot/vmlinuz", "boot/zImage", "boot/uImage", "vmlinuz"];
const VERSIONED: &str = "vmlinuz-";

/// Finds the boot files in the root filesystem `tree`: at the paths in the parameters, or else at the usual places of distributions.
pub fn boot_files(tree: &Dir, parameters: &Parameters) -> Result<BootFiles> {
    let kernel = match &parameters.kernel_path {
        Some(path) if !path.as_os_str().is_empty() => named(tree, path, BootFile::Kernel)?,
        _ => find_kernel(tree)?,
    };
    let initramfs = match &parameters.initramfs_path {
        Some(path) if path.as_os_str().is_empty() => None,
        Some(path) => Some(named(tree, path, BootFile::Initramfs)?),
        None => find_initramfs(tree, &kernel.path)?,
    };
    let dtb = match &parameters.dtb_path {
        Some(path) if !path.as_os_str().is_empty() => Some(named(tree, path, BootFile::DeviceTree)?),
        _ => None,
    };
    Ok(BootFiles { kernel, initramfs, dtb })
}

fn named(tree: &Dir, path: &Path, file: BootFile) -> Result<Found> {
    open(tree, path)?.ok_or_else(|| Refusal::NoBootFile { file, path: tree.shown(path) }.into())
}

fn find_kernel(tree: &Dir) -> Result<Found> {
    for path in KERNELS {
        if let Some(found) = open(tree, path.as_ref())? {
            return Ok(found);
        }
    }
    let highest = names(tree, "boot")?
        .into_iter()
        .filter(|name| name.starts_with(VERSIONED))
        .max_by(|a, b| by_version(a, b));
    let found = highest.map_or(Ok(None), |name| open(tree, &Path::new("boot").join(name)))?;
    found.ok_or_else(|| {
        let looked = KERNELS.map(|path| format!("/{path}")).join(", ");
        let looked = format!("{looked} and /boot/{VERSIONED}*");
        Refusal::NoKernel { tree: tree.shown(""), looked }.into()
    })
}

/// The initramfs of this very kernel.
fn find_initramfs(tree: &Dir, kernel: &Path) -> Result<Option<Found>> {
    let name = kernel.file_name().unwrap_or_default().to_string_lossy();
    let Some(version) = name.strip_prefix(VERSIONED) else { return Ok(None) };
    for name in [format!("initrd.img-{version}"), format!("initramfs-{version}.img")] {
        if let Some(found) = open(tree, &Path::new("boot").join(name))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Opens a regular file; `None` if there is none. Links are followed as if the tree were `/`.
fn open(tree: &Dir, path: &Path) -> Result<Option<Found>> {
    let handle = match tree.open_with(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0, Links::InRoot) {
        Err(error) if matches!(error.os_error(), Some(libc::ENOTDIR | libc::ELOOP | libc::ENXIO)) => {
            return Ok(None);
        }
        outcome => if_exists(outcome)?,
    };
    let Some(file) = handle.map(File::from) else { return Ok(None) };
    if !file.metadata().or_cannot("examine", tree.shown(path))?.is_file() {
        return Ok(None);
    }
    let path = resolved(tree, &file)?.unwrap_or_else(|| path.to_owned());
    Ok(Some(Found { shown: tree.shown(&path), path, file }))
}

/// The real path of the file, relative to the tree.
fn resolved(tree: &Dir, file: &File) -> Result<Option<PathBuf>> {
    let real = |fd: i32| {
        let link = PathBuf::from(format!("/proc/self/fd/{fd}"));
        std::fs::read_link(&link).or_cannot("read link", &link)
    };
    let (root, path) = (real(std::os::fd::AsFd::as_fd(tree).as_raw_fd())?, real(file.as_raw_fd())?);
    Ok(path.strip_prefix(root).map(Path::to_owned).ok())
}

fn names(tree: &Dir, path: &str) -> Result<Vec<String>> {
    let Some(dir) = if_exists(tree.dir_with(path, Links::InRoot))? else { return Ok(Vec::new()) };
    Ok(dir.entries()?.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect())
}

/// The order of versions for people: runs of digits are compared by their value.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (a_text, a_rest) = split_at_digit(a);
        let (b_text, b_rest) = split_at_digit(b);
        let (a_number, a_next) = split_digits(a_rest);
        let (b_number, b_next) = split_digits(b_rest);
        let numbers = a_number.len().cmp(&b_number.len()).then_with(|| a_number.cmp(b_number));
        let order = a_text.cmp(b_text).then(numbers);
        if order != Ordering::Equal || (a_next.is_empty() && b_next.is_empty()) {
            return order;
        }
        (a, b) = (a_next, b_next);
    }
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
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[&str]) -> (tempfile::TempDir, Dir) {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("boot")).unwrap();
        for file in files {
            fs::write(place.path().join(file), "x").unwrap();
        }
        let dir = Dir::open(place.path()).unwrap().shown_as("/systems/a/orig");
        (place, dir)
    }

    #[test]
    fn versions_are_ordered_as_people_read_them() {
        let mut names =
            ["vmlinuz-6.10.0", "vmlinuz-6.9.0", "vmlinuz-6.1.0-50-amd64", "vmlinuz-6.1.0-6-amd64"];
        names.sort_by(|a, b| by_version(a, b));
        assert_eq!(
            names,
            ["vmlinuz-6.1.0-6-amd64", "vmlinuz-6.1.0-50-amd64", "vmlinuz-6.9.0", "vmlinuz-6.10.0"]
        );
    }

    #[test]
    fn debians_link_leads_to_kernel_and_initramfs_of_one_version() {
        let (place, dir) =
            tree(&["boot/vmlinuz-6.1.0-9", "boot/initrd.img-6.1.0-9", "boot/initrd.img-6.1.0-8"]);
        symlink("boot/vmlinuz-6.1.0-9", place.path().join("vmlinuz")).unwrap();
        let files = boot_files(&dir, &Parameters::default()).unwrap();
        assert_eq!(files.kernel.path, Path::new("boot/vmlinuz-6.1.0-9"));
        assert_eq!(files.initramfs.unwrap().path, Path::new("boot/initrd.img-6.1.0-9"));
        assert!(files.dtb.is_none());
    }

    #[test]
    fn the_highest_kernel_without_a_link() {
        let (_place, dir) = tree(&["boot/vmlinuz-6.9.1", "boot/vmlinuz-6.10.0", "boot/initramfs-6.10.0.img"]);
        let files = boot_files(&dir, &Parameters::default()).unwrap();
        assert_eq!(files.kernel.path, Path::new("boot/vmlinuz-6.10.0"));
        assert_eq!(files.initramfs.unwrap().path, Path::new("boot/initramfs-6.10.0.img"));
    }

    #[test]
    fn what_the_parameters_name_must_be_there() {
        let (_place, dir) = tree(&["boot/zImage", "boot/board.dtb"]);
        let with = |kernel: Option<&str>, initramfs: Option<&str>, dtb: Option<&str>| Parameters {
            kernel_path: kernel.map(PathBuf::from),
            initramfs_path: initramfs.map(PathBuf::from),
            dtb_path: dtb.map(PathBuf::from),
            ..Parameters::default()
        };
        let files = boot_files(&dir, &with(Some("boot/zImage"), Some(""), Some("boot/board.dtb"))).unwrap();
        assert!(files.initramfs.is_none() && files.dtb.is_some());
        let error = boot_files(&dir, &with(None, Some("boot/initrd"), None)).unwrap_err().to_string();
        assert!(error.starts_with("the initramfs /systems/a/orig/boot/initrd does not exist"), "{error}");
    }

    #[test]
    fn without_a_kernel_it_tells_where_it_looked() {
        let (_place, dir) = tree(&[]);
        let error = boot_files(&dir, &Parameters::default()).unwrap_err().to_string();
        assert!(error.contains("/boot/zImage") && error.contains("/boot/vmlinuz-*"), "{error}");
    }
}
