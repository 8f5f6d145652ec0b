//! How far the new tree is, for the threads that wait for it.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use delta::NewIndex;
use system::error::{Error, Result};

/// What the threads tell each other.
#[derive(Default)]
pub struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether the tree is prepared for names; `None` while that is open.
    prepared: Option<bool>,
    /// Contents that have their names.
    placed: HashSet<NewIndex>,
    /// Whether no more contents arrive.
    is_over: bool,
}

impl Progress {
    /// Prepares the tree, and says so, or that it cannot be. A panic counts as the latter, so that nobody waits for ever.
    pub fn prepare(&self, prepare: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut end = End { progress: self, is_prepared: false };
        let outcome = prepare();
        end.is_prepared = outcome.is_ok();
        outcome
    }

    /// Waits until the tree is prepared.
    pub fn wait_until_prepared(&self) -> Result<()> {
        let state = self.wait_while(|state| state.prepared.is_none());
        if state.prepared == Some(true) {
            Ok(())
        } else {
            Err(Error::refused("the new tree cannot be prepared"))
        }
    }

    /// Says that a content has its name.
    pub fn placed(&self, entry: NewIndex) {
        self.change(|state| {
            state.placed.insert(entry);
        });
    }

    /// Says that no more contents arrive.
    pub fn over(&self) {
        self.change(|state| state.is_over = true);
    }

    /// Waits until a content has its name. Returns `false` if it does not get it.
    pub fn wait_until_placed(&self, entry: NewIndex) -> bool {
        self.wait_while(|state| !state.is_over && !state.placed.contains(&entry)).placed.contains(&entry)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait_while(&self, is_open: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.wait_while(state, |state| is_open(state)).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says at its end how preparing has ended.
struct End<'a> {
    progress: &'a Progress,
    is_prepared: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.progress.change(|state| state.prepared = Some(self.is_prepared));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_waits_for_what_another_places() {
        let progress = Progress::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                progress.wait_until_prepared().unwrap();
                [3, 4].map(|entry| progress.wait_until_placed(NewIndex(entry)))
            });
            progress.prepare(|| Ok(())).unwrap();
            progress.placed(NewIndex(3));
            progress.over();
            assert_eq!(waiting.join().unwrap(), [true, false], "one is placed, the other never");
        });
    }

    #[test]
    fn a_tree_that_cannot_be_prepared_gets_no_names() {
        let failed = Progress::default();
        assert!(failed.prepare(|| Err(Error::refused("full"))).is_err());
        assert!(failed.wait_until_prepared().is_err());
        let ended = Progress::default();
        thread::scope(|scope| {
            let preparing = scope.spawn(|| ended.prepare(|| panic!("a step that cannot be done")));
            assert!(ended.wait_until_prepared().is_err());
            assert!(preparing.join().is_err());
        });
    }
}
