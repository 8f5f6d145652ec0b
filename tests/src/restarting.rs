//! Machines that restart: versions of real volumes that let root in by ssh. One that goes down comes up with what its boot loader chooses, on
//! the same port. It has this machine's `/usr`, and with it Python.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use crate::client::Client;
use crate::image::Image;
use crate::programs::{run, shell};
use crate::running::Running;
use crate::sshd::{Setup, Sshd, free_port};
use crate::version::{manage, write};
use crate::{disk, inputs};

/// A machine; gone with this value.
pub struct Restarting {
    port: u16,
    is_over: Arc<AtomicBool>,
    life: Option<JoinHandle<()>>,
}

/// A push keeps half a gigabyte free.
const MEGABYTES: u64 = 1536;
/// The server is the first process of the machine's namespace, and takes everything with it. It goes down a moment later, as a machine does.
const DOWN: &str = "#!/bin/sh\ntrap '' HUP\n(sleep 1; kill 1) >/dev/null 2>&1 &\n";
const SHELL: &str = "#!/bin/sh\nexec /bin/sh \"$@\"\n";
/// What every boot of a machine has of its own. A program there cannot restart the machine that runs the tests.
const BOOTING: &str = "mount --bind \"$0\" \"$1\"; shift; exec setpriv --bounding-set=-sys_boot \"$@\"";

/// Makes a tree of such a machine.
pub fn make_tree(tree: &Path, files: &[(&str, &str)]) {
    let small = inputs::busybox().expect("the small tree");
    shell("cp", &["-a", small.to_str().expect("a path"), tree.to_str().expect("a path")]);
    fs::create_dir(tree.join("usr")).expect("a folder");
    for (link, to) in [
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        ("sbin/system-version-manager", "/tmp/system-version-manager"),
    ] {
        symlink(to, tree.join(link)).expect("a link");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../bins/system-version-manager/baserock-trial.rc");
    let trial = fs::read_to_string(script).expect("the script for trials");
    let programs = [
        ("bin/bash", SHELL),
        ("sbin/reboot", DOWN),
        ("sbin/shutdown", DOWN),
        ("etc/init.d/baserock-trial", trial.as_str()),
    ];
    for (path, text) in programs.iter().chain(files) {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
    }
    for (path, _) in programs {
        fs::set_permissions(tree.join(path), Permissions::from_mode(0o755)).expect("its mode");
    }
}

impl Restarting {
    /// Starts a machine that has this tree as `factory`.
    pub fn start(tree: &Path) -> Self {
        let image = Image::to_be();
        write(tree, &image.path(), MEGABYTES).ok();
        disk::put_loader(&image.path());
        let (port, is_over, (up, is_up)) = (free_port(), Arc::new(AtomicBool::new(false)), mpsc::channel());
        let life = thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || live(&image, port, &is_over, &up)
        });
        is_up.recv().expect("the machine comes up");
        Restarting { port, is_over, life: Some(life) }
    }

    /// Where it listens: address and port.
    pub fn listens(&self) -> (&str, u16) {
        ("127.0.0.1", self.port)
    }
}

impl Drop for Restarting {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(life) = self.life.take() {
            let _failed_aloud = life.join();
        }
    }
}

/// Boots the machine again and again.
fn live(image: &Image, port: u16, is_over: &AtomicBool, up: &Sender<()>) {
    let mut label = "factory".to_owned();
    loop {
        boot(image, &label, port, is_over, up);
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        image.wait_until_detached();
        let once = disk::boot_once(&image.path());
        label = match once.split(' ').next() {
            None | Some("") => manage(image, &["get-default"]).ok().trim().to_owned(),
            Some(once) => once.to_owned(),
        };
    }
}

/// Boots a version, and waits until the machine goes down.
fn boot(image: &Image, label: &str, port: u16, is_over: &AtomicBool, up: &Sender<()>) {
    let system = Running::start(image, label);
    let usr = system.path("usr");
    let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(Some("/usr"), &usr, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .and_then(|()| mount(None::<&str>, &usr, None::<&str>, read_only, None::<&str>))
        .expect("this machine's /usr");
    let boot_id = tempfile::NamedTempFile::new().expect("a file");
    fs::copy("/proc/sys/kernel/random/uuid", boot_id.path()).expect("the name of a boot");
    let shown = system.path("proc/sys/kernel/random/boot_id");
    let [boot_id, shown] = [boot_id.path(), &shown].map(|path| path.to_str().expect("a path that is text"));
    let mut sshd = Sshd::start(
        &system.path(""),
        &Setup {
            port: Some(port),
            through: &["sh", "-ec", BOOTING, boot_id, shown],
            environment: &[("PATH", "/sbin:/bin:/usr/sbin:/usr/bin")],
            ..Setup::default()
        },
    );
    let client = Client::new().knows("here", sshd.listens(), "");
    run(client.own(&mut Command::new("ssh")).args(["here", "system-version-manager confirm --at-boot"])).ok();
    // Who has started it may have gone on.
    let _nobody_waits = up.send(());
    while !is_over.load(Ordering::Relaxed) && !sshd.has_ended() {
        thread::sleep(Duration::from_millis(50));
    }
}
