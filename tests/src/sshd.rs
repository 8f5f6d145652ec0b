//! A real sshd on the loopback, in a process namespace of its own, that lets root into a directory.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::MsFlags;
use system::mount::PrivateMount;
use tempfile::TempDir;

use crate::inputs;
use crate::programs;

/// A server; everything that it has started is killed with it, as by a power cut.
pub struct Sshd {
    process: Child,
    address: String,
    port: u16,
    _place: TempDir,
}

/// How a server is started.
#[derive(Default)]
pub struct Setup<'a> {
    /// A network namespace, and the server's address there.
    pub network: Option<(&'a str, &'a str)>,
    /// The port; any free one if there is none.
    pub port: Option<u16>,
    /// A program that runs everything: `setarch` with arguments, say.
    pub through: &'a [&'a str],
    /// What is in the environment of every session: names and values.
    pub environment: &'a [(&'a str, &'a str)],
    /// More lines of its configuration, which count before the others.
    pub lines: &'a str,
}

/// The login shell of small systems: prints, as those of people do.
const NOISY_SHELL: &str = "#!/bin/sh\necho welcome; echo 'you have mail' >&2; printf 'no newline at the end'\nexec /bin/sh \"$@\"\n";

impl Sshd {
    /// Starts a server that lets root into `root`, which has a `/proc`, with the tests' key.
    pub fn start(root: &Path, setup: &Setup<'_>) -> Self {
        // sshd takes the login shell from this machine's accounts.
        if !root.join("bin/bash").exists() {
            fs::write(root.join("bin/bash"), NOISY_SHELL).expect("a login shell");
            fs::set_permissions(root.join("bin/bash"), fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        let place = tempfile::tempdir().expect("a temporary directory");
        let port = setup.port.unwrap_or_else(free_port);
        let address = setup.network.map_or("127.0.0.1", |(_, address)| address).to_owned();
        fs::write(place.path().join("sshd_config"), config(root, &address, port, setup))
            .expect("a configuration");
        fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let namespace: &[&str] = match &setup.network {
            Some((name, _)) => &["ip", "netns", "exec", name],
            None => &[],
        };
        let proc = format!("--mount-proc={}", root.join("proc").display());
        let all = [namespace, &["unshare", "--pid", "--fork", "--kill-child", &proc], setup.through].concat();
        let process = Command::new(all[0])
            .args(&all[1..])
            .args(["/usr/sbin/sshd", "-D", "-e", "-f"])
            .arg(place.path().join("sshd_config"))
            .stderr(fs::File::create(place.path().join("sshd.log")).expect("a log"))
            .spawn()
            .expect("sshd (Debian package openssh-server)");
        let sshd = Sshd { process, address, port, _place: place };
        sshd.wait_until_listening();
        sshd
    }

    fn wait_until_listening(&self) {
        let begun = Instant::now();
        while TcpStream::connect((self.address.as_str(), self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "sshd does not listen");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where it listens: address and port.
    pub fn listens(&self) -> (&str, u16) {
        (&self.address, self.port)
    }

    /// Processor time of all connections so far, waiting for the last one to end.
    pub fn processor_time(&self) -> Duration {
        let children = |process: &str| {
            fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("its children")
        };
        let listener = children(&self.process.id().to_string()).trim().to_owned();
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

    /// Whether it has ended within ten seconds, and with it its namespace.
    pub fn ends(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.has_ended() {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("its state").is_some()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _down_already = self.process.kill();
        let _ended = self.process.wait();
    }
}

fn config(root: &Path, address: &str, port: u16, setup: &Setup<'_>) -> String {
    let key = inputs::ssh_key().expect("an ssh key");
    let set: Vec<String> = setup.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let set = if set.is_empty() { String::new() } else { format!("SetEnv {}\n", set.join(" ")) };
    format!(
        "{lines}Port {port}\nListenAddress {address}\nHostKey {key}\nAuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\n\
         PermitRootLogin yes\nPidFile none\nChrootDirectory {root}\nMaxStartups 1000\n{set}",
        lines = setup.lines,
        key = key.display(),
        root = root.display()
    )
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its number").port()
}

/// A machine that is no version of anything: the small tree in memory, for this thread only.
pub struct Plain {
    /// Its server.
    pub sshd: Sshd,
    _root: PrivateMount,
}

impl Plain {
    /// Starts it.
    pub fn start() -> Self {
        let root = PrivateMount::new(Path::new("tmpfs"), "tmpfs", MsFlags::empty(), "mode=755");
        let root = root.expect("a filesystem in memory");
        let tree: PathBuf = inputs::busybox().expect("the small tree");
        let from = format!("{}/.", tree.display());
        programs::shell("cp", &["-a", &from, root.path().to_str().expect("a path that is text")]);
        let sshd = Sshd::start(root.path(), &Setup::default());
        Plain { sshd, _root: root }
    }
}
