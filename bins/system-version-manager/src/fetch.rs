//! `fetch` and `upgrade`: versions from a repository.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use baserock::extension::{Environment, parse_size};
use baserock::json::{self, Format};
use baserock::operations::etc::{conflicts, steps};
use baserock::operations::trust::{ALLOWED_SIGNERS, AllowedSigners};
use baserock::operations::upgrade::{self, Then};
use baserock::operations::{self, Upgrade, ballast, full};
use baserock::rootfs::settings::{self, Settings};
use baserock::volume::Volume;
use baserock::{ExistingLabel, Label};
use baserock_terminal::{Output, Show, print, steps as lines};
use repository::Location;
use repository::fetch::{Fetched, Offer, Remote, Seen, Trust};
use repository::rotation::Rotation;
use repository::wave;
use serde::Serialize;
use system::dir::Dir;
use system::error::OrCannot;
use system::lock::Patience;
use system::observer::Observer;
use system::restart::restart;

use crate::time::duration;
use crate::words::mebibytes;

/// The variable that names a file of trusted keys.
const SIGNERS: &str = "BASEROCK_ALLOWED_SIGNERS";

/// Fetch a version from a repository, and put it beside the others
///
/// Only what the default version does not have is fetched, and a fetch that was cut off continues. The version is deployed as by import; the
/// default does not change. Its index has to be signed by a key in /etc/baserock/allowed_signers or in a file of /etc/baserock/allowed_signers.d;
/// BASEROCK_ALLOWED_SIGNERS names another file. What is not named comes from /etc/baserock/upgrade.toml. The environment is that of deploy;
/// CONFLICTS=refuse refuses the version if the merge of /etc leaves conflicts.
#[derive(Debug, clap::Args)]
pub struct Fetch {
    #[command(flatten)]
    from: From,
    /// The repository, with a / in it: the URL or the path of its folder
    #[arg(value_name = "URL")]
    first: Option<OsString>,
    /// The version; else that of the channel
    #[arg(value_name = "LABEL")]
    second: Option<OsString>,
}

/// Fetch what the channel offers, boot it on trial or make it the default, and restart
///
/// /etc/baserock/upgrade.toml says from where, and what is done then. A version that was chosen before is left as it is: one that came back from
/// its trial is not tried again, and nothing is done where somebody has gone back to another version. baserock-upgrade.timer runs this.
#[derive(Debug, clap::Args)]
pub struct UpgradeNow {
    #[command(flatten)]
    from: From,
    /// Restart the machine at once, whatever the settings say
    #[arg(long)]
    reboot: bool,
    /// The time from the start of the kernel by which a trial has to be confirmed: seconds, or 90s, 10m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    deadline: Duration,
}

/// From where, and what counts.
#[derive(Debug, clap::Args)]
struct From {
    /// The channel
    #[arg(long)]
    channel: Option<String>,
    /// Say what would be fetched and done to /etc, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Most bytes in a second, such as 500K or 2M
    #[arg(long, value_name = "RATE")]
    limit: Option<String>,
    /// Take an index that has expired, or where the clock is wrong
    #[arg(long)]
    allow_expired: bool,
    /// Take an index without a signature. Whoever can change it can change this machine
    #[arg(long)]
    insecure_unsigned: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A line for people
    Text,
    /// One object of JSON
    Json,
}

/// The result, as JSON. Of a dry run, the bytes are those that would be fetched, before compression.
#[derive(Debug, Serialize)]
struct Told {
    label: ExistingLabel,
    changed: bool,
    bytes: u64,
    requests: u64,
    conflicts: Vec<String>,
    signed_by: Vec<String>,
}

impl Format for Told {}

impl Fetch {
    /// Fetches the version.
    pub fn run(&self, volume: &mut Volume) -> Result<()> {
        let (source, label) = self.places()?;
        let settings = Settings::of(&Dir::open("/")?)?;
        self.from.run(volume, &settings, source.as_deref(), label.as_ref(), Then::Nothing).map(drop)
    }

