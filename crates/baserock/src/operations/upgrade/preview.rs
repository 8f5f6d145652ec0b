//! Tells what an upgrade would do, and changes nothing.

use std::path::Path;

use delta::plan::Wanted;
use delta::{Plan, Tree};
use system::error::Result;
use system::observer::Observer;

use super::earlier::EarlierTry;
use super::label::basis;
use super::outline::Outline;
use super::{Contents, Present, Then, Upgrade, admitted, check_first, conflicts, deployment, space, staging};
use crate::layout::{INCOMING, ORIG, PRIVATE};
use crate::operations::etc::{EtcMerge, Merged};
use crate::operations::{Prune, deploy, manifest, prune, trial};
use crate::volume::Volume;

/// What an upgrade would bring.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// The number of contents that the basis lacks.
    pub contents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The part of these bytes that an earlier try has left on the volume.
    pub there: u64,
    /// The merge of `/etc`, if there is one and the library does it.
    pub merged: Option<Merged>,
}

/// Refuses what an [upgrade](super::upgrade()) would refuse: the label, the arguments, the boot loader, the room, conflicts. Names what it would
/// name of `/etc`, and of what would be left behind. Asks only for the contents by which these are decided, and changes nothing.
pub fn preview(
    volume: &Volume,
    upgrade: &Upgrade,
    contents: &mut dyn Contents,
    observer: &dyn Observer,
) -> Result<Preview> {
    let label = &upgrade.label;
    let present = check_first(volume, upgrade, contents.digest())?;
    if present == Present::Deployed {
        observer.note(format!("version {label} was deployed with this very tree before; it stays as it is"));
        return Ok(Preview::default());
    }
    if present == Present::SameTree {
        contents.digest().map_or(Ok(()), |digest| admitted(volume, label, digest, contents).map(drop))?;
        let found = deploy::of_admitted(volume, &deployment(upgrade, upgrade.etc.clone()), observer)?;
        return Ok(Preview { merged: found.merged, ..Preview::default() });
    }
    let survey = volume.survey()?;
    let version = volume.version_dir(&basis(volume, &survey)?)?;
    let orig = version.dir(ORIG)?;
    let old = match manifest::load(&version, &orig)? {
        Some(manifest) => manifest,
        None => manifest::read(&orig, observer)?,
    };
    let new = contents.manifest(&old)?;
    admitted(volume, label, new.digest(), contents)?;
    if let Then::Trial { .. } = upgrade.then {
        trial::require_unit(label, &new)?;
    }
    let mut complete = survey.complete.clone();
    if let Some(keep) = upgrade.keep {
        let pruned = prune::plan(volume, &Prune { keep: Some(keep), before: None })?;
        pruned.name_stay(observer);
        for old in &pruned.removed {
            observer.note(format!("{old} would be removed first"));
        }
        complete.retain(|label| !pruned.removed.contains(label));
    }
    let plan = Plan::new(&old, &new);
    let incoming = Path::new(PRIVATE).join(INCOMING).join(label.as_str());
    let earlier = volume.top().dir_if_exists(incoming.join(staging::TREE))?;
    let parts = staging::parts_name([&old, &new]);
    let earlier = earlier.map(|tree| EarlierTry::new(tree, &parts, &new)?.have(&plan.wanted)).transpose()?;
    let have = earlier.unwrap_or_default();
    space::check(volume, label, &plan, &have)?;
    let there = |wanted: &Wanted| have.get(&wanted.hash).copied().unwrap_or(0);
    let outline = Outline::new(volume, Tree { dir: &orig, manifest: &old }, &new, contents)?;
    let etc = upgrade.etc.clone().map(|etc| EtcMerge { owned: Some(new.owned()), ..etc });
    let merged = conflicts::plan(volume, upgrade, outline.tree(), etc.as_ref(), observer)?;
    if let Some(followed) = survey.followed() {
        let coming = (&**label, outline.tree());
        deploy::name_left(volume, followed, coming, merged.as_ref(), &complete, observer)?;
    }
    Ok(Preview {
        contents: plan.wanted.iter().filter(|wanted| there(wanted) < wanted.size).count() as u64,
        bytes: plan.wanted_bytes(),
        there: plan.wanted.iter().map(there).sum(),
        merged,
    })
}
