//! Finds the kernel, initramfs and device trees of a root filesystem.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};
use system::resolve::Links;
use system::walk::{Visit, Walk};

use crate::boot::{BootFile, Parameters, kernel_image, names};
use crate::refusal::Refusal;
use crate::rootfs::architecture::architecture;

/// The extensions of device trees, and of overlays for them.
const DEVICE_TREES: [&str; 2] = ["dtb", "dtbo"];

/// The boot files of a version, open for reading.
#[derive(Debug)]
pub struct BootFiles {
    /// The kernel.
    pub kernel: Found,
    /// The initramfs, if any.
    pub initramfs: Option<Found>,
    /// The device tree, or the directory with those of several boards, if any.
    pub dtb: Option<DeviceTrees>,
    /// The initramfs files of the tree if none of them belongs to the kernel, and none was asked for.
    pub others: Vec<PathBuf>,
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

/// The device trees of a version.
#[derive(Debug)]
pub enum DeviceTrees {
    /// That of one board.
    One(Found),
    /// A directory, from which the boot loader takes that of its board.
    Directory(TreesDir),
}

/// A directory with device trees in a root filesystem.
#[derive(Debug)]
pub struct TreesDir {
    tree: Dir,
    path: PathBuf,
    files: Vec<PathBuf>,
}

impl BootFiles {
    /// The bytes of all of them.
    pub fn size(&self) -> Result<u64> {
        let mut size = self.kernel.size()?;
        if let Some(initramfs) = &self.initramfs {
            size += initramfs.size()?;
        }
        match &self.dtb {
            Some(DeviceTrees::One(found)) => size += found.size()?,
            Some(DeviceTrees::Directory(trees)) => {
                for file in trees.files() {
                    size += trees.open(file)?.size()?;
                }
            }
            None => {}
        }
        Ok(size)
    }
}

/// Finds the boot files in the root filesystem `tree`: at the paths in the parameters, or else at the usual places of distributions.
pub fn boot_files(tree: &Dir, parameters: &Parameters) -> Result<BootFiles> {
    let (kernel, asked) = match &parameters.kernel_path {
        Some(path) if !path.as_os_str().is_empty() => (named(tree, path, BootFile::Kernel)?, path.clone()),
        _ => find_kernel(tree)?,
    };
    refuse_other_processor(tree, &kernel)?;
    let (initramfs, others) = match &parameters.initramfs_path {
        Some(path) if path.as_os_str().is_empty() => (None, Vec::new()),
        Some(path) => (Some(named(tree, path, BootFile::Initramfs)?), Vec::new()),
        None => find_initramfs(tree, &kernel.path, &asked)?,
    };
    let dtb = match &parameters.dtb_path {
        Some(path) if !path.as_os_str().is_empty() => Some(device_trees(tree, path)?),
        _ => None,
    };
    Ok(BootFiles { kernel, initramfs, dtb, others })
}

/// Fails if the kernel cannot run the programs of the tree.
fn refuse_other_processor(tree: &Dir, kernel: &Found) -> Result<()> {
    let Some(runs) = kernel_image::runs(&head(&kernel.file, &kernel.shown)?) else { return Ok(()) };
    match architecture(tree)? {
        Some(own) if !runs.contains(&own) => {
            let (kernel, runs) = (kernel.shown.clone(), runs.join(", "));
            Err(Refusal::OtherProcessor { kernel, runs, own }.into())
        }
        _ => Ok(()),
    }
}

/// The beginning of a kernel, as far as it tells of itself.
pub fn head(kernel: &File, shown: &Path) -> Result<Vec<u8>> {
    let mut head = vec![0; kernel_image::HEAD];
    let count = kernel.read_at(&mut head, 0).or_cannot("read", shown)?;
    head.truncate(count);
    Ok(head)
}

fn named(tree: &Dir, path: &Path, file: BootFile) -> Result<Found> {
    let found = open(tree, path)?.ok_or_else(|| Refusal::NoBootFile { file, path: tree.shown(path) })?;
    if found.is_empty()? {
        return Err(Refusal::EmptyBootFile { file, path: found.shown }.into());
    }
    Ok(found)
}

/// The device tree at this path, or all those in the directory at this path.
fn device_trees(tree: &Dir, path: &Path) -> Result<DeviceTrees> {
    let Some(dir) = directory(tree, path)? else {
        return named(tree, path, BootFile::DeviceTree).map(DeviceTrees::One);
    };
    let mut files = Vec::new();
    let mut walk = Walk::new(dir)?;
    while let Some(visit) = walk.next()? {
        let Visit::Name(place) = visit else { continue };
        if place.path.extension().is_some_and(|end| DEVICE_TREES.iter().any(|known| end == *known)) {
            named(tree, &path.join(place.path), BootFile::DeviceTree)?;
            files.push(place.path.to_owned());
        }
    }
    if files.is_empty() {
        return Err(Refusal::NoDeviceTrees { path: tree.shown(path) }.into());
    }
    Ok(DeviceTrees::Directory(TreesDir { tree: tree.duplicate()?, path: path.to_owned(), files }))
}

/// The kernel at the usual places, and the path at which it was found.
fn find_kernel(tree: &Dir) -> Result<(Found, PathBuf)> {
    let (mut rescue, mut empty) = (None, None);
    let paths = names::PLAIN.iter().map(PathBuf::from).chain(names::ordered(versioned(tree)?));
    for path in paths {
        let Some(found) = open(tree, &path)? else { continue };
        match names::class(&found.path) {
            _ if found.is_empty()? => drop(empty.get_or_insert(found.shown)),
            names::Class::Leftover => {}
            names::Class::Rescue => drop(rescue.get_or_insert((found, path))),
            names::Class::Release | names::Class::Test => return Ok((found, path)),
        }
    }
    match (rescue, empty) {
        (Some(rescue), _) => Ok(rescue),
        (None, Some(path)) => Err(Refusal::EmptyBootFile { file: BootFile::Kernel, path }.into()),
        (None, None) => Err(no_kernel(tree)),
    }
}

fn no_kernel(tree: &Dir) -> system::Error {
    let plain = names::PLAIN.iter().filter(|path| path.split('/').count() < 3).map(|path| format!("/{path}"));
    let versioned = ["/boot/vmlinuz-*".to_owned(), format!("/{}/*/vmlinuz", names::MODULES[0])];
    let looked = plain.chain(versioned).collect::<Vec<_>>().join(", ");
    Refusal::NoKernel { tree: tree.shown(""), looked }.into()
}

/// The paths that may be kernels with a version.
fn versioned(tree: &Dir) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for dir in names::VERSIONED_DIRS.map(Path::new) {
        paths.extend(names_in(tree, dir)?.into_iter().map(|name| dir.join(name)));
    }
    for modules in names::MODULES.map(Path::new) {
        for version in names_in(tree, modules)? {
            paths.extend(names::KERNELS.iter().map(|kernel| modules.join(&version).join(kernel)));
        }
    }
    Ok(paths)
}