    /// The repository and the label. Only the repository has a slash in it.
    fn places(&self) -> Result<(Option<OsString>, Option<ExistingLabel>)> {
        let is_place = |text: &OsString| text.as_encoded_bytes().contains(&b'/');
        let (source, label) = match (&self.first, &self.second) {
            (Some(first), None) if !is_place(first) => (None, Some(first)),
            (first, second) => (first.as_ref(), second.as_ref()),
        };
        if let Some(source) = source.filter(|source| !is_place(source)) {
            bail!("{} is no repository; give its URL, or a path with a / in it", source.display());
        }
        let label = label.map(|label| label.to_string_lossy().parse()).transpose()?;
        Ok((source.cloned(), label))
    }
}

impl UpgradeNow {
    /// Upgrades.
    pub fn run(&self, volume: &mut Volume) -> Result<()> {
        let runs = volume.running().is_some();
        if self.reboot && !runs {
            bail!("--reboot restarts this machine, and the volume is not its own; leave one of them out");
        }
        let settings = Settings::of(&Dir::open("/")?)?;
        let then = match settings.then {
            settings::Then::Trial => Then::Trial { deadline: self.deadline, by_hand: false },
            settings::Then::Default => Then::Default,
            settings::Then::Nothing => Then::Nothing,
        };
        let has_changed = self.from.run(volume, &settings, None, None, then)?;
        if has_changed && runs && (self.reboot || settings.reboot) && then != Then::Nothing {
            restart()?;
        }
        Ok(())
    }
}

impl From {
    /// Returns whether there is a new version that boots next.
    fn run(
        &self,
        volume: &mut Volume,
        settings: &Settings,
        source: Option<&OsStr>,
        label: Option<&ExistingLabel>,
        then: Then,
    ) -> Result<bool> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let location = self.location(settings, source)?;
        let mut seen = Seen::of(volume.top())?;
        if source.is_some() {
            // Who names it means what is there.
            seen.forget(&location.shown());
        }
        let remote = Remote::open(&location, &self.trust(settings)?, &seen, show)?;
        if !self.dry_run {
            volume.while_locked(Patience::Wait, |volume| {
                let remembered = ballast::with_release(volume, || remote.remember(volume.top()));
                full::explain(volume, None, remembered)
            })?;
            take_over(&remote, show)?;
        }
        let offer = remote.offer(label, self.channel.as_deref().unwrap_or(&settings.channel))?;
        if !is_our_turn(&offer)? {
            let percent = offer.percent;
            show.note(format!(
                "{} goes to {percent} of 100 machines now, and not to this one",
                offer.version.label
            ));
            return self.tell(&remote, &offer, false, Vec::new());
        }
        if then != Then::Nothing && upgrade::was_chosen(volume, &offer.version.label)? {
            return self.tell(&remote, &offer, false, Vec::new());
        }
        if remote.signers.is_empty() {
            show.note(format!("{} is not signed: nobody vouches for it", offer.version.label));
        }
        let options = options(&offer, then, settings.keep)?;
        let mut contents = Fetched { remote: &remote, version: &offer.version, observer: show };
        let before = volume.versions()?.into_iter().any(|version| version.label == offer.version.label);
        if self.dry_run {
            let found = upgrade::preview(volume, &options, &mut contents, show)?;
            if self.format == Form::Json {
                let bytes = found.bytes.saturating_sub(found.there);
                let conflicts = found.merged.iter().flat_map(conflicts).map(ToString::to_string).collect();
                tell_json(&remote, &offer, bytes, !before, conflicts)?;
                return Ok(false);
            }
            show.note(format!(
                "{} would be fetched: {} of new contents, before compression",
                offer.version.label,
                mebibytes(Some(found.bytes.saturating_sub(found.there)))
            ));
            print(&lines(steps(found.merged.as_ref())))?;
            return Ok(false);
        }
        let done = operations::upgrade(volume, &options, &mut contents, show)?;
        let is_held = !done.held.is_empty();
        let merged = done.merged.iter().flat_map(conflicts).cloned().collect();
        let paths = if is_held { done.held } else { merged };
        let has_changed =
            self.tell(&remote, &offer, !before, paths.iter().map(ToString::to_string).collect())?;
        Ok((has_changed || then != Then::Nothing) && !is_held)
    }

    fn location(&self, settings: &Settings, source: Option<&OsStr>) -> Result<Location> {
        let limit = match self.limit.as_ref().or(settings.limit.as_ref()) {
            Some(text) => match parse_size(text) {
                Some(limit) if limit > 0 => Some(limit),
                _ => bail!("{text} is no rate; write it as 500K or 2M"),
            },
            None => None,
        };
        let configured = settings.source.iter().chain(&settings.mirrors).map(OsStr::new);
        let places: Vec<&OsStr> = match source {
            Some(source) => vec![source],
            None => configured.collect(),
        };
        if places.is_empty() {
            bail!("no repository is named; name one, or set source in /{}", settings::SETTINGS);
        }
        Ok(Location::new(places, limit)?)
    }

    fn trust(&self, settings: &Settings) -> Result<Trust> {
        let keys = if self.insecure_unsigned {
            None
        } else {
            Some(AllowedSigners::of(&Dir::open("/")?, named_keys().as_deref())?)
        };
        Ok(Trust { keys, threshold: settings.signers, allow_expired: self.allow_expired })
    }

    fn tell(
        &self,
        remote: &Remote<'_>,
        offer: &Offer,
        changed: bool,
        conflicts: Vec<String>,
    ) -> Result<bool> {
        let used = remote.location.used();
        let label = &offer.version.label;
        match self.format {
            Form::Json => tell_json(remote, offer, used.bytes, changed, conflicts)?,
            Form::Text if changed => {
                let amount = mebibytes(Some(used.bytes));
                print(&format!("{label}: fetched {amount} in {} requests\n", used.requests))?;
            }
            Form::Text => print(&format!("{label}: nothing to do\n"))?,
        }
        Ok(changed)
    }
}

