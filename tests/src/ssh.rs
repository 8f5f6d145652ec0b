//! A running system that lets root in by ssh: real sshd on the loopback, in a process namespace of its own, whose `/` is a version.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::unistd::Pid;

use crate::client::Client;
use crate::image::Image;
use crate::programs::run;
use crate::proxy::{Fault, Proxy};
use crate::running::Running;
use crate::sshd::{Setup, Sshd};
use crate::version::assert_identical;

/// A machine to push to, and the user who does, to whom it is `target`.
pub struct Target {
    /// The system.
    pub system: Running,
    /// Its server.
    pub sshd: Sshd,
    client: Client,
    slow: OnceLock<Proxy>,
}

impl Target {
    /// Boots the version of the image.
    pub fn start(image: &Image, label: &str) -> Self {
        Target::of(Running::start(image, label), &Setup::default())
    }

    /// Boots it in another network namespace, where it has an address of its own.
    pub fn start_on(image: &Image, label: &str, network: Option<(&str, &str)>) -> Self {
        Target::start_at(&image.path(), label, network)
    }

    /// The same with the image at this path.
    pub fn start_at(image: &Path, label: &str, network: Option<(&str, &str)>) -> Self {
        Target::of(Running::start_at(image, label), &Setup { network, ..Setup::default() })
    }

    /// A system that stands already, and from now on lets root in.
    pub fn of(system: Running, setup: &Setup<'_>) -> Self {
        let sshd = Sshd::start(&system.path(""), setup);
        let client = Client::new().knows("target", sshd.listens(), "");
        Target { system, sshd, client, slow: OnceLock::new() }
    }

    /// Any program that uses ssh.
    pub fn ssh_client(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.client.own(&mut command);
        command
    }

    /// The folder in which the sender keeps what it wants to know again.
    pub fn cache(&self) -> PathBuf {
        self.client.cache()
    }

    /// `ssh-rsync.write TREE root@target`.
    pub fn push(&self, tree: &Path, label: &str) -> Command {
        self.client.push(tree, "root@target", label)
    }

    /// The same, over another port of the machine.
    pub fn push_to(&self, tree: &Path, label: &str, port: u16) -> Command {
        self.client.push(tree, &format!("ssh://root@target:{port}"), label)
    }

    /// The same over a connection that is cut after so many bytes from the sender.
    pub fn push_cut_after(&self, tree: &Path, label: &str, bytes: u64) -> Command {
        self.push_to(tree, label, Proxy::new(self.sshd.listens().1, Fault::CutSent(bytes)).port())
    }

    /// The same over a link that carries so little that everything is done to send less.
    pub fn push_slowly(&self, tree: &Path, label: &str) -> Command {
        let slow = self.slow.get_or_init(|| Proxy::new(self.sshd.listens().1, Fault::Slow(SLOW)));
        self.push_to(tree, label, slow.port())
    }

    /// `ssh-rsync.check root@target`.
    pub fn check(&self, label: &str) -> Command {
        self.client.check("root@target", label)
    }

    /// Has rsync compare the version's `orig` with the tree.
    #[track_caller]
    pub fn assert_identical(&self, label: &str, tree: &Path) {
        assert_identical(self.system.top_level().path(), label, tree);
    }

    /// The labels of pushes that have not come to their end.
    pub fn incoming(&self) -> Vec<String> {
        let top = self.system.top_level();
        let names = fs::read_dir(top.path().join(".baserock/incoming")).into_iter().flatten();
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("a label")).collect()
    }

    /// The agents that run on the target, by the numbers that this machine gives to processes.
    pub fn agents(&self) -> Vec<Pid> {
        let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
        let root = identity(&self.system.path(""));
        let is_agent = |process: &Path| {
            let command = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
            command.contains("/.baserock/agents/") && identity(&process.join("root")) == root
        };
        let processes = fs::read_dir("/proc").expect("/proc").map(|entry| entry.expect("an entry").path());
        let numbers = processes.filter(|process| is_agent(process));
        numbers
            .filter_map(|process| Some(Pid::from_raw(process.file_name()?.to_str()?.parse().ok()?)))
            .collect()
    }
}

/// Bytes that a slow link carries in a second.
const SLOW: u64 = 2_000_000;

/// Runs a push, which has to succeed, and returns its log.
#[track_caller]
pub fn logged(push: &Command) -> String {
    let log = tempfile::NamedTempFile::new().expect("a log");
    let mut logged = Command::new("sh");
    logged.args(["-c", "MORPH_LOG_FD=9 exec \"$@\" 9>\"$0\""]).arg(log.path());
    logged.arg(push.get_program()).args(push.get_args());
    logged.envs(push.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(&mut logged).ok();
    fs::read_to_string(log.path()).expect("a log that is text")
}

/// Where a program's output is not wanted.
pub fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}
