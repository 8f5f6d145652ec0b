//! Makes the tree a version: it is frozen, renamed into place, deployed, and made the default, with the same operations as any other
//! version.

use std::path::PathBuf;

use baserock::extension::Environment;
use baserock::label::Label;
use baserock::layout::{INCOMING, PRIVATE};
use baserock::operations::etc::{EtcMerge, Merged};
use baserock::operations::{self, Deploy, Remove, SetDefault};
use baserock::volume::Purpose;
use delta::Manifest;
use delta::apply::Stats;
use nix::sys::reboot::{RebootMode, reboot};
use system::error::{OrCannot, Result};
use system::observer::Observer;
use system::process::{self, Program};

use super::guard::{self, Present};
use super::incoming::TREE;
use crate::protocol::{Finished, Hello};

/// Freezes the tree and moves it to the versions. It is then an incomplete version.
pub fn publish(label: &Label, manifest: &Manifest, observer: &dyn Observer) -> Result<()> {
    let volume = guard::open(Purpose::Change)?;
    observer.phase(format!("writing {label} to the disk"));
    let folder = volume.top().dir(PRIVATE)?.dir(INCOMING)?.dir(label)?;
    operations::incoming::publish(&volume, &folder, TREE, label, manifest)
}

/// Deploys the version unless that has been done, makes it the default, and deletes the folder of the push.
pub fn finish(
    hello: &Hello,
    label: &Label,
    present: Present,
    (stats, owned): (Stats, Option<Vec<PathBuf>>),
    observer: &dyn Observer,
) -> Result<Finished> {
    let volume = guard::open(Purpose::Change)?;
    let before = volume.default()?.filter(|before| before != label);
    let environment: Environment = hello.deployment.iter().collect();
    let etc = EtcMerge { owned, ..EtcMerge::from_environment(&environment)? };
    let merged = if present == Present::Deployed {
        observer.note(format!("version {label} was deployed with this very tree before; it stays as it is"));
        None
    } else {
        let deploy = Deploy { label: label.clone(), environment, etc: Some(etc.clone()) };
        operations::deploy(&volume, &deploy, observer)?.merged
    };
    let again =
        operations::set_default(&volume, &SetDefault { label: label.clone(), etc: Some(etc) }, observer)?;
    operations::incoming::discard(&volume, label.as_str(), &mut Vec::new())?;
    let conflicts = again.or(merged).map(conflicts).unwrap_or_default();
    Ok(Finished { conflicts, before: before.map(|label| label.to_string()), ..Finished::new(stats) })
}

fn conflicts(merged: Merged) -> Vec<String> {
    let conflicts = merged.outcome.map(|outcome| outcome.record.conflicts).unwrap_or_default();
    conflicts.into_iter().map(|conflict| conflict.path.to_string()).collect()
}

/// Removes the incomplete version that another push has left under the label.
pub fn remove_other(label: &Label, observer: &dyn Observer) -> Result<()> {
    let volume = guard::open(Purpose::Change)?;
    operations::remove(&volume, &Remove { label: label.clone(), force: true }, observer)
}

/// Reboots the machine if that is wanted, in the way of its init system.
pub fn restart(wanted: bool) -> Result<()> {
    if !wanted {
        return Ok(());
    }
    if std::path::Path::new("/run/systemd/system").exists() {
        return Program::new("systemctl").args(["--no-block", "reboot"]).run().map(drop);
    }
    if process::find("reboot").is_some() && Program::new("reboot").run().is_ok() {
        return Ok(());
    }
    nix::unistd::sync();
    reboot(RebootMode::RB_AUTOBOOT).map(drop).or_cannot("reboot", "the machine")
}
