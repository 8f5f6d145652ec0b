//! The program's arguments, one file for each command. They are a library so that the man page and completions are made from them too.

mod boot_loader;
mod conflicts;
mod default;
mod deploy;
mod diff;
mod fetch;
mod finish;
mod history;
mod import;
mod label;
mod list;
mod prune;
mod remark;
mod remedies;
mod remove;
mod resolve;
mod show;
mod status;
mod time;
mod tree;
mod trial;
mod verify;
mod watch;
mod words;

use std::process::ExitCode;

use anyhow::Result;
use baserock::volume::{Purpose, Volume};
use baserock_terminal::{Manners, VolumeArguments};
use clap::{Parser, Subcommand};
use system::Error;
use system::lock::Patience;

pub use remedies::remedies;

/// Lists, deploys, removes and switches versions of the system.
///
/// All versions of the operating system are complete and stand side by side on one btrfs volume. An upgrade adds a version and makes it the
/// default. A rollback makes the old version the default again.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: system-version-manager set-default factory && reboot")]
pub struct Arguments {
    #[command(flatten)]
    volume: VolumeArguments,
    /// Wait for another tool that is changing the volume, instead of refusing
    #[arg(long, global = true)]
    wait: bool,
    #[command(flatten)]
    manners: Manners,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Status(status::ShowStatus),
    Show(show::ShowVersion),
    Diff(diff::ShowDiff),
    Conflicts(conflicts::ShowConflicts),
    Resolve(resolve::Resolve),
    History(history::ShowHistory),
    Deploy(deploy::Deploy),
    #[command(visible_alias = "rm")]
    Remove(remove::Remove),
    Rename(label::Rename),
    Copy(label::Copy),
    Import(import::Import),
    Fetch(fetch::Fetch),
    Upgrade(fetch::UpgradeNow),
    Prune(prune::PruneVersions),
    Pin(remark::Pin),
    Unpin(remark::Unpin),
    Note(remark::Note),
    SetDefault(default::SetDefault),
    Try(trial::Try),
    Confirm(trial::Confirm),
    Abandon(trial::Abandon),
    WatchTrial(watch::WatchTrial),
    Finish(finish::Finish),
    GetDefault(default::GetDefault),
    GetRunning(default::GetRunning),
    Verify(verify::Verify),
    InstallBootloader(boot_loader::InstallBootloader),
}

impl Arguments {
    /// Runs the command. Returns the exit code.
    pub fn run(&self) -> Result<ExitCode> {
        self.manners.apply();
        match &self.command {
            Command::Status(status) => return status.run(&self.open(Purpose::Look)?),
            Command::Conflicts(conflicts) => conflicts.run(&self.open(Purpose::Look)?),
            Command::Resolve(resolve) => {
                let choice = resolve.choice(|| self.open(Purpose::Look))?;
                self.change(|volume| resolve.run(volume, choice))
            }
            Command::History(history) => history.run(&self.open(Purpose::Look)?),
            Command::Diff(diff) => diff.run(&self.open(Purpose::Look)?),
            Command::Show(show) => show.run(&self.open(Purpose::Look)?),
            Command::List(list) => list.run(&self.open(Purpose::Look)?),
            Command::GetDefault(get) => get.run(&self.open(Purpose::Look)?),
            Command::GetRunning(get) => get.run(&self.open(Purpose::Look)?),
            Command::Verify(verify) if verify.record => self.change(|volume| verify.record(volume)),
            Command::Verify(verify) => verify.run(&self.open(Purpose::Look)?),
            Command::Deploy(deploy) if deploy.dry_run => deploy.look(&self.open(Purpose::Look)?),
            Command::Deploy(deploy) => self.change(|volume| deploy.run(volume)),
            Command::Remove(remove) if remove.dry_run => remove.look(&self.open(Purpose::Look)?),
            Command::Remove(remove) => self.change(|volume| remove.run(volume)),
            Command::Rename(rename) => self.change(|volume| rename.run(volume)),
            Command::Copy(copy) => self.change(|volume| copy.run(volume)),
            Command::Import(import) => self.change(|volume| import.run(volume)),
            Command::Fetch(fetch) => self.stage(|volume| fetch.run(volume)),
            Command::Upgrade(upgrade) => self.stage(|volume| upgrade.run(volume)),
            Command::Prune(prune) if prune.dry_run => prune.look(&self.open(Purpose::Look)?),
            Command::Prune(prune) => self.change(|volume| prune.run(volume)),
            Command::Pin(pin) => self.change(|volume| pin.run(volume)),
            Command::Unpin(unpin) => self.change(|volume| unpin.run(volume)),
            Command::Note(note) => self.change(|volume| note.run(volume)),
            Command::SetDefault(set) if set.dry_run => set.look(&self.open(Purpose::Look)?),
            Command::SetDefault(set) => self.change(|volume| set.run(volume)),
            Command::Try(trial) => self.change(|volume| trial.run(volume)),
            Command::Confirm(confirm) if confirm.at_boot => self.confirm_at_boot(confirm),
            Command::Confirm(confirm) => self.change(|volume| confirm.run(volume)),
            Command::Abandon(abandon) => self.change(|volume| abandon.run(volume)),
            Command::WatchTrial(watch) => {
                let (volume, patience) = (self.volume.clone(), self.patience());
                watch.run(move |purpose| Ok(volume.open(purpose, patience)?))
            }
            Command::InstallBootloader(install) => self.change(|volume| install.run(volume)),
            Command::Finish(finish) => self.change(|volume| finish.run(volume)),
        }
        .map(|()| ExitCode::SUCCESS)
    }

    /// Most boots have nothing to record, and must not keep others from changing the volume.
    fn confirm_at_boot(&self, confirm: &trial::Confirm) -> Result<()> {
        let volume = self.open(Purpose::Look)?;
        let has_trial = volume.trial()?.is_some() || volume.trial_fault()?.is_some();
        if !has_trial && volume.unrecorded()?.is_none() {
            return Ok(());
        }
        drop(volume);
        match self.change(|volume| confirm.run(volume)) {
            // That a version has come up can be recorded at the next boot too.
            Err(error) if !has_trial && is_busy(&error) => Ok(()),
            outcome => outcome,
        }
    }

    /// Puts a version together, which may take long. The volume is locked only while its versions are changed.
    fn stage(&self, act: impl FnOnce(&mut Volume) -> Result<()>) -> Result<()> {
        let mut volume = self.open(Purpose::Stage)?;
        act(&mut volume)?;
        volume.close()?;
        Ok(())
    }

    fn change(&self, act: impl FnOnce(&mut Volume) -> Result<()>) -> Result<()> {
        let mut volume = self.open(Purpose::Change)?;
        act(&mut volume)?;
        volume.close()?;
        Ok(())
    }

    fn open(&self, purpose: Purpose) -> Result<Volume> {
        Ok(self.volume.open(purpose, self.patience())?)
    }

    fn patience(&self) -> Patience {
        if self.wait { Patience::Wait } else { Patience::Refuse }
    }
}

/// Whether another program is changing the volume.
fn is_busy(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Busy { .. }))
}
