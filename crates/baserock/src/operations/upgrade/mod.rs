//! Adds a version. The new tree is put together beside the versions, and shares equal contents with the default. Then it becomes a version,
//! is deployed, and becomes the default.

mod conflicts;
mod earlier;
mod label;
mod local;
mod outline;
mod preview;
mod space;
mod staging;

use std::collections::HashMap;
use std::time::Duration;

use delta::apply::{Apply, Stats};
use delta::hash::Hash;
use delta::plan::Wanted;
use delta::{Manifest, Plan, Tree};
use system::dir::Dir;
use system::error::Result;
use system::inode::Inode;
use system::lock::Patience;
use system::observer::Observer;
use system::signal;
use system::undo::Undo;

pub use self::conflicts::OnConflicts;
use self::earlier::EarlierTry;
use self::label::basis;
pub use self::label::{Present, check, was_chosen};
pub use self::local::LocalTree;
pub use self::preview::{Preview, preview};
use self::staging::Staging;
use super::etc::{EtcMerge, Merged, MergedAgain};
use super::{
    Deploy, Prune, Remove, SetDefault, Try, deploy, full, incoming, manifest, menu, prune, remove, repair,
    set_default, trial, trust,
};
use crate::boot::Parameters;
use crate::boot::parameters::MenuFormat;
use crate::etc::EtcPath;
use crate::extension::Environment;
use crate::label::{ExistingLabel, Label};
use crate::layout::{self, ORIG};
use crate::operations::trust::Provenance;
use crate::volume::Volume;

/// The options of an upgrade.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// The new version.
    pub label: Label,
    /// The boot parameters. Missing ones are taken from the version's own metadata.
    pub parameters: Parameters,
    /// The options of the merge of `/etc`; `None` leaves it as built.
    pub etc: Option<EtcMerge>,
    /// If it is given, only so many of the newest versions stay, and those that must.
    pub keep: Option<usize>,
    /// What is done with the version when it is deployed.
    pub then: Then,
    /// What is done if the merge of `/etc` has conflicts.
    pub conflicts: OnConflicts,
}

/// What is done with a version when it is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It becomes the default.
    Default,
    /// It is booted once, and comes back unless it is confirmed in time.
    Trial {
        /// The time from the start of its kernel by which it has to be confirmed.
        deadline: Duration,
        /// Whether somebody confirms it; or else it confirms itself when it has come up.
        by_hand: bool,
    },
    /// Nothing: the default stays.
    Nothing,
}

impl Upgrade {
    /// As the environment says: the variables of [`Parameters`] and of [`EtcMerge`], `KEEP_VERSIONS` and `CONFLICTS`.
    pub fn from_environment(label: Label, then: Then, environment: &Environment) -> Result<Self> {
        Ok(Upgrade {
            label,
            parameters: Parameters::from_environment(environment)?,
            etc: Some(EtcMerge::from_environment(environment)?),
            keep: environment.count("KEEP_VERSIONS", "versions")?,
            then,
            conflicts: OnConflicts::from_environment(environment)?,
        })
    }
}

/// The result of an upgrade.
#[derive(Clone, Debug, Default)]
pub struct Upgraded {
    /// The numbers of names in which the new tree differs from the old default's. All are zero if the tree was there already.
    pub names: Stats,
    /// The last merge of `/etc`, if there was one.
    pub merged: Option<Merged>,
    /// The conflicts because of which the version has not become the default.
    pub held: Vec<EtcPath>,
}

/// The source of the new tree: a folder of this machine, another machine, or a server.
pub trait Contents {
    /// The digest of the new tree's manifest. If it is given, a failed try leaves its contents for the next try, which uses them if its digest
    /// is the same. If it is `None`, a failed try leaves nothing.
    fn digest(&self) -> Option<Hash>;

    /// The manifest of the new tree, for whoever has that of the basis. It is not asked for if an earlier try has left it.
    fn manifest(&mut self, basis: &Manifest) -> Result<Manifest>;

    /// Where the new tree comes from, and who vouches for it. The tree's manifest has this digest.
    fn provenance(&mut self, label: &ExistingLabel, digest: Hash) -> Result<Provenance>;

    /// Carries out [`Filling::apply`]: prepares, puts every content that the plan wants at its names, and finishes.
    fn fill(&mut self, filling: &Filling<'_>) -> Result<Stats>;
}

/// A new tree that needs its contents.
pub struct Filling<'a> {
    /// The top level of the volume.
    pub volume: &'a Dir,
    /// The plan, the basis, and the tree. The tree is a snapshot of the basis.
    pub apply: Apply<'a>,
    /// A folder for contents that are not complete yet, each named by its hash. It is in the subvolume of the tree, and is removed at the end.
    pub parts: &'a Dir,
    /// The number of bytes in `parts` of each content that an earlier try has left there.
    pub have: &'a HashMap<Hash, u64>,
}

