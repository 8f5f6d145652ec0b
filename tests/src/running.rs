//! A process tree whose `/` is a version on a real volume: to the tools, a running system.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::partitions;

use crate::image::volume_offset;
use crate::image::{Image, Mounted};
use crate::programs;

/// A version that "runs": mounted for this thread only, with the shared state, /proc, /dev and the programs in /tmp.
pub struct Running {
    root: PrivateMount,
    device: LoopDevice,
    _boot: Option<LoopDevice>,
}

impl Running {
    /// Starts the version of the image.
    pub fn start(image: &Image, label: &str) -> Self {
        Running::start_at(&image.path(), label)
    }

    /// Starts the version of the image at this path; where that has partitions, the first is an ext4 for `/boot`.
    pub fn start_at(image: &Path, label: &str) -> Self {
        let file = std::fs::File::options().read(true).write(true).open(image).expect("the image");
        let partitions = partitions::read(&file, image).expect("a table");
        let device = LoopDevice::attach(&file, image, volume_offset(image), 0, false).expect("a loop device");
        let options = format!("subvol=systems/{label}/run");
        let root =
            PrivateMount::new(device.path(), "btrfs", MsFlags::empty(), &options).expect("the version");
        for name in ["home", "opt", "root", "srv", "var"] {
            let options = format!("subvol=state/{name}");
            attach(device.path(), &root.path().join(name), "btrfs", MsFlags::empty(), &options);
        }
        attach(Path::new("proc"), &root.path().join("proc"), "proc", MsFlags::empty(), "");
        attach(Path::new("/dev"), &root.path().join("dev"), "", MsFlags::MS_BIND, "");
        attach(Path::new("tmpfs"), &root.path().join("run"), "tmpfs", MsFlags::empty(), "");
        attach(Path::new("tmpfs"), &root.path().join("tmp"), "tmpfs", MsFlags::empty(), "");
        let boot = partitions.first().map(|boot| {
            let device =
                LoopDevice::attach(&file, image, boot.start, boot.size, false).expect("a loop device");
            attach(device.path(), &root.path().join("boot"), "ext4", MsFlags::empty(), "");
            device
        });
        for name in ["system-version-manager", "baserock-system-config-sync"] {
            std::fs::copy(programs::path(name), root.path().join("tmp").join(name)).expect("a program");
        }
        Running { root, device, _boot: boot }
    }

    /// The disk that it runs from.
    pub fn device(&self) -> &Path {
        self.device.path()
    }

    /// The top level of its volume, mounted once more.
    pub fn top_level(&self) -> Mounted {
        Mounted::of(self.device.path(), "subvolid=5")
    }

    /// A command inside, by its path there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.root.path()).arg(program).env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin");
        command
    }

    /// Runs `system-version-manager` inside.
    pub fn manage(&self, arguments: &[&str]) -> programs::Done {
        programs::run(self.command("/tmp/system-version-manager").args(arguments))
    }

    /// Mounts one of its folders once more, so that no program there can be run.
    pub fn forbid_programs_in(&self, folder: &str) {
        let place = self.path(folder);
        mount(Some(&place), &place, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .and_then(|()| {
                let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOEXEC;
                mount(None::<&str>, &place, None::<&str>, flags, None::<&str>)
            })
            .unwrap_or_else(|error| panic!("mount {folder}: {error}"));
    }

    /// Puts a program of this machine into it, with the libraries that it needs.
    pub fn add_program(&self, program: &str, inside: &str) {
        let needed = programs::shell("ldd", &[program]);
        let libraries = needed.split_whitespace().filter(|word| word.starts_with('/'));
        for (from, to) in libraries.map(|library| (library, &library[1..])).chain([(program, inside)]) {
            let to = self.path(to);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
            std::fs::copy(from, to).unwrap_or_else(|error| panic!("{from}: {error}"));
        }
    }

    /// Where a path of the running system is for this thread.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside)
    }
}

fn attach(source: &Path, target: &Path, kind: &str, flags: MsFlags, options: &str) {
    mount(Some(source), target, Some(kind), flags, Some(options))
        .unwrap_or_else(|error| panic!("mount {}: {error}", source.display()));
}
