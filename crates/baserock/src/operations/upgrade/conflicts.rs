//! What is done about conflicts in the `/etc` of a version that is going to be the default.

use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::{Observer, Silent};

use super::{Then, Upgrade};
use crate::etc::EtcPath;
use crate::etc::left::named;
use crate::extension::Environment;
use crate::operations::etc::{self, EtcMerge, Merged, MergedAgain};
use crate::operations::{SetDefault, set_default};
use crate::refusal::Refusal;
use crate::volume::Volume;

/// What is done if the merge of `/etc` has conflicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflicts {
    /// The version becomes the default with them.
    #[default]
    Accept,
    /// The version is deployed, and does not become the default.
    DefaultStays,
    /// The version is refused.
    Refuse,
}

/// The variable with the choice.
const VARIABLE: &str = "CONFLICTS";

impl OnConflicts {
    /// As the environment says: `CONFLICTS`, which is `accept`, `default-stays` or `refuse`.
    pub fn from_environment(environment: &Environment) -> Result<Self> {
        match environment.text(VARIABLE)? {
            None | Some("accept") => Ok(OnConflicts::Accept),
            Some("default-stays") => Ok(OnConflicts::DefaultStays),
            Some("refuse") => Ok(OnConflicts::Refuse),
            Some(text) => {
                Err(Error::refused(format!("{VARIABLE} is {text:?}; use accept, default-stays or refuse")))
            }
        }
    }
}

/// Fails if conflicts are refused and the merge into a version of this tree would leave some.
pub fn refuse(volume: &Volume, upgrade: &Upgrade, tree: &Dir, etc: Option<&EtcMerge>) -> Result<()> {
    if upgrade.conflicts != OnConflicts::Refuse {
        return Ok(());
    }
    plan(volume, upgrade, tree, etc, &Silent).map(drop)
}

/// The merge into a version of this tree, if there is one. Fails if it would leave conflicts, and they are refused.
pub fn plan(
    volume: &Volume,
    upgrade: &Upgrade,
    tree: &Dir,
    etc: Option<&EtcMerge>,
    observer: &dyn Observer,
) -> Result<Option<Merged>> {
    let survey = volume.survey()?;
    let (Some(how), Some(old)) = (etc, survey.followed()) else { return Ok(None) };
    let merged = etc::plan(volume, old, &upgrade.label, tree, how, observer)?;
    if upgrade.conflicts == OnConflicts::Refuse {
        etc::refuse_conflicts(&upgrade.label, Some(&merged))?;
    }
    Ok(Some(merged))
}

/// The conflicts that keep the deployed version from becoming the default, named. They are those that it would have as the default, so
/// changes of `/etc` after its deployment count. Fails if they are refused.
pub fn hold(
    volume: &Volume,
    upgrade: &Upgrade,
    etc: Option<&EtcMerge>,
    observer: &dyn Observer,
) -> Result<Vec<EtcPath>> {
    if upgrade.conflicts == OnConflicts::Accept || upgrade.then == Then::Nothing {
        return Ok(Vec::new());
    }
    let label = &upgrade.label;
    let options = SetDefault { label: (**label).clone(), etc: etc.cloned() };
    let paths: Vec<_> = match set_default::preview(volume, &options, &Silent)? {
        MergedAgain::Merged(merged) => etc::conflicts(&merged).cloned().collect(),
        MergedAgain::NotNeeded | MergedAgain::BothChanged { .. } => volume.open_conflicts(label)?,
    };
    if upgrade.conflicts == OnConflicts::Refuse && !paths.is_empty() {
        return Err(Refusal::Conflicts { label: (**label).clone(), paths }.into());
    }
    if !paths.is_empty() {
        let paths = named(&paths);
        observer
            .warn(format!("{label} does not become the default, because its /etc has conflicts: {paths}"));
    }
    Ok(paths)
}
