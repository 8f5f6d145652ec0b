//! `rename`, `copy`.

use anyhow::Result;
use baserock::operations;
use baserock::volume::Volume;
use baserock::{ExistingLabel, Label};
use baserock_terminal::{Output, Show};

/// Give a version another label
///
/// It may be the running version and the default: the boot menu and all records follow. If the power goes, the next command ends what was begun,
/// or takes it back.
#[derive(Debug, clap::Args)]
pub struct Rename {
    /// The version
    #[arg(value_name = "OLD")]
    old: ExistingLabel,
    /// Its new label
    #[arg(value_name = "NEW")]
    new: Label,
}

/// Make a version that is a copy of another one, or of the running one, as it is now
///
/// All data is shared until it is changed. The default does not change. The copy has neither the note nor the pin.
#[derive(Debug, clap::Args)]
pub struct Copy {
    /// The version
    #[arg(value_name = "OLD")]
    from: ExistingLabel,
    /// The label of the copy
    #[arg(value_name = "NEW")]
    to: Label,
}

impl Rename {
    /// Renames it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let options = operations::Rename { old: self.old.clone(), new: self.new.clone() };
        Ok(operations::rename(volume, &options, &Show::new(Output::Errors))?)
    }
}

impl Copy {
    /// Copies it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let options = operations::Copy { from: self.from.clone(), to: self.to.clone() };
        Ok(operations::copy(volume, &options, &Show::new(Output::Errors))?)
    }
}