/// Prints the result as JSON.
fn tell_json(
    remote: &Remote<'_>,
    offer: &Offer,
    bytes: u64,
    changed: bool,
    conflicts: Vec<String>,
) -> Result<()> {
    let (label, requests) = (offer.version.label.clone(), remote.location.used().requests);
    let signed_by = remote.signers.iter().map(ToString::to_string).collect();
    let told = Told { label, changed, bytes, requests, conflicts, signed_by };
    print(&format!("{}\n", json::line(&told)?))
}

/// Trusts other keys from now on, if the old ones have signed them.
fn take_over(remote: &Remote<'_>, show: &dyn Observer) -> Result<()> {
    let Some(rotation) = &remote.rotation else { return Ok(()) };
    if let Some(file) = named_keys() {
        show.note(format!(
            "other keys are trusted from now on: bring {} up to date, with what {} has in {}",
            file.display(),
            remote.location.shown(),
            Rotation::name(rotation.number)
        ));
        return Ok(());
    }
    rotation.store(&Dir::open("/")?)?;
    show.note(format!("/{ALLOWED_SIGNERS} has other keys from now on, signed by those before"));
    Ok(())
}

/// The file of trusted keys that somebody names instead of the system's.
pub fn named_keys() -> Option<PathBuf> {
    std::env::var_os(SIGNERS).filter(|file| !file.is_empty()).map(PathBuf::from)
}

fn options(offer: &Offer, then: Then, keep: Option<usize>) -> Result<Upgrade> {
    // What this machine says counts more than what the version brings.
    let brought = offer.version.deployment.iter().map(|(name, value)| (name.into(), value.into()));
    let environment: Environment = brought.chain(std::env::vars_os()).collect();
    let label: Label = offer.version.label.to_string().parse()?;
    let upgrade = Upgrade::from_environment(label, then, &environment)?;
    Ok(Upgrade { keep: upgrade.keep.or(keep), ..upgrade })
}

/// Whether this machine takes what is offered now.
fn is_our_turn(offer: &Offer) -> Result<bool> {
    const MACHINE_ID: &str = "/etc/machine-id";
    if offer.percent >= 100 {
        return Ok(true);
    }
    let machine = std::fs::read_to_string(MACHINE_ID).or_cannot("read", MACHINE_ID)?;
    Ok(wave::is_in(&machine, offer.version.manifest.digest.0, offer.percent))
}
