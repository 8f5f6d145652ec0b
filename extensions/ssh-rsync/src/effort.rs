//! The effort to compress answers. It rises while sending answers takes longer than making them.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use delta::difference::Old;

/// zstd's levels, from the fastest to the strongest. The last two are not used with blocks that the target has: they would take too much
/// memory.
const LEVELS: [i32; 4] = [6, 9, 12, 15];
/// The first level, until more is known.
const START: usize = 1;
/// The strongest level with blocks that the target has.
const MOST_WITH_BLOCKS: usize = 1;
/// zstd's level with the old bytes. It takes hardly longer than a lower one, because nearly all is found in them, and makes an eighth less.
const WITH_OLD: i32 = 9;
/// zstd's level on a fast link.
const FAST: i32 = 1;

/// Chooses the level of the next answer from the times that it took to make and to send the last ones. The thread that makes answers and
/// the thread that sends them share it.
#[derive(Default)]
pub struct Effort(Mutex<State>);

struct State {
    level: usize,
    /// Whether sending bytes takes less time than finding out which of them the target has.
    is_fast: bool,
    /// Bytes of the last answers, and seconds that it took to send them. Newer answers count more.
    sent: (f64, f64),
    /// Answers that are on their way: bytes, and when they left.
    on_the_way: VecDeque<(f64, Instant)>,
    /// The most bytes in a second of an answer that has arrived. Nothing arrives faster than the link carries it.
    fastest: f64,
}

impl Default for State {
    fn default() -> Self {
        State { level: START, is_fast: false, sent: (0.0, 0.0), on_the_way: VecDeque::new(), fastest: 0.0 }
    }
}

/// Each new answer multiplies the weight of the earlier ones by this.
const MEMORY: f64 = 0.7;
/// More effort is worth its time if sending an answer takes this share of making it: on a slow link, bytes are worth more than the time of a
/// processor.
const MORE: f64 = 0.5;
/// Less effort saves time if sending an answer takes less than this share of making it.
const LESS: f64 = 0.2;
/// The share of its bytes to which a usual content is compressed on a fast link.
const SHARE: f64 = 0.4;
/// A fast link is slow again when sending an answer takes this many times as long as making it. Answers are made in a third of the time
/// there, and sending them includes waiting for the target.
const SLOW: f64 = 4.0;
/// The same for an answer that is incompressible, which is made in no time.
const SURELY_SLOW: f64 = 32.0;
/// A packed content is described and made again at so many bytes a second, on one processor of 2020. A link that is faster carries it sooner.
const RECREATED: f64 = 5e6;
/// An answer is incompressible if it is larger than this share of the bytes that it was made from.
const INCOMPRESSIBLE: f64 = 0.9;

impl Effort {
    /// The level to use next for a difference to these old bytes.
    pub fn level(&self, old: &Old<'_>) -> i32 {
        self.with(|state| match old {
            _ if state.is_fast => FAST,
            Old::Bytes(_) => WITH_OLD,
            Old::Signature(signature) if !signature.is_empty() => LEVELS[state.level.min(MOST_WITH_BLOCKS)],
            Old::Signature(_) | Old::Unknown => LEVELS[state.level],
        })
    }

    /// Whether the link is so fast that neither forms nor signatures are worth their time.
    pub fn is_fast(&self) -> bool {
        self.with(|state| state.is_fast)
    }

    /// Whether the link is known to carry a packed content sooner than it is described and made again.
    pub fn is_faster_than_recreating(&self) -> bool {
        self.with(|state| state.fastest > RECREATED)
    }

    /// Records that an answer of so many bytes leaves now.
    pub fn leaves(&self, bytes: usize, now: Instant) {
        self.with(|state| state.on_the_way.push_back((as_number(bytes), now)));
    }

    /// Records that the first answer on its way has arrived. When it was written tells less: buffers before the link take it at once.
    pub fn has_arrived(&self, now: Instant) {
        self.with(|state| {
            if let Some((bytes, left)) = state.on_the_way.pop_front() {
                state.fastest = state.fastest.max(bytes / now.duration_since(left).as_secs_f64());
            }
        });
    }

    /// Records that an answer of so many bytes has been sent.
    pub fn sent(&self, bytes: usize, took: Duration) {
        self.with(|state| {
            state.sent.0 = state.sent.0 * MEMORY + as_number(bytes);
            state.sent.1 = state.sent.1 * MEMORY + took.as_secs_f64();
        });
    }

