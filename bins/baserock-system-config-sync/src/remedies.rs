//! The remedies of this program for refusals.

use baserock::Refusal;
use baserock_terminal::{remedy, volume};
use system::Error;

/// The remedy for an error: words that end its line.
pub fn remedies(error: &Error) -> Option<String> {
    if let Error::Busy { .. } = error {
        return Some("wait for it to end, or use --wait".to_owned());
    }
    Some(match error.kind()? {
        Refusal::EtcEdited { label, kept } => format!(
            "use --again to merge from the version as built, which drops the edits (they are kept in systems/{label}/{kept})"
        ),
        Refusal::Unmergeable { paths, .. } => remedy::take(paths),
        Refusal::Full { removable, large, .. } => {
            remedy::make_room("system-version-manager", removable, large)
        }
        refusal => return volume::remedy(refusal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_can_be_merged_again() {
        let error = Refusal::EtcEdited { label: "new".into(), kept: "etc.before-merge" }.into();
        let line = remedy::line(&error, remedies);
        assert!(line.starts_with("somebody has edited etc of new") && line.contains("use --again"), "{line}");
        assert!(line.contains("systems/new/etc.before-merge"), "{line}");
    }

    #[test]
    fn every_path_that_does_not_merge_can_be_settled() {
        let paths = ["a", "b"].map(|path| path.parse().unwrap()).to_vec();
        let error = Refusal::Unmergeable { clash: "etc: both".into(), paths }.into();
        let line = remedy::line(&error, remedies);
        assert_eq!(line, "cannot merge etc: both; choose with --take a=user|new --take b=user|new");
    }
}
