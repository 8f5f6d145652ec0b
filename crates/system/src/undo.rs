//! The undo stack. It takes back the steps of a failed operation in reverse order.

use crate::error::Result;

/// Steps that take back the work so far. If this is dropped before [`Undo::commit`], it runs them, the last one first.
///
/// A step that fails does not stop the others. Its error is only logged, because the user has to see the error that made the operation
/// fail.
#[derive(Default)]
pub struct Undo<'a> {
    steps: Vec<(String, Step<'a>)>,
}

/// Logs an error of tidying up after a success. The debris stays until the next operation sweeps it away.
pub fn tidy(outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::error!("left behind: {error}");
    }
}

type Step<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

impl<'a> Undo<'a> {
    /// An empty stack.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers the step that takes back the change that has just succeeded. `what` is an infinitive: `remove /systems/devel/run`.
    pub fn push(&mut self, what: impl Into<String>, step: impl FnOnce() -> Result<()> + 'a) {
        self.steps.push((what.into(), Box::new(step)));
    }

    /// Forgets all steps: nothing will be taken back.
    pub fn commit(mut self) {
        self.steps.clear();
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        while let Some((what, step)) = self.steps.pop() {
            tracing::info!("undo: {what}");
            if let Err(error) = step() {
                tracing::error!("undo: cannot {what}: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::error::Error;

    #[test]
    fn steps_run_in_reverse_and_a_failing_one_stops_nothing() {
        let ran = RefCell::new(Vec::new());
        {
            let mut undo = Undo::new();
            for n in 1..=3 {
                let ran = &ran;
                undo.push(format!("step {n}"), move || {
                    ran.borrow_mut().push(n);
                    if n == 2 { Err(Error::refused("no")) } else { Ok(()) }
                });
            }
        }
        assert_eq!(*ran.borrow(), [3, 2, 1]);
    }

    #[test]
    fn a_commit_disarms() {
        let mut undo = Undo::new();
        undo.push("never", || panic!("ran"));
        undo.commit();
    }
}
