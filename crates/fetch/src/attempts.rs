//! How often something is tried again, and the pauses between.

use std::thread;
use std::time::{Duration, Instant};

use system::error::Result;
use system::signal;

use crate::failure::{Failure, Patience};

/// Most new tries in a row that bring nothing.
const TRIES: u32 = 4;

/// The pause before the first new try. It doubles with each try, up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The longest pause for which a server may ask.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How often signals are checked.
pub const LOOK: Duration = Duration::from_millis(100);

/// The new tries in a row that brought nothing.
#[derive(Debug, Default)]
pub struct Attempts(u32);

impl Attempts {
    /// Whether there may be one more.
    pub fn left(&self) -> bool {
        self.0 < TRIES
    }

    /// Counts one more, after a pause.
    pub fn pause(&mut self, failure: &Failure, patience: Patience) -> Result<()> {
        let usual = (PAUSE * 2u32.pow(self.0)).min(LONGEST_PAUSE).min(patience.0);
        let pause = failure.wait.map_or(usual, |wait| wait.min(LONGEST_WAIT).max(usual));
        self.0 += 1;
        let until = Instant::now() + pause;
        while Instant::now() < until {
            signal::check()?;
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Something was brought: the next failure is the first one again.
    pub fn start_over(&mut self) {
        self.0 = 0;
    }
}
