//! Shows what a merge of `/etc` does.

use baserock::etc::Step;

/// A line for each step: action, path, and notes.
pub fn steps<'s>(steps: impl IntoIterator<Item = &'s Step>) -> String {
    steps.into_iter().flat_map(|step| [step.to_string(), "\n".to_owned()]).collect()
}
