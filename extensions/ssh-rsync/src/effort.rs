//! How hard to make answers small: as hard as the link takes to send what comes of it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// zstd's levels, from quick to small. The last is left out with a prefix: it would take too much memory.
const LEVELS: [i32; 6] = [1, 3, 6, 9, 12, 15];

/// The level of the next answer, from what making and sending the last ones took. Shared by those who make and those who send.
#[derive(Default)]
pub struct Effort(Mutex<State>);

#[derive(Default)]
struct State {
    level: usize,
    /// Whether looking for what the target has takes longer than sending it.
    is_fast: bool,
    /// Of the last answers, the latest counting most: bytes, and seconds on their way.
    sent: (f64, f64),
}

/// How much an earlier answer counts beside the next.
const MEMORY: f64 = 0.7;
/// How much longer than making an answer sending it may take on a link that has been fast.
const STILL_FAST: f64 = 4.0;
/// How much longer than making an answer that did not become smaller, which is quickly made, sending it takes on no fast link.
const SURELY_SLOW: f64 = 32.0;
/// An answer that is this much of the whole has not been made smaller.
const INCOMPRESSIBLE: f64 = 0.9;

impl Effort {
    /// The level to use next.
    pub fn level(&self, with_prefix: bool) -> i32 {
        let most = LEVELS.len() - if with_prefix { 3 } else { 1 };
        LEVELS[self.with(|state| state.level).min(most)]
    }

    /// Whether the link is so fast that signatures are not worth their time.
    pub fn is_fast(&self) -> bool {
        self.with(|state| state.is_fast)
    }

    /// An answer has been sent.
    pub fn sent(&self, bytes: usize, took: Duration) {
        self.with(|state| {
            state.sent.0 = state.sent.0 * MEMORY + as_number(bytes);
            state.sent.1 = state.sent.1 * MEMORY + took.as_secs_f64();
        });
    }

    /// An answer of so many bytes has been made from `whole` bytes. Where sending it takes longer than that, the next gets more effort;
    /// where it takes much less, less.
    pub fn made(&self, whole: usize, bytes: usize, took: Duration) {
        self.with(|state| {
            let (sent, seconds) = state.sent;
            if sent == 0.0 {
                return;
            }
            let sending = as_number(bytes) * seconds / sent;
            let making = took.as_secs_f64();
            // Without a signature an answer is made in a third of the time, and waits for whoever takes it.
            let is_fast = |most: f64| state.level == 0 && sending < making * most;
            if as_number(bytes) > as_number(whole) * INCOMPRESSIBLE {
                // Compressed already: effort does not make it smaller, a signature hardly does, and without one it is made at once.
                state.is_fast |= is_fast(STILL_FAST);
                // The first answers are small, and end in a buffer before any link: what they told may be wrong.
                state.is_fast &= sending < making * SURELY_SLOW;
                return;
            }
            state.is_fast = is_fast(if state.is_fast { STILL_FAST } else { 1.25 });
            // Over a fast link it stays the least effort until the link has become slow.
            if sending > making * 1.25 && !state.is_fast {
                state.level = (state.level + 1).min(LEVELS.len() - 1);
            } else if sending < making * 0.75 {
                state.level = state.level.saturating_sub(1);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn as_number(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_slow_link_gets_small_answers_and_a_fast_one_quick_ones() {
        let effort = Effort::default();
        assert_eq!(effort.level(false), 1, "nothing is known yet");
        for _ in 0..10 {
            effort.sent(1 << 20, 4 * SECOND);
            effort.made(4 << 20, 1 << 20, SECOND);
        }
        assert_eq!((effort.level(false), effort.level(true), effort.is_fast()), (15, 9, false));
        for _ in 0..20 {
            effort.sent(1 << 20, SECOND / 100);
            effort.made(4 << 20, 1 << 20, SECOND);
        }
        assert_eq!((effort.level(false), effort.is_fast()), (1, true));
        effort.sent(1 << 20, 20 * SECOND);
        effort.made(4 << 20, 1 << 20, SECOND);
        assert!(!effort.is_fast(), "it has become slow");
    }

    #[test]
    fn what_is_compressed_already_changes_nothing() {
        let effort = Effort::default();
        effort.sent(1 << 20, SECOND / 100);
        effort.made(4 << 20, 1 << 20, SECOND);
        effort.sent(4 << 20, SECOND / 10);
        effort.made(4 << 20, 4 << 20, SECOND / 100);
        assert_eq!((effort.level(false), effort.is_fast()), (1, true));
        effort.sent(4 << 20, 2 * SECOND);
        effort.made(4 << 20, 4 << 20, SECOND / 100);
        assert!(!effort.is_fast(), "it was a buffer that was fast");
    }

    #[test]
    fn a_signature_that_saves_nothing_is_not_asked_for_on_a_fast_link() {
        for (sending, is_fast) in [(2 * SECOND, true), (20 * SECOND, false)] {
            let effort = Effort::default();
            effort.sent(4 << 20, sending);
            effort.made(4 << 20, 4 << 20, SECOND);
            assert_eq!((effort.level(false), effort.is_fast()), (1, is_fast));
        }
    }

    #[test]
    fn where_both_take_as_long_it_stays() {
        let effort = Effort::default();
        for _ in 0..3 {
            effort.sent(1 << 20, 2 * SECOND);
            effort.made(4 << 20, 1 << 20, SECOND);
        }
        let level = effort.level(false);
        effort.made(4 << 20, 1 << 20, 2 * SECOND);
        assert_eq!(effort.level(false), level);
    }
}
