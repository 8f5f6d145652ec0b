//! Adds a new version to a disk that has versions already. The new version shares unchanged data with the default version.

use std::path::Path;

use baserock::boot::Parameters;
use baserock::extension::Environment;
use baserock::label::Label;
use baserock::operations::etc::EtcMerge;
use baserock::operations::upgrade::{self, Contents, Filling, Reserve};
use baserock::operations::{self, Upgrade, deploy, manifest};
use baserock::volume::{Location, Opening, Purpose, Volume};
use baserock_terminal::user;
use delta::Manifest;
use delta::apply::Stats;
use delta::hash::Hash;
use delta::update::carry_out;
use system::dir::Dir;
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
    let parameters = Parameters::from_environment(environment)?;
    deploy::check_tree(&tree, &parameters, volume.boot().menu()?.is_some())?;
    let upgrade = Upgrade {
        label: label.clone(),
        parameters,
        etc: options.merge_etc.then(|| EtcMerge::from_environment(environment)).transpose()?,
        reserve: Reserve::OFFLINE,
        keep: environment.count("KEEP_VERSIONS", "versions")?,
        trial: None,
        conflicts: options.conflicts,
    };
    let done =
        operations::upgrade(&mut volume, &upgrade, &mut LocalTree { tree: &tree, observer }, observer)?;
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

/// A root filesystem in a folder of this machine. It is read again at each try, so a try that fails leaves nothing.
struct LocalTree<'a> {
    tree: &'a Dir,
    observer: &'a dyn Observer,
}

impl Contents for LocalTree<'_> {
    fn digest(&self) -> Option<Hash> {
        None
    }

    fn manifest(&mut self) -> Result<Manifest> {
        manifest::read(self.tree, self.observer)
    }

    fn fill(&mut self, filling: &Filling<'_>) -> Result<Stats> {
        let (apply, observer) = (filling.apply, self.observer);
        observer.phase("writing what differs");
        let total = apply.plan.wanted_bytes();
        let done = carry_out(apply, self.tree, &|bytes| observer.progress(bytes, Some(total)))?;
        observer.note(format!(
            "{} names added, {} changed, {} removed; {} KiB written, {} KiB of changed files stay shared",
            done.names.added,
            done.names.changed,
            done.names.removed,
            done.contents.written >> 10,
            done.contents.shared >> 10
        ));
        Ok(done.names)
    }
}
