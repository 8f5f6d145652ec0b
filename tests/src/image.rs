//! Images with a real btrfs filesystem.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::MsFlags;
use system::dir::Dir;
use system::loopdev::{self, LoopDevice};
use system::mount::PrivateMount;
use system::process::Program;
use system::{partitions, superblock};
use tempfile::TempDir;

/// How long the kernel may take to let go of a disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it takes usually. A test may want two mounts at once.
const MOMENT: Duration = Duration::from_secs(1);

/// A sparse image file, gone with this value.
pub struct Image {
    place: TempDir,
}

/// An image that is mounted, for this thread only.
pub struct Mounted {
    mount: PrivateMount,
    _device: Option<LoopDevice>,
}

impl Image {
    /// A place for an image that something else will make.
    pub fn to_be() -> Self {
        Image { place: tempfile::tempdir().expect("a temporary directory") }
    }

    /// An image of this size without a filesystem.
    pub fn blank(megabytes: u64) -> Self {
        let image = Image::to_be();
        File::create(image.path()).and_then(|file| file.set_len(megabytes << 20)).expect("a sparse file");
        image
    }

    /// An image of this size with an empty btrfs.
    pub fn btrfs(megabytes: u64) -> Self {
        let image = Image::blank(megabytes);
        Program::new("mkfs.btrfs")
            .package("btrfs-progs")
            .arg("-q")
            .arg(image.path())
            .run()
            .expect("mkfs.btrfs");
        image
    }

    /// A copy of it in memory, for a test that takes many.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Image { place: tempfile::tempdir_in("/dev/shm").expect("a directory in memory") };
        if self.path().exists() {
            Program::new("cp")
                .args(["--sparse=always", "--reflink=auto"])
                .args([self.path(), copy.path()])
                .run()
                .expect("a copy");
        }
        copy
    }

    /// Whether no loop device has it: whoever had it attached is gone, its mounts with it.
    pub fn is_detached(&self) -> bool {
        holder(&self.path()).is_none()
    }

    /// Waits until no loop device has it.
    #[track_caller]
    pub fn wait_until_detached(&self) {
        wait_until_free(&self.path());
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.place.path().join("disk.img")
    }

    /// The directory that holds it, for more files of the same test.
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// All of it, once nobody has it mounted any more.
    pub fn bytes(&self) -> Vec<u8> {
        self.wait_until_detached();
        fs::read(self.path()).expect("the image")
    }

    /// Mounts the btrfs on it, which may be in a partition, with these options.
    pub fn mount(&self, options: &str) -> Mounted {
        self.mount_at(volume_offset(&self.path()), options)
    }

    /// Mounts the ext4 for `/boot`, where it has one.
    pub fn mount_boot(&self) -> Option<Mounted> {
        boot_at(&self.path())
    }

    /// Mounts the btrfs that begins `offset` bytes into the image.
    pub fn mount_at(&self, offset: u64, options: &str) -> Mounted {
        Mounted::at(&self.path(), offset, options)
    }
}

/// The ext4 for `/boot` of the disk at this path, which is its first partition but for an EFI system partition; `None` if there is only the
/// volume.
pub fn boot_at(disk: &Path) -> Option<Mounted> {
    let file = File::options().read(true).write(true).open(disk).expect("the disk");
    let partitions = partitions::read(&file, disk).expect("a table");
    let volume = volume_offset(disk);
    let boot = partitions.iter().find(|partition| !partition.is_esp).filter(|boot| boot.start != volume)?;
    let device = LoopDevice::attach(&file, disk, boot.start, boot.size, false).expect("a loop device");
    let mount = PrivateMount::new(device.path(), "ext4", MsFlags::empty(), "").expect("a mount");
    Some(Mounted { mount, _device: Some(device) })
}

/// The loop device that has the disk.
fn holder(disk: &Path) -> Option<PathBuf> {
    let file = File::open(disk).expect("the disk");
    loopdev::holder(&file, disk).expect("the loop devices")
}

/// Whether a loop device has the part of the disk that begins at `offset`.
fn is_attached(disk: &Path, offset: u64) -> bool {
    let disk = disk.canonicalize().expect("the disk");
    let devices = fs::read_dir("/sys/block").expect("the block devices");
    devices.filter_map(Result::ok).any(|device| {
        // What is not attached has no such folder.
        let says = |name: &str| fs::read_to_string(device.path().join("loop").join(name)).unwrap_or_default();
        Path::new(says("backing_file").trim_end()) == disk && says("offset").trim_end() == offset.to_string()
    })
}

/// Waits until no loop device has the disk: the kernel lets go of it a moment after the last process that had it mounted is gone.
#[track_caller]
pub fn wait_until_free(disk: &Path) {
    let begun = Instant::now();
    while let Some(device) = holder(disk) {
        assert!(begun.elapsed() < PATIENCE, "{} stays on {}", disk.display(), device.display());
        sleep(Duration::from_millis(10));
    }
}

fn private(device: &Path, options: &str) -> PrivateMount {
    PrivateMount::new(device, "btrfs", MsFlags::empty(), options).expect("a mount")
}

impl Mounted {
    /// The btrfs that begins `offset` bytes into the image at this path.
    pub fn at(image: &Path, offset: u64, options: &str) -> Self {
        let file = File::options().read(true).write(true).open(image).expect("the image");
        // An earlier mount, which another thread's namespace still sees, ends a moment later. Two at once may lose what the first one wrote.
        let begun = Instant::now();
        while is_attached(image, offset) && begun.elapsed() < MOMENT {
            sleep(Duration::from_millis(10));
        }
        let device = LoopDevice::attach(&file, image, offset, 0, false).expect("a loop device");
        Mounted { mount: private(device.path(), options), _device: Some(device) }
    }

    /// The btrfs on a device that is attached already.
    pub fn of(device: &Path, options: &str) -> Self {
        Mounted { mount: private(device, options), _device: None }
    }

    /// Its top-level directory.
    pub fn dir(&self) -> Dir {
        Dir::open(self.path()).expect("the mounted directory").shown_as("/")
    }

    /// Where it is mounted, for this thread and its children.
    pub fn path(&self) -> &Path {
        self.mount.path()
    }
}

/// Where the volume begins in an image, bytes.
pub fn volume_offset(image: &Path) -> u64 {
    let file = File::open(image).expect("the image");
    let is_volume = |&offset: &u64| superblock::read(&file, offset, image).expect("the image").is_some();
    let starts =
        partitions::read(&file, image).expect("a table").into_iter().map(|partition| partition.start);
    std::iter::once(0).chain(starts).find(is_volume).expect("a volume in the image")
}
