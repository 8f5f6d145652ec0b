//! `publish.write` and `publish.check`: a deployment that publishes.

use std::path::Path;

use baserock::ExistingLabel;
use baserock::extension::Environment;
use baserock::operations::trust::signing_key;
use repository::Refusal;
use repository::publish::{self, Folder, Publishing};
use system::dir::Dir;
use system::observer::Observer;
use system::{Error, Result};

/// How long an index counts if nothing is said, in days.
const LIFETIME: usize = 90;
/// Seconds of a day.
const DAY: u64 = 86_400;
/// From so many versions deltas are made if nothing is said.
const DELTAS: usize = 3;
/// zstd's level if nothing is said.
const LEVEL: i32 = 12;

/// The parameters.
struct Options {
    publishing: Publishing,
    keys: Vec<String>,
    lifetime: u64,
}

impl Options {
    fn new(environment: &Environment) -> Result<Self> {
        let label: ExistingLabel = environment.required("VERSION_LABEL")?.parse()?;
        let level = environment.count("PUBLISH_LEVEL", "the level of zstd")?.map_or(Ok(LEVEL), |level| {
            i32::try_from(level)
                .ok()
                .filter(|level| (1..=19).contains(level))
                .ok_or_else(|| Error::refused(format!("PUBLISH_LEVEL is {level}; it is 1 to 19")))
        })?;
        let publishing = Publishing {
            label,
            channel: environment.text("PUBLISH_CHANNEL")?.map(str::to_owned),
            deltas: environment.count("PUBLISH_DELTAS", "versions")?.unwrap_or(DELTAS),
            level,
            deployment: publish::deployment(environment)?,
        };
        let keys: Vec<String> = signing_key(environment)?.into_iter().collect();
        if keys.is_empty() && !environment.boolean("UNSIGNED", false)? {
            return Err(Error::refused(
                "SIGNING_KEY is not set: name a key of ssh, or set UNSIGNED=yes, and machines refuse the repository unless they are told not to",
            ));
        }
        let days = environment.count("PUBLISH_LIFETIME", "days")?.unwrap_or(LIFETIME);
        let lifetime = u64::try_from(days).unwrap_or(u64::MAX).saturating_mul(DAY);
        Ok(Options { publishing, keys, lifetime })
    }
}

/// Refuses parameters that are wrong.
pub fn check(location: &Path, environment: &Environment) -> Result<()> {
    Options::new(environment)?;
    if location.exists() && !location.is_dir() {
        return Err(Error::refused(format!(
            "{} is no folder; name that of a repository",
            location.display()
        )));
    }
    Ok(())
}

/// Publishes the tree in the repository at the location.
pub fn write(tree: &Path, location: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    check(location, environment)?;
    let options = Options::new(environment)?;
    let tree = Dir::open(tree)?;
    publish::refuse_one_machine(&tree)?;
    let mut folder = Folder::open_or_make(location)?;
    publish::add(&mut folder, &tree, &options.publishing, observer)?;
    folder.publish(&options.keys, options.lifetime)?;
    observer.note(format!("{} is published in {}", options.publishing.label, location.display()));
    Ok(())
}

/// The remedies for refusals of a repository.
pub fn remedies(error: &Error) -> Option<String> {
    if let Error::Busy { .. } = error {
        return Some("another publisher is at work; wait for it to end".to_owned());
    }
    Some(match error.kind()? {
        Refusal::Exists { .. } => "set VERSION_LABEL to another: what is published never changes".to_owned(),
        Refusal::OneMachine { .. } => {
            "leave out what makes it one machine's; machines make their own".to_owned()
        }
        Refusal::NoRepository { .. } => "name an empty folder, or one that does not exist".to_owned(),
        _ => return None,
    })
}
