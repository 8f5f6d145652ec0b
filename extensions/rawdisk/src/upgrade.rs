//! Adds a new version to a disk that has versions already. The new version shares unchanged data with the default version.

use std::path::Path;

use baserock::extension::Environment;
use baserock::label::Label;
use baserock::operations::upgrade::{self, LocalTree, Then};
use baserock::operations::{self, Upgrade, deploy, trust};
use baserock::volume::{Location, Opening, Purpose, Volume};
use baserock_terminal::user;
use system::error::Result;
use system::lock::Patience;
use system::observer::Observer;

use crate::Written;
use crate::options::Options;
use crate::tree;

/// Adds `tree` to the disk at `location` as version `label`, and makes it the default, unless it has conflicts that keep it from that.
pub fn upgrade(
    tree: &Path,
    location: &Path,
    label: &Label,
    options: &Options,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Written> {
    let tree = tree::open(tree)?;
    let mut volume = open(location, Purpose::Change)?.for_user(user());
    let mut upgrade = Upgrade::from_environment(label.clone(), Then::Default, environment)?;
    upgrade.etc = upgrade.etc.filter(|_| options.merge_etc);
    deploy::check_tree(&tree, &upgrade.parameters, volume.boot().menu()?.is_some())?;
    let mut contents = LocalTree { tree: &tree, key: options.key.as_deref(), observer };
    let required = trust::is_required(&volume)?;
    let done = operations::upgrade(&mut volume, &upgrade, &mut contents, observer)?;
    match trust::is_required(&volume) {
        Ok(false) if required => observer.note(format!(
            "the disk takes versions without signatures from now on: /etc of {label} is that of its tree, which does not require them; \
             with MERGE_ETC=yes it would keep the settings and keys of the version before"
        )),
        Ok(_) => {}
        // The version is complete all the same.
        Err(error) => observer.note(format!("whether {label} requires signatures is not known: {error}")),
    }
    observer.phase(format!("writing everything to {}", location.display()));
    volume.close()?;
    Ok(if done.held.is_empty() { Written::Default } else { Written::Held })
}

/// Fails if the version cannot be added to the disk. Changes nothing.
pub fn check(location: &Path, label: &Label) -> Result<()> {
    upgrade::check(&open(location, Purpose::Look)?, label, None).map(drop)
}

fn open(location: &Path, purpose: Purpose) -> Result<Volume> {
    Volume::open(&Opening {
        location: Location::Path(location.to_owned()),
        purpose,
        patience: Patience::Refuse,
    })
}
