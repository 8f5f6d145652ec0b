//! Checks that there is room before anything is written.

use baserock::label::Label;
use baserock::volume::Volume;
use delta::plan::{Plan, Wanted};
use system::btrfs;
use system::error::{Error, Result};

/// Bytes that are kept free for the running system: this, or a twentieth of the volume if that is more.
const RESERVE: u64 = 512 << 20;
/// Bytes of metadata for one name: a generous estimate, since btrfs writes metadata twice.
const PER_NAME: u64 = 2048;
const SECTOR: u64 = 4096;

/// Fails if there is no room for the plan, and names the versions that could be removed. `there` tells how many bytes of a content are
/// there already.
pub fn check(volume: &Volume, label: &Label, plan: &Plan, there: impl Fn(&Wanted) -> u64) -> Result<()> {
    let missing = |wanted: &Wanted| wanted.size.saturating_sub(there(wanted)).next_multiple_of(SECTOR);
    let contents: u64 = plan.wanted.iter().map(missing).fold(0, u64::saturating_add);
    let names = (plan.make.len() + plan.metadata.len() + plan.remove.len() + plan.wanted.len()) as u64;
    let needed = contents.saturating_add(names * PER_NAME);
    let space = btrfs::space(volume.top())?;
    let reserve = RESERVE.max(space.total / 20);
    if needed.saturating_add(reserve) <= space.available {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(Error::refused(format!(
        "version {label} needs {} MiB on the target, where {} MiB are free and {} MiB of those are kept for the running system; {}",
        megabytes(needed),
        megabytes(space.available),
        megabytes(reserve),
        removable(volume)?
    )))
}

fn removable(volume: &Volume) -> Result<String> {
    let versions = volume.versions()?;
    let free = versions.iter().filter(|version| !version.running && !version.default);
    let labels: Vec<&str> = free
        .map(|version| version.label.as_str())
        .filter(|label| *label != Label::factory().as_str())
        .collect();
    Ok(match labels.as_slice() {
        [] => "there is no version to remove; make the filesystem larger".to_owned(),
        labels => {
            format!("remove a version there (system-version-manager remove LABEL): {}", labels.join(", "))
        }
    })
}
