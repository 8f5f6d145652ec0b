//! A running system that lets root in by ssh: real sshd on the loopback, in a process namespace of its own, whose `/` is a version.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::image::Image;
use crate::inputs;
use crate::programs;
use crate::running::Running;

/// A machine to push to.
pub struct Target {
    /// The system.
    pub system: Running,
    sshd: Child,
    address: String,
    port: u16,
    place: TempDir,
}

/// The login shell of the target: prints, as those of people do.
const NOISY_SHELL: &str = "#!/bin/sh\necho welcome; echo 'you have mail' >&2; printf 'no newline at the end'\nexec /bin/sh \"$@\"\n";

impl Target {
    /// Boots the version of the image.
    pub fn start(image: &Image, label: &str) -> Self {
        Target::start_on(image, label, None)
    }

    /// Boots it in another network namespace, where it has an address of its own.
    pub fn start_on(image: &Image, label: &str, network: Option<(&str, &str)>) -> Self {
        Target::start_at(&image.path(), label, network)
    }

    /// The same with the image at this path.
    pub fn start_at(image: &Path, label: &str, network: Option<(&str, &str)>) -> Self {
        let system = Running::start_at(image, label);
        // sshd takes the login shell from this machine's accounts.
        if !system.path("bin/bash").exists() {
            fs::write(system.path("bin/bash"), NOISY_SHELL).expect("a login shell");
            fs::set_permissions(system.path("bin/bash"), fs::Permissions::from_mode(0o755))
                .expect("its mode");
        }
        let place = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let key = inputs::ssh_key().expect("an ssh key");
        let address = network.map_or("127.0.0.1", |(_, address)| address).to_owned();
        let config = format!(
            "Port {port}\nListenAddress {address}\nHostKey {key}\nAuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nPidFile none\nChrootDirectory {root}\nMaxStartups 1000\n",
            key = key.display(),
            root = system.path("").display()
        );
        fs::write(place.path().join("sshd_config"), config).expect("a configuration");
        fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let mut sshd = match network {
            Some((namespace, _)) => {
                let mut enter = Command::new("ip");
                enter.args(["netns", "exec", namespace, "unshare"]);
                enter
            }
            None => Command::new("unshare"),
        };
        let sshd = sshd
            .args(["--pid", "--fork", "--kill-child"])
            .arg(format!("--mount-proc={}", system.path("proc").display()))
            .args(["/usr/sbin/sshd", "-D", "-e", "-f"])
            .arg(place.path().join("sshd_config"))
            .stderr(fs::File::create(place.path().join("sshd.log")).expect("a log"))
            .spawn()
            .expect("sshd starts");
        let target = Target { system, sshd, address, port, place };
        target.wait_until_listening();
        target
    }

    fn wait_until_listening(&self) {
        let begun = Instant::now();
        while TcpStream::connect((self.address.as_str(), self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "sshd does not listen");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// One of the programs, with the label, over this port.
    fn extension(&self, name: &str, label: &str, port: u16) -> Command {
        let mut command = self.client(programs::command(name), port);
        command.env("UPGRADE", "yes").env("VERSION_LABEL", label);
        command
    }

    /// Any program that uses ssh; the machine is called `target`.
    pub fn ssh_client(&self, program: &str) -> Command {
        self.client(Command::new(program), self.port)
    }

    fn client(&self, mut command: Command, port: u16) -> Command {
        let folder = self.place.path().join(port.to_string());
        let key = inputs::ssh_key().expect("an ssh key");
        fs::create_dir_all(&folder).expect("a folder");
        let config = format!(
            "Host target\nHostName {address}\nPort {port}\nUser root\nIdentityFile {}\nIdentitiesOnly yes\n\
             StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n",
            key.display(),
            address = self.address
        );
        fs::write(folder.join("config"), config).expect("a configuration");
        let wrapper = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", folder.join("config").display());
        fs::write(folder.join("ssh"), wrapper).expect("a program");
        fs::set_permissions(folder.join("ssh"), fs::Permissions::from_mode(0o755)).expect("its mode");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", folder.display())).env("XDG_CACHE_HOME", self.cache());
        command
    }

    /// The folder in which the sender keeps what it wants to know again.
    pub fn cache(&self) -> PathBuf {
        self.place.path().join("cache")
    }

    /// `ssh-rsync.write TREE root@target`.
    pub fn push(&self, tree: &Path, label: &str) -> Command {
        self.push_to(tree, label, self.port)
    }

    /// The same, over another port of the machine.
    pub fn push_to(&self, tree: &Path, label: &str, port: u16) -> Command {
        let mut push = self.extension("ssh-rsync-write", label, port);
        push.arg(tree).arg("root@target");
        push
    }

    /// The same over a connection that is cut after so many bytes from the sender.
    pub fn push_cut_after(&self, tree: &Path, label: &str, bytes: u64) -> Command {
        self.push_to(tree, label, cutting_proxy(self.port, bytes))
    }

    /// `ssh-rsync.check root@target`.
    pub fn check(&self, label: &str) -> Command {
        let mut check = self.extension("ssh-rsync-check", label, self.port);
        check.arg("root@target");
        check
    }

    /// Processor time of all connections so far, waiting for the last one to end.
    pub fn processor_time(&self) -> Duration {
        let children = |process: &str| {
            fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("its children")
        };
        let listener = children(&self.sshd.id().to_string()).trim().to_owned();
        let begun = Instant::now();
        while !children(&listener).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "a connection does not end");
            thread::sleep(Duration::from_millis(20));
        }
        let stat = fs::read_to_string(format!("/proc/{listener}/stat")).expect("its times");
        let (_, fields) = stat.rsplit_once(") ").expect("fields after the name");
        // Of waited-for children, in user and system mode; hundredths of a second.
        let times = fields.split(' ').skip(13).take(2).map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(times.sum::<u64>() * 10)
    }

    /// Whether the machine is down within ten seconds: its first process has ended.
    pub fn goes_down(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.sshd.try_wait().expect("its state").is_some() {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _down_already = self.sshd.kill();
        let _ended = self.sshd.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its number").port()
}

/// A port that leads to another, until so many bytes have gone there.
fn cutting_proxy(port: u16, bytes: u64) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let own = listener.local_addr().expect("its number").port();
    thread::spawn(move || {
        let (near, _) = listener.accept().expect("a connection");
        let far = TcpStream::connect(("127.0.0.1", port)).expect("sshd");
        let (mut back_from, mut back_to) = (far.try_clone().expect("far"), near.try_clone().expect("near"));
        thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
        forward(&near, &far, bytes);
        let _gone = (near.shutdown(Shutdown::Both), far.shutdown(Shutdown::Both));
    });
    own
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, mut left: u64) {
    let mut buffer = [0; 4096];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Ok(count @ 1..) = from.read(&mut buffer[..most]) else { return };
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
        left -= count as u64;
    }
}

/// Where a program's output is not wanted.
pub fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}
