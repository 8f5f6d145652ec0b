//! The parameters of a push, from the arguments and the environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use baserock::duration;
use baserock::extension::Environment;
use baserock::label::Label;
use baserock::operations::trust::signing_key;
use baserock::operations::upgrade::OnConflicts;
use system::error::{Error, Result};

use crate::destination::Destination;

/// The parameters of a push, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The machine.
    pub destination: Destination,
    /// The new version.
    pub label: Label,
    /// Whether the machine reboots into it at the end.
    pub autostart: bool,
    /// Whether only to say what would be sent.
    pub dry_run: bool,
    /// The trial of the version; `None` if it becomes the default at once.
    pub trial: Option<Trial>,
    /// The tree from which the target's basis was made.
    pub base_root: Option<PathBuf>,
    /// The folder of the agents.
    pub agents: Option<PathBuf>,
    /// The folder in which the sender keeps the hashes of files that it has read, and the contents that it has pushed.
    pub cache: Option<PathBuf>,
    /// Most bytes of contents that the sender keeps. The default is 0, because keeping them takes disk space and some seconds.
    pub keep: u64,
    /// The key that signs the version.
    pub key: Option<String>,
    /// The parameters of the deployment, as the target's own tools take them.
    pub deployment: BTreeMap<String, String>,
}

/// A trial after a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The time from the start of the kernel by which it is confirmed, or comes back.
    pub deadline: Duration,
    /// A command that has to succeed on the target before it is confirmed.
    pub check: Option<String>,
}

/// The variables that a deployment on the target reads.
const FORWARDED: [&str; 13] = [
    "KERNEL_PATH",
    "INITRAMFS_PATH",
    "DTB_PATH",
    "KERNEL_ARGS",
    "ROOT_DEVICE",
    "BOOTLOADER_INSTALL",
    "BOOTLOADER_CONFIG_FORMAT",
    "HOSTNAME",
    "MERGE_TAKE",
    "VERSION_NOTE",
    "VERSION_REVISION",
    "KEEP_VERSIONS",
    "CONFLICTS",
];

impl Options {
    /// Parses the parameters. An error names the variable.
    pub fn new(location: &OsStr, environment: &Environment) -> Result<Self> {
        if !environment.boolean("UPGRADE", false)? {
            return Err(Error::refused(
                "UPGRADE is not set: ssh-rsync only upgrades running systems; set UPGRADE=yes, \
                 or use rawdisk to make a new one",
            ));
        }
        environment.required("VERSION_LABEL")?;
        let label = environment.label("VERSION_LABEL")?;
        let label = label.ok_or_else(|| Error::refused("VERSION_LABEL is not set; give it a value"))?;
        let path = |name: &str| environment.raw(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut deployment = BTreeMap::new();
        for name in FORWARDED {
            if let Some(value) = environment.text(name)? {
                deployment.insert(name.to_owned(), value.to_owned());
            }
        }
        OnConflicts::from_environment(environment)?;
        let cache = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
        Ok(Options {
            destination: Destination::parse(location)?,
            label,
            autostart: environment.boolean("AUTOSTART", false)?,
            dry_run: environment.boolean("DRY_RUN", false)?,
            trial: trial(environment)?,
            base_root: path("BASE_ROOT"),
            agents: path("BASEROCK_AGENTS"),
            cache: cache.map(|cache| cache.join("baserock")),
            keep: environment.size("PUSH_CACHE")?.unwrap_or(0),
            key: signing_key(environment)?,
            deployment,
        })
    }
}

/// The deadline of a trial, if none is given.
const DEADLINE: Duration = Duration::from_secs(600);

fn trial(environment: &Environment) -> Result<Option<Trial>> {
    let check = environment.text("TRIAL_CHECK")?.filter(|check| !check.is_empty());
    let deadline = environment.text("TRIAL_DEADLINE")?.filter(|deadline| !deadline.is_empty());
    if !environment.boolean("TRIAL", false)? {
        return match (check, deadline) {
            (None, None) => Ok(None),
            _ => Err(Error::refused("TRIAL_CHECK and TRIAL_DEADLINE belong to a trial; set TRIAL=yes")),
        };
    }
    if !environment.boolean("AUTOSTART", false)? {
        return Err(Error::refused(
            "TRIAL is set and AUTOSTART is not: a trial begins with a reboot; set AUTOSTART=yes",
        ));
    }
    let wrong = || Error::refused("TRIAL_DEADLINE is no time; use seconds, or 90s, 10m or 1h");
    let deadline = deadline.map(|text| duration::parse(text).ok_or_else(wrong)).transpose()?;
    Ok(Some(Trial { deadline: deadline.unwrap_or(DEADLINE), check: check.map(str::to_owned) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_what_is_wrong() {
        let options = |location: &str, pairs: &[(&str, &str)]| {
            Options::new(location.as_ref(), &pairs.iter().copied().collect())
                .map_err(|error| error.to_string())
        };
        let good = [("UPGRADE", "yes"), ("VERSION_LABEL", "v2"), ("KERNEL_ARGS", "quiet"), ("PATH", "/bin")];
        let parsed = options("root@host", &good).unwrap();
        assert_eq!(
            parsed.deployment.into_iter().collect::<Vec<_>>(),
            [("KERNEL_ARGS".into(), "quiet".into())]
        );
        for (location, pairs, expected) in [
            ("root@host", &good[1..2], "UPGRADE=yes"),
            ("root@host", &[("UPGRADE", "no")], "UPGRADE=yes"),
            ("root@host", &good[..1], "VERSION_LABEL is not set"),
            ("root@host", &[("UPGRADE", "1"), ("VERSION_LABEL", "a/b")], "invalid label"),
            ("-oProxyCommand=x", &good[..], "root@HOST"),
            ("", &good[..], "root@HOST"),
        ] {
            let message = options(location, pairs).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
