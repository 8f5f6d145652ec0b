//! Merging `/etc` between versions of a volume.

use crate::copy::Owners;
use crate::error::Result;
use crate::label::Label;
use crate::observer::Observer;
use crate::volume::Volume;

/// How to merge.
#[derive(Clone, Debug, Default)]
pub struct EtcMerge {}

/// What a merge did.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Numbers of users and groups that moved.
    pub owners: Owners,
}

/// Merges into the new version's `run` from the old one's `orig` and `run`.
pub fn merge_into(_: &Volume, _: &Label, _: &Label, _: &EtcMerge, _: &dyn Observer) -> Result<Merged> {
    Ok(Merged::default())
}

/// Merges again where the old version's `/etc` has changed since the deployment, and the new one's has not.
pub fn merge_again(
    _: &Volume,
    _: &Label,
    _: &Label,
    _: &EtcMerge,
    _: &dyn Observer,
) -> Result<Option<Merged>> {
    Ok(None)
}
