//! The record of a merge: `systems/NEW/merge.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use system::error::{Error, Result};

use super::accounts::Dropped;
use super::changes::Changes;
use super::fingerprint::{fingerprint_of_result, fingerprint_of_user, sum};
use super::options::{Choices, Side, Take};
use super::path::EtcPath;
use super::step::Step;
use super::tree::{Node, Tree};
use crate::json::{self, Format};
use system::owners::IdMoves;

/// The record of a merge, for the next merge and for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The label of the old version.
    pub old: String,
    /// The UUID of the old version's `run`, because labels are used again. Older programs did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_run: Option<String>,
    /// The versions from which the old one was merged in turn: the UUID of `run`, and the fingerprint of its `etc` at that time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub older: BTreeMap<String, String>,
    /// The options that decided the merge.
    #[serde(default, skip_serializing_if = "Choices::is_empty")]
    pub choices: Choices,
    /// The step for every path that does not simply follow the new version.
    pub steps: Vec<Step>,
    /// The conflicts that nobody has resolved.
    pub conflicts: Vec<Conflict>,
    /// Those of them that were resolved, and can be opened again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<Resolved>,
    /// The files that the merge itself made (`.orig`, `.rej`), each with its [`sum`].
    pub made: BTreeMap<EtcPath, String>,
    /// The owners that have other numbers on this machine than in the new version as built.
    #[serde(default)]
    pub moves: IdMoves,
    /// The accounts that versions dropped. Their numbers are given to no other account.
    #[serde(default, skip_serializing_if = "Dropped::is_empty")]
    pub dropped: Dropped,
    /// The fingerprint of the old version's `etc` when it was merged.
    pub user: String,
    /// The fingerprint of the result.
    pub result: String,
    /// The differences of the old version's `etc` from the one as built. Older programs did not write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_changes: Option<Changes>,
    /// The differences of the result from the new version's `etc` as built, whose owners have the machine's numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_changes: Option<Changes>,
}

/// A change that did not merge, and the places of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The path that both sides changed.
    pub path: EtcPath,
    /// A copy of the new version's file, if there is one.
    pub orig: Option<EtcPath>,
    /// The user's change.
    pub rej: EtcPath,
}

/// A conflict that was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The path that both sides changed.
    pub path: EtcPath,
    /// What it became, as its [`sum`]; `None` if it is gone.
    pub became: Option<String>,
}

impl Format for Record {}

impl Record {
    /// Reads a record; `shown` names the file in errors.
    pub fn parse(bytes: &[u8], shown: &std::path::Path) -> Result<Self> {
        json::read(bytes).map_err(|fault| {
            let hint = "move it away to merge without it; conflicts that it lists are then no longer carried";
            Error::malformed(shown, format!("{}; {hint}", fault.in_a("a merge record")))
        })
    }

    /// The record as JSON, with a final newline.
    pub fn to_json(&self) -> Vec<u8> {
        json::file(self)
    }

    /// Whether the merged version's `etc` was changed since the merge. Files that change while it runs do not count.
    pub fn result_changed(&self, now: &Tree) -> bool {
        fingerprint_of_result(now) != self.result
    }

    /// Whether the old version's `etc` was changed since the merge.
    pub fn user_changed(&self, now: &Tree) -> bool {
        fingerprint_of_user(now) != self.user
    }

    /// The fingerprint of a version's `etc` when it was last merged into this one or into one of its sources. `run` is the version's UUID.
    pub fn merged(&self, run: &str) -> Option<&String> {
        if self.old_run.as_deref() == Some(run) { Some(&self.user) } else { self.older.get(run) }
    }

    /// The versions that have been merged into a version that is merged from the one with this record.
    pub fn sources(&self) -> BTreeMap<String, String> {
        let direct = self.old_run.iter().map(|run| (run.clone(), self.user.clone()));
        self.older.clone().into_iter().chain(direct).collect()
    }

    /// Makes this `etc` the result of the merge, in which a side was taken at the path, or none any more. `built` is as in a plan.
    pub fn choose(&mut self, path: &EtcPath, side: Option<Side>, built: &Tree, result: &Tree) {
        self.choices.take.retain(|take| take.path != *path);
        self.choices.take.extend(side.map(|side| Take { path: path.clone(), side }));
        self.result = fingerprint_of_result(result);
        self.result_changes = Changes::between(built, result);
    }

    /// Whether the merge made this file, and nobody has changed it since.
    pub fn made(&self, path: &EtcPath, node: Option<&Node>) -> bool {
        node.is_some_and(|node| self.made.get(path) == Some(&sum(node)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn records_before_the_number_are_read_and_newer_ones_refused() {
        let before = r#"{
            "old": "factory",
            "steps": [{"action": "keep", "path": "hostname"}],
            "conflicts": [{"path": "a", "orig": null, "rej": "a.rej"}],
            "made": {"a.rej": "00"},
            "moves": {"users": {"106": 107}},
            "user": "u",
            "result": "r"
        }"#;
        let record = Record::parse(before.as_bytes(), Path::new("merge.json")).unwrap();
        assert_eq!(record.moves.user(106), 107);
        let text = String::from_utf8(record.to_json()).unwrap();
        assert!(text.starts_with("{\n  \"format\": 1,\n  \"old\": \"factory\",\n"), "{text}");
        assert_eq!(Record::parse(text.as_bytes(), Path::new("merge.json")).unwrap(), record);
        let newer = text.replace("\"format\": 1", "\"format\": 2");
        let message = Record::parse(newer.as_bytes(), Path::new("merge.json")).unwrap_err().to_string();
        assert!(
            message.starts_with("merge.json: written by a newer program (format 2, this one reads 1); move")
        );
    }
}
