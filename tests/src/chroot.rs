//! A store of chroots for a test, and archives to fill it with.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::inputs;
use crate::programs::{self, Done, run};

/// A store in a folder that is gone with this value.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty store.
    pub fn new() -> Self {
        // Not below /tmp, which is not the same inside; readable for the ordinary users of some tests.
        let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("its mode");
        Place { folder }
    }

    /// A store with the small system in it, under this label.
    pub fn with(label: &str) -> Self {
        let place = Place::new();
        place.manage(["add", label, path(&place.busybox())]).ok();
        place
    }

    /// The folder, for more files of the same test.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// The tree of a chroot.
    pub fn tree(&self, label: &str) -> PathBuf {
        self.store().join(label).join("tree")
    }

    /// The names in the store, hidden ones too.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.store()).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        let mut names: Vec<String> = entries
            .into_iter()
            .map(|entry| entry.expect("a name").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// `manage-baserock` on the store, ready to run.
    pub fn manage_command(&self) -> Command {
        self.command("manage-baserock")
    }

    /// `enter-baserock` on the store, ready to run.
    pub fn enter_command(&self) -> Command {
        self.command("enter-baserock")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = programs::command(name);
        command.env("BASEROCK_CHROOTS", self.store());
        for variable in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(variable).env_remove(variable.to_uppercase());
        }
        command
    }

    /// Runs `manage-baserock` with these arguments.
    pub fn manage<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Done {
        run(self.manage_command().args(arguments))
    }

    /// Runs `enter-baserock` with these arguments.
    pub fn enter<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Done {
        run(self.enter_command().args(arguments))
    }

    /// Runs a script inside.
    pub fn inside(&self, label: &str, script: &str) -> Done {
        self.enter([label, "--", "sh", "-c", script])
    }

    /// The small system as an archive, made on the first call.
    pub fn busybox(&self) -> PathBuf {
        let archive = self.path().join("busybox.tar");
        if !archive.exists() {
            let tree = inputs::busybox().expect("the small tree");
            self.shell(&format!("cp -a {} tree; for name in cat env id kill ls mkdir mount pwd rm sleep stty test touch tty yes; do
                ln -sf busybox tree/bin/$name; done; tar -C tree --numeric-owner -cf busybox.tar .", tree.display()));
        }
        archive
    }

    /// Runs a script in the folder.
    pub fn shell(&self, script: &str) -> String {
        run(Command::new("bash").args(["-euc", script]).current_dir(self.path())).ok()
    }
}

impl Default for Place {
    fn default() -> Self {
        Place::new()
    }
}

/// A path as text, for lists of arguments.
pub fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