    /// Records that an answer of so many bytes has been made from `whole` bytes. The next answer gets more effort if the link is slow, and
    /// less effort if sending takes much less time than making.
    pub fn made(&self, whole: usize, bytes: usize, took: Duration) {
        let (whole, bytes, making) = (as_number(whole), as_number(bytes), took.as_secs_f64());
        // More effort does not make compressed content smaller.
        let is_incompressible = bytes > whole * INCOMPRESSIBLE;
        self.with(|state| {
            let (sent, seconds) = state.sent;
            if sent == 0.0 {
                return;
            }
            let sending = bytes * seconds / sent;
            if state.is_fast {
                state.is_fast = sending < making * if is_incompressible { SURELY_SLOW } else { SLOW };
                if !state.is_fast {
                    state.fastest = 0.0;
                }
            } else if whole * SHARE < making * state.fastest {
                // The link would have carried a quick answer before this one was made, however small this one has become.
                state.is_fast = true;
                state.level = 0;
            } else if sending > making * MORE && !is_incompressible {
                state.level = (state.level + 1).min(LEVELS.len() - 1);
            } else if sending < making * LESS && !is_incompressible {
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
    const BYTES: Old<'_> = Old::Bytes(b"old");
    const SIGNATURE: Old<'_> = Old::Signature(b"signature");

    /// An answer of so many bytes was on its way for so long.
    fn arrives(effort: &Effort, bytes: usize, after: Duration) {
        let now = Instant::now();
        effort.leaves(bytes, now);
        effort.has_arrived(now + after);
    }

    #[test]
    fn a_slow_link_gets_small_answers_and_a_fast_one_quick_ones() {
        let effort = Effort::default();
        let levels = |effort: &Effort| [BYTES, SIGNATURE, Old::Unknown].map(|old| effort.level(&old));
        assert_eq!(levels(&effort), [9, 9, 9], "nothing is known yet");
        for _ in 0..10 {
            effort.sent(1 << 20, 4 * SECOND);
            effort.made(4 << 20, 1 << 20, SECOND);
        }
        assert_eq!((levels(&effort), effort.is_fast()), ([9, 9, 15], false));
        arrives(&effort, 4 << 20, SECOND / 100);
        effort.sent(4 << 20, SECOND / 100);
        effort.made(4 << 20, 1 << 20, SECOND);
        assert_eq!((levels(&effort), effort.is_fast()), ([1, 1, 1], true));
        effort.sent(1 << 20, 20 * SECOND);
        effort.made(4 << 20, 1 << 20, SECOND);
        assert_eq!((levels(&effort), effort.is_fast()), ([9, 6, 6], false), "the link has become slow");
    }

    #[test]
    fn a_link_is_not_fast_because_answers_are_small_and_fit_into_buffers() {
        let effort = Effort::default();
        effort.sent(8 << 20, 4 * SECOND);
        for _ in 0..20 {
            effort.sent(100_000, SECOND / 1000);
            arrives(&effort, 100_000, SECOND / 20);
            effort.made(8 << 20, 100_000, SECOND / 4);
        }
        assert_eq!((effort.level(&BYTES), effort.level(&SIGNATURE), effort.is_fast()), (9, 6, false));
    }

    #[test]
    fn compressed_content_does_not_change_the_level() {
        let effort = Effort::default();
        effort.sent(4 << 20, 2 * SECOND);
        let level = effort.level(&Old::Unknown);
        for _ in 0..3 {
            effort.made(4 << 20, 4 << 20, SECOND / 100);
        }
        assert_eq!((effort.level(&Old::Unknown), effort.is_fast()), (level, false));
    }

    #[test]
    fn a_fast_link_is_known_by_compressed_content_and_stays_fast_with_it() {
        for (sending, is_fast) in [(SECOND / 10, true), (2 * SECOND, false)] {
            let effort = Effort::default();
            effort.sent(4 << 20, SECOND / 10);
            arrives(&effort, 4 << 20, SECOND / 10);
            effort.made(4 << 20, 4 << 20, SECOND / 4);
            assert!(effort.is_fast());
            effort.sent(4 << 20, sending);
            effort.made(4 << 20, 4 << 20, SECOND / 100);
            assert_eq!(effort.is_fast(), is_fast);
        }
    }

    #[test]
    fn packed_contents_are_sent_as_they_are_when_the_link_is_known_to_be_fast() {
        let (effort, begun) = (Effort::default(), Instant::now());
        for _ in 0..4 {
            effort.sent(4 << 20, SECOND / 100);
            effort.leaves(4 << 20, begun);
        }
        assert!(!effort.is_faster_than_recreating(), "nothing has arrived yet: a buffer may be fast");
        effort.has_arrived(begun + 2 * SECOND);
        effort.has_arrived(begun + 4 * SECOND);
        assert!(!effort.is_faster_than_recreating());
        effort.leaves(4 << 20, begun + 4 * SECOND);
        effort.has_arrived(begun + 6 * SECOND);
        effort.has_arrived(begun + 8 * SECOND);
        effort.has_arrived(begun + 4 * SECOND + SECOND / 10);
        assert!(effort.is_faster_than_recreating());
        effort.has_arrived(begun + 9 * SECOND);
    }

    #[test]
    fn the_level_stays_where_sending_takes_a_third_of_making() {
        let effort = Effort::default();
        for _ in 0..2 {
            effort.sent(1 << 20, SECOND);
            effort.made(4 << 20, 1 << 20, SECOND);
        }
        let level = effort.level(&Old::Unknown);
        effort.made(4 << 20, 1 << 20, 3 * SECOND);
        assert_eq!((level, effort.level(&Old::Unknown)), (15, 15));
    }
}
