//! The side of the user who pushes: an ssh configuration of its own, and programs that use it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::inputs;
use crate::programs;

/// A user's configuration of ssh, and cache. Gone with this value, commands too.
pub struct Client {
    place: TempDir,
}

impl Client {
    /// A user whose ssh knows no machine yet, and has the tests' key.
    pub fn new() -> Self {
        let key = inputs::ssh_key().expect("an ssh key");
        Client::with(&format!("IdentityFile {}\nIdentitiesOnly yes\n", key.display()))
    }

    /// A user with these lines in ssh's configuration.
    pub fn with(lines: &str) -> Self {
        let client = Client { place: tempfile::tempdir().expect("a temporary directory") };
        // The quickest key exchange: some tests connect hundreds of times.
        let always = "StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nUser root\n\
                      KexAlgorithms curve25519-sha256\n";
        fs::write(client.config(), format!("{lines}{always}")).expect("a configuration");
        let wrapper = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", client.config().display());
        client.program("ssh", &wrapper);
        client
    }

    /// Adds a machine by its names, as ssh's configuration lists them: where it listens, and more lines.
    #[must_use]
    pub fn knows(self, names: &str, (address, port): (&str, u16), lines: &str) -> Self {
        let mut config = File::options().append(true).open(self.config()).expect("the configuration");
        write!(config, "Host {names}\nHostName {address}\nPort {port}\n{lines}").expect("the configuration");
        self
    }

    fn config(&self) -> PathBuf {
        self.place.path().join("config")
    }

    /// Adds a script that counts before all other programs of the name.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.programs().join(name);
        fs::create_dir_all(self.programs()).expect("a folder");
        fs::write(&path, script).expect("a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Where these scripts are.
    pub fn programs(&self) -> PathBuf {
        self.place.path().join("bin")
    }

    /// The command, as this user's.
    pub fn own<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.programs().display()))
            .env("XDG_CACHE_HOME", self.cache())
    }

    /// The folder in which the user's programs keep what they want to know again.
    pub fn cache(&self) -> PathBuf {
        self.place.path().join("cache")
    }

    /// A program with this label for an upgrade.
    fn extension(&self, name: &str, label: &str) -> Command {
        let mut command = programs::command(name);
        self.own(&mut command).env("UPGRADE", "yes").env("VERSION_LABEL", label);
        command
    }

    /// `ssh-rsync.write TREE LOCATION`.
    pub fn push(&self, tree: &Path, location: &str, label: &str) -> Command {
        let mut push = self.extension("ssh-rsync-write", label);
        push.arg(tree).arg(location);
        push
    }

    /// `ssh-rsync.check LOCATION`.
    pub fn check(&self, location: &str, label: &str) -> Command {
        let mut check = self.extension("ssh-rsync-check", label);
        check.arg(location);
        check
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}
