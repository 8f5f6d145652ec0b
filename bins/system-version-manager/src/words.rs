//! What lists and pages about versions have in common.

use anyhow::{Result, anyhow};
use baserock::ExistingLabel;
use baserock::operations::sizes::sizes;
use baserock::volume::{Details, Volume};
use baserock_terminal::harmless;
use system::Error;

/// The version that is named, else the running one, else the default. It is complete.
pub fn running_or_default(volume: &Volume, named: Option<&ExistingLabel>) -> Result<ExistingLabel> {
    let label = match named.or(volume.running()) {
        Some(label) => label.clone(),
        None => volume.default()?.ok_or_else(|| anyhow!("no version is the default; name the version"))?,
    };
    volume.require(&label)?;
    Ok(label)
}

/// How the trial of a version stands, in words; `None` if there is nothing to say.
pub fn trial_of(volume: &Volume, label: &ExistingLabel) -> Result<Option<String>> {
    match volume.trial_of(label) {
        Ok(known) => Ok(known.and_then(|known| known.words())),
        // A record that cannot be read must not hide the versions.
        Err(error @ Error::Malformed { .. }) => Ok(Some(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// What distinguishes a version, in words.
pub fn marks(details: &Details) -> Vec<String> {
    let version = &details.version;
    let open = details.conflicts.len();
    [
        (version.running, "running".to_owned()),
        (version.default, "default".to_owned()),
        (details.next && !version.default, "next".to_owned()),
        (version.trial.is_some(), "trial".to_owned()),
        (details.remarks.pinned, "pinned".to_owned()),
        (details.signed_by.as_ref().is_some_and(Vec::is_empty), "unsigned".to_owned()),
        (details.good == Some(true), "good".to_owned()),
        (details.good == Some(false), "came-back".to_owned()),
        (open == 1, "1-conflict".to_owned()),
        (open > 1, format!("{open}-conflicts")),
    ]
    .into_iter()
    .filter_map(|(is, mark)| is.then_some(mark))
    .collect()
}

/// Which revision a version was made from: as the deployer said, or as its system says.
pub fn revision(details: &Details) -> String {
    [&details.remarks.revision, &details.system.build]
        .into_iter()
        .find(|text| !text.is_empty())
        .cloned()
        .unwrap_or_default()
}

/// A moment in UTC without its seconds: `2026-11-23 22:17`.
pub fn minutes(moment: &str) -> String {
    moment.get(..16).unwrap_or(moment).replace('T', " ")
}

/// Adds how large the versions are. What cannot be read is named, and left out.
pub fn add_sizes(volume: &Volume, versions: &mut [Details]) {
    match sizes(volume) {
        Ok(sizes) => {
            for details in versions {
                let share = sizes.get(&details.version.label);
                details.size = share.map(|share| share.stored);
                details.exclusive = share.map(|share| share.exclusive);
            }
        }
        Err(error) => eprintln!("the sizes of versions are not known: {error}"),
    }
}

/// A size for people, rounded up, so that a small one is not shown as 0.
pub fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map(|bytes| format!("{} MiB", bytes.div_ceil(1 << 20))).unwrap_or_default()
}

/// The text without what would change the state of a terminal.
pub fn tamed(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .flat_map(|line| format!("{}\n", harmless(&line.replace('\t', "    "))).into_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_the_state_of_a_terminal_is_shown() {
        assert_eq!(tamed(b"\xff\x1b[0m\ta\n"), "\u{fffd}\\x1b[0m    a\n".as_bytes());
    }
}
