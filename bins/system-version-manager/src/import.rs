//! `import`: makes a chroot a version.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::Result;
use baserock::extension::Environment;
use baserock::operations::trust::signing_key;
use baserock::operations::upgrade::{LocalTree, Then};
use baserock::operations::{self, Upgrade, deploy};
use baserock::volume::Volume;
use baserock::{ExistingLabel, Label};
use baserock_chroots::{Refusal, Store, labels, location};
use baserock_terminal::{Output, Show, completion};
use system::dir::Dir;
use system::error::Error;
use system::namespace::Privilege;
use system::observer::Observer;

/// Make a chroot of manage-baserock, or a root filesystem in a folder, a version
///
/// It is copied as it is now, and shares with the default what is the same in both. Then it is deployed: /etc is merged from the running version
/// (with --volume, from the default version). The default does not change. The environment is that of deploy; CONFLICTS=refuse refuses it if the merge leaves conflicts,
/// and SIGNING_KEY names a key of ssh that signs it, where the system requires signatures.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// The label of the version
    #[arg(value_name = "LABEL")]
    label: Label,
    /// The label of the chroot, or the path of a folder, with a / in it
    #[arg(value_name = "CHROOT", add = completion::offering(|| labels(None).unwrap_or_default()))]
    chroot: OsString,
}

impl Import {
    /// Adds the version.
    pub fn run(&self, volume: &mut Volume) -> Result<()> {
        let path = Path::new(&self.chroot);
        if self.chroot.as_bytes().contains(&b'/') {
            return self.add(volume, &folder(path)?);
        }
        let label: ExistingLabel = self.chroot.to_string_lossy().parse()?;
        let path = location(None)?;
        let missing = || Refusal::NoChroot { label: label.clone(), store: path.display().to_string() };
        let store = Store::existing(&path, Privilege::Root)?.ok_or_else(|| Error::from(missing()))?;
        let held = store.get(&label)?.hold(&store)?;
        self.add(volume, &held.tree)
    }

    fn add(&self, volume: &mut Volume, tree: &Dir) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let environment: Environment = std::env::vars_os().collect();
        let upgrade = Upgrade::from_environment(self.label.clone(), Then::Nothing, &environment)?;
        deploy::check_tree(tree, &upgrade.parameters, volume.boot().menu()?.is_some())?;
        let key = signing_key(&environment)?;
        let mut contents = LocalTree { tree, key: key.as_deref(), observer: show };
        operations::upgrade(volume, &upgrade, &mut contents, show)?;
        Ok(())
    }
}

fn folder(path: &Path) -> Result<Dir, Error> {
    let tree = Dir::open(path)?;
    if tree.entries()?.is_empty() {
        return Err(Error::refused(format!("{} is empty, and no root filesystem", path.display())));
    }
    Ok(tree)
}
