//! Makes several deployments, in order or some of them at once. A failure does not stop the others.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

use system::{Error, Result, signal};

use crate::output::Lines;
use crate::prepared::Prepared;

/// The outcomes of the deployments, in their order.
pub type Outcomes<T> = Vec<Option<Result<T>>>;

/// Does `work` for each deployment, up to `jobs` at once, and shows the outcome of each at the end; `work` returns the words for success.
/// Fails if any of them failed.
pub fn run(
    all: &[Prepared],
    jobs: NonZeroUsize,
    work: impl Fn(&Prepared) -> Result<String> + Sync,
) -> anyhow::Result<()> {
    summarize(all, each(all, jobs, work))
}

/// Does `work` for each deployment, up to `jobs` at once, and returns the outcomes in the order of the deployments. After a signal, no further
/// one begins: there is no outcome of those.
pub fn each<T: Send>(
    all: &[Prepared],
    jobs: NonZeroUsize,
    work: impl Fn(&Prepared) -> Result<T> + Sync,
) -> Outcomes<T> {
    let outcomes = Mutex::new(all.iter().map(|_| None).collect::<Outcomes<T>>());
    let queue = Mutex::new(all.iter().enumerate());
    thread::scope(|scope| {
        for _ in 0..jobs.get().min(all.len()) {
            scope.spawn(|| {
                while let Some((index, prepared)) = next(&queue) {
                    let outcome = work(prepared);
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes[index] = Some(outcome);
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_default()
}

fn next<'a, T>(queue: &Mutex<impl Iterator<Item = T> + 'a>) -> Option<T> {
    signal::check().ok()?;
    queue.lock().ok()?.next()
}

fn summarize(all: &[Prepared], outcomes: Outcomes<String>) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (prepared, outcome) in all.iter().zip(outcomes) {
        let lines = Lines::of(&prepared.deployment.name, false);
        match outcome {
            Some(Ok(done)) => lines.say(&done),
            Some(Err(Error::Interrupted(_))) => lines.complain("interrupted"),
            Some(Err(error)) => {
                lines.complain(&format!("failed: {error}"));
                failed.push(prepared.deployment.name.as_str());
            }
            None => lines.complain("not begun"),
        }
    }
    signal::check()?;
    if failed.is_empty() {
        return Ok(());
    }
    anyhow::bail!("{} of {} deployments failed: {}", failed.len(), all.len(), failed.join(", "))
}