/// The initramfs of this very kernel, which was found at the path `asked`. If there is none, the initramfs files of other kernels.
fn find_initramfs(tree: &Dir, kernel: &Path, asked: &Path) -> Result<(Option<Found>, Vec<PathBuf>)> {
    let version = names::kernel_version(kernel);
    let mut others: Vec<(bool, Found)> = Vec::new();
    for dir in initramfs_dirs(kernel, asked, version.as_deref()) {
        let mut names = names_in(tree, &dir)?;
        names.sort_by_key(|name| names::initramfs_rank(name));
        for path in names.into_iter().map(|name| dir.join(name)) {
            let Some(by_name) = names::initramfs_version(&path) else { continue };
            let Some(found) = open(tree, &path)? else { continue };
            // A link without a version leads to a file that has one.
            let of = by_name.or_else(|| names::initramfs_version(&found.path).flatten());
            let is_usable = !found.is_empty()?;
            if is_usable && of == version {
                return Ok((Some(found), Vec::new()));
            }
            if others.iter().all(|(_, other)| other.path != found.path) {
                others.push((is_usable && of.is_none(), found));
            }
        }
    }
    // Where there is one initramfs, and its name says nothing of a version, it is the kernel's.
    match others.as_slice() {
        [(true, _)] => Ok((others.pop().map(|(_, found)| found), Vec::new())),
        _ => Ok((None, others.into_iter().map(|(_, found)| found.shown).collect())),
    }
}

/// The directories with the initramfs of a kernel, in the order of the search.
fn initramfs_dirs(kernel: &Path, asked: &Path, version: Option<&str>) -> Vec<PathBuf> {
    let beside = [asked, kernel].map(|path| path.parent().unwrap_or(Path::new("")).to_owned());
    let modules = names::MODULES.iter().filter_map(|modules| Some(Path::new(modules).join(version?)));
    let usual = ["boot", ""].map(PathBuf::from);
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in beside.into_iter().chain(modules).chain(usual) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

impl TreesDir {
    /// The paths of the device trees in the directory, sorted.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Opens one of the device trees.
    pub fn open(&self, file: &Path) -> Result<Found> {
        named(&self.tree, &self.path.join(file), BootFile::DeviceTree)
    }
}

impl Found {
    fn is_empty(&self) -> Result<bool> {
        Ok(self.size()? == 0)
    }

    fn size(&self) -> Result<u64> {
        Ok(self.file.metadata().or_cannot("examine", &self.shown)?.len())
    }
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

/// Opens a directory; `None` if there is none. Links are followed as if the tree were `/`.
fn directory(tree: &Dir, path: &Path) -> Result<Option<Dir>> {
    match tree.dir_with(path, Links::InRoot) {
        Err(error) if matches!(error.os_error(), Some(libc::ENOTDIR | libc::ELOOP)) => Ok(None),
        outcome => if_exists(outcome),
    }
}

/// The names in a directory of the tree. There are none if there is no such directory.
fn names_in(tree: &Dir, path: &Path) -> Result<Vec<String>> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let Some(dir) = directory(tree, path)? else { return Ok(Vec::new()) };
    Ok(dir.entries()?.into_iter().filter_map(|entry| entry.name.into_string().ok()).collect())
}

#[cfg(test)]
mod tests;
