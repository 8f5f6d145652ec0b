//! `try`, `confirm`, `abandon`.

use std::time::Duration;

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::operations::etc::{EtcMerge, MergedAgain};
use baserock::operations::trial::{self, Resumed};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show};
use system::observer::Observer;
use system::restart::restart;
use system::uptime::uptime;

use crate::remedies;
use crate::time::duration;

/// Boot a version once; the default stays until the version is confirmed
///
/// If the version is not confirmed by the deadline, the machine restarts into the default by itself; so it does if the kernel panics, or if
/// the power is cut. A version confirms itself by baserock-confirm.service when it has come up; what must be well before that is ordered
/// before boot-complete.target. /etc is merged as by set-default.
#[derive(Debug, clap::Args)]
pub struct Try {
    /// The version
    #[arg(value_name = "LABEL")]
    label: ExistingLabel,
    /// Restart the machine at once
    #[arg(long)]
    reboot: bool,
    /// The time from the start of the kernel by which it has to be confirmed: seconds, or 90s, 10m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    deadline: Duration,
    /// How often it is booted if it comes back
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    tries: u32,
    /// Leave the version's /etc as it is
    #[arg(long)]
    no_merge: bool,
    /// Try a version that has no units for trials: you confirm it, and nothing comes back at the deadline
    #[arg(long)]
    without_units: bool,
    /// Leave it to you to confirm it when it has come up; otherwise the machine comes back at the deadline
    #[arg(long)]
    by_hand: bool,
}

/// Confirm the version on trial, which is running: it becomes the default
#[derive(Debug, clap::Args)]
pub struct Confirm {
    /// Do what a machine does that has come up: confirm a trial, or try again what came back, or nothing. baserock-confirm.service runs this
    #[arg(long)]
    pub at_boot: bool,
}

/// Call a trial off; if it is running, the next boot is the default
#[derive(Debug, clap::Args)]
pub struct Abandon {
    /// Restart the machine at once if the trial is running
    #[arg(long)]
    reboot: bool,
}

impl Try {
    /// Arms the trial.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let options = trial::Try {
            label: self.label.clone(),
            etc: (!self.no_merge).then(EtcMerge::default),
            deadline: self.deadline,
            tries: self.tries,
            without_units: self.without_units,
            by_hand: self.by_hand,
        };
        if let MergedAgain::BothChanged { old, .. } = trial::arm(volume, &options, show)? {
            show.note(remedies::merge_again(&old, &self.label));
        }
        show.phase(format!(
            "the next boot is {}, and the one after it the default, unless it is confirmed within {} s",
            self.label,
            self.deadline.as_secs()
        ));
        if self.reboot { Ok(restart()?) } else { Ok(()) }
    }
}

impl Confirm {
    /// Confirms the trial.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let took = Some(uptime()?);
        let resumed = if self.at_boot {
            trial::resume(volume, took, show)?
        } else {
            Resumed::Confirmed(trial::confirm(volume, took, show)?)
        };
        match resumed {
            Resumed::Nothing => Ok(()),
            Resumed::Well(label) => {
                show.phase(format!("{label} is well; whoever has begun its trial confirms it"));
                Ok(())
            }
            Resumed::Confirmed(label) => {
                show.phase(format!("{label} is confirmed: it is the default now"));
                Ok(())
            }
            Resumed::Again(label) => {
                show.warn(format!("{label} came back from its trial and is tried again: restarting"));
                Ok(restart()?)
            }
        }
    }
}

impl Abandon {
    /// Calls the trial off.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let Some((label, is_running)) = trial::abandon(volume, "somebody abandoned it", show)? else {
            show.phase("no version is on trial".to_owned());
            return Ok(());
        };
        if !is_running {
            show.phase(format!("the trial of {label} is called off"));
        } else if self.reboot {
            restart()?;
        } else {
            show.phase(format!("the trial of {label} is called off; restart the machine to leave it"));
        }
        Ok(())
    }
}