/// Adds the version, and does with it what [`Upgrade::then`] says.
///
/// While the new tree is filled, only the label's lock is held, so that a slow source does not keep others from changing the volume. The
/// volume's own lock is taken for the rest, unless the volume was opened with it.
pub fn upgrade(
    volume: &mut Volume,
    upgrade: &Upgrade,
    contents: &mut dyn Contents,
    observer: &dyn Observer,
) -> Result<Upgraded> {
    let outcome = attempt(volume, upgrade, contents, observer);
    full::explain(volume, Some(&upgrade.label), outcome)
}

fn attempt(
    volume: &mut Volume,
    upgrade: &Upgrade,
    contents: &mut dyn Contents,
    observer: &dyn Observer,
) -> Result<Upgraded> {
    let (label, digest) = (&upgrade.label, contents.digest());
    let mut present = check_first(volume, upgrade, digest)?;
    let mut staged = None;
    if !present.has_tree() {
        let staging = Staging::open(volume, label, digest.is_some())?;
        // Another process may have held the label's lock until now and added the version.
        present = check(volume, label, digest)?;
        if present == Present::Begun {
            observer.note(format!("version {label} was begun and not completed: it is made anew"));
            volume.while_locked(Patience::Refuse, |volume| take_back(volume, label, observer))?;
        }
        if !present.has_tree() {
            if let Some(keep) = upgrade.keep {
                let old = Prune { keep: Some(keep), before: None };
                volume.while_locked(Patience::Refuse, |volume| prune(volume, &old, observer))?;
            }
            staged = Some(stage(volume, upgrade, staging, contents, observer)?);
        }
    }
    let provenance = match (&staged, digest) {
        (Some(staged), _) => staged.provenance.clone(),
        (None, Some(digest)) => admitted(volume, label, digest, contents)?,
        (None, None) => Provenance::default(),
    };
    volume.while_locked(Patience::Refuse, |volume| {
        install(volume, upgrade, present, (staged, &provenance), observer)
    })
}

/// Fails if the system requires signatures, and nobody whom it trusts vouches for the new tree.
fn admitted(
    volume: &Volume,
    label: &ExistingLabel,
    digest: Hash,
    contents: &mut dyn Contents,
) -> Result<Provenance> {
    let provenance = contents.provenance(label, digest)?;
    trust::admit(volume, label, digest, provenance.signed.as_deref())?;
    Ok(provenance)
}

/// Fails if it is clear before the new tree is known that the upgrade fails. Changes nothing.
fn check_first(volume: &Volume, upgrade: &Upgrade, digest: Option<Hash>) -> Result<Present> {
    let label = &upgrade.label;
    deploy::check_arguments(label, &upgrade.parameters)?;
    if upgrade.parameters.menu == Some(MenuFormat::None) && upgrade.then != Then::Nothing {
        // The version is going to be the default, and has no kernel for the menu.
        menu::require(volume, &volume.survey()?, label)?;
    }
    let is_trial = matches!(upgrade.then, Then::Trial { .. });
    if is_trial {
        trial::require_one_shot(volume)?;
    }
    let present = check(volume, label, digest)?;
    if is_trial && present.has_tree() {
        trial::require_unit_in(label, &volume.version_dir(label)?.dir(ORIG)?)?;
    }
    Ok(present)
}

/// A tree that is complete, and not yet a version.
struct Staged {
    staging: Staging,
    manifest: Manifest,
    names: Stats,
    provenance: Provenance,
}

/// Puts the new tree together.
fn stage(
    volume: &Volume,
    upgrade: &Upgrade,
    staging: Staging,
    contents: &mut dyn Contents,
    observer: &dyn Observer,
) -> Result<Staged> {
    let label = &upgrade.label;
    let basis = basis(volume, &volume.survey()?)?;
    let version = volume.version_dir(&basis)?;
    let orig = version.dir(ORIG)?;
    let old = manifest::load_or_make(&version, &orig, observer)?;
    let new = match staging.manifest(contents.digest())? {
        Some(manifest) => manifest,
        None => contents.manifest(&old)?,
    };
    let provenance = admitted(volume, label, new.digest(), contents)?;
    if let Then::Trial { .. } = upgrade.then {
        trial::require_unit(label, &new)?;
    }
    observer.phase(format!("comparing {label} with {basis}"));
    let plan = Plan::new(&old, &new);
    let parts_name = staging::parts_name([&old, &new]);
    let earlier = staging.earlier(&orig)?;
    let mut earlier = earlier.map(|tree| EarlierTry::new(tree, &parts_name, &new)).transpose()?;
    let have = earlier.as_mut().map(|earlier| earlier.have(&plan.wanted)).transpose()?.unwrap_or_default();
    space::check(volume, label, &plan, &have)?;
    if contents.digest().is_some() {
        staging.keep_manifest(&new)?;
    }
    let there = plan.wanted.iter().filter(|wanted| have.contains_key(&wanted.hash));
    let (tree, parts) = begin(&staging, &orig, &parts_name, earlier, there)?;
    let basis = Tree { dir: &orig, manifest: &old };
    let apply = Apply { plan: &plan, basis, new: &new, into: &tree };
    let names = contents.fill(&Filling { volume: volume.top(), apply, parts: &parts, have: &have })?;
    drop(parts);
    tree.remove_tree(&parts_name)?;
    Inode::named(&tree, "".as_ref()).set_times(new.entries()[0].modified.into())?;
    Ok(Staged { staging, manifest: new, names, provenance })
}

/// Begins the new tree with the contents that an earlier try has left. Returns the tree and its folder of parts.
fn begin<'w>(
    staging: &Staging,
    orig: &Dir,
    parts_name: &str,
    earlier: Option<EarlierTry<'_>>,
    there: impl Iterator<Item = &'w Wanted>,
) -> Result<(Dir, Dir)> {
    let tree = staging.begin_tree(orig)?;
    let parts = tree.ensure_dir(parts_name, 0o700)?;
    if let Some(mut earlier) = earlier {
        for wanted in there {
            signal::check()?;
            earlier.bring(wanted, &parts)?;
        }
    }
    staging.forget_earlier()?;
    Ok((tree, parts))
}

/// Makes the staged tree a version, deploys it, and makes it the default. Steps that are done already are left out.
fn install(
    volume: &Volume,
    upgrade: &Upgrade,
    present: Present,
    (staged, provenance): (Option<Staged>, &Provenance),
    observer: &dyn Observer,
) -> Result<Upgraded> {
    let label: &ExistingLabel = &upgrade.label;
    let mut undo = Undo::new();
    if staged.as_ref().is_some_and(|staged| !staged.staging.is_kept()) {
        undo.push(format!("remove version {label}"), || take_back(volume, label, observer));
    }
    let mut etc = upgrade.etc.clone();
    let mut names = Stats::default();
    if let Some(staged) = staged {
        observer.phase(format!("writing {label} to the disk"));
        if let Some(etc) = &mut etc {
            etc.owned = Some(staged.manifest.owned());
        }
        names = staged.names;
        conflicts::refuse(volume, upgrade, &staged.staging.tree()?, etc.as_ref())?;
        staged.staging.publish(volume, label, &staged.manifest)?;
    }
    provenance.store(&volume.version_dir(label)?)?;
    incoming::discard(volume, label.as_str(), &mut Vec::new())?;
    let merged = if present == Present::Deployed {
        // The try that has deployed it may have been cut off before the menu.
        repair::repair(volume, &volume.survey()?, observer)?;
        observer.note(format!("version {label} was deployed with this very tree before; it stays as it is"));
        None
    } else {
        deploy(volume, &deployment(upgrade, etc.clone()), observer)?.merged
    };
    let held = conflicts::hold(volume, upgrade, etc.as_ref(), observer)?;
    if !held.is_empty() {
        undo.commit();
        return Ok(Upgraded { names, merged, held });
    }
    let again = match upgrade.then {
        Then::Nothing => MergedAgain::NotNeeded,
        Then::Trial { deadline, by_hand } if volume.default()?.as_ref() != Some(label) => {
            let label = label.clone();
            let options = Try { label, etc, deadline, tries: 1, without_units: false, by_hand };
            trial::arm(volume, &options, observer)?
        }
        Then::Default | Then::Trial { .. } => {
            set_default(volume, &SetDefault { label: label.clone(), etc }, observer)?
        }
    };
    undo.commit();
    let merged = if let MergedAgain::Merged(again) = again { Some(*again) } else { merged };
    Ok(Upgraded { names, merged, held })
}

/// The deployment of the new version. Old versions are gone already.
fn deployment(upgrade: &Upgrade, etc: Option<EtcMerge>) -> Deploy {
    Deploy {
        label: upgrade.label.clone(),
        parameters: upgrade.parameters.clone(),
        etc,
        keep: None,
        refuse_conflicts: upgrade.conflicts == OnConflicts::Refuse,
    }
}

/// Removes the version, unless it is the default already, or does not exist.
fn take_back(volume: &Volume, label: &ExistingLabel, observer: &dyn Observer) -> Result<()> {
    if !volume.top().has(layout::version(label))? || volume.default()?.as_ref() == Some(label) {
        return Ok(());
    }
    remove(volume, &Remove { label: label.clone(), force: true }, observer)
}
