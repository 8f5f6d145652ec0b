//! Moments at which the power goes, and what is on the disk then.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::log::{Log, Write};

/// A moment: all epochs before this one are on the disk, and some of its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The number of the epoch.
    pub epoch: usize,
    /// What of it is on the disk.
    pub kept: Kept,
}

/// Which of the writes since the last flush are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// The first so many. With none, the moment is that of the flush itself.
    First(usize),
    /// Some at random, one of them torn; the number tells one choice from another.
    Some(usize),
}

/// A disk writes at least so much at once, bytes.
const WHOLE: u64 = 4096;

impl Point {
    /// Every flush and every prefix of what came after it; and for each epoch with more than one write, `random` choices of them.
    pub fn all(log: &Log, random: usize) -> Vec<Point> {
        let mut points = Vec::new();
        for (epoch, writes) in log.epochs.iter().enumerate() {
            let is_last = epoch + 1 == log.epochs.len();
            // All of an epoch is what the next begins with.
            let prefixes = if is_last { writes.len() + 1 } else { writes.len() };
            points.extend((0..prefixes).map(|count| Point { epoch, kept: Kept::First(count) }));
            let choices = if writes.len() > 1 { random } else { 0 };
            points.extend((0..choices).map(|number| Point { epoch, kept: Kept::Some(number) }));
        }
        points
    }

    /// `count` points of all: every flush as far as that goes, and of the others an even share at random.
    pub fn sample(all: &[Point], count: usize, seed: u64) -> Vec<Point> {
        let (mut chosen, mut others): (Vec<_>, Vec<_>) =
            all.iter().copied().partition(|point| point.kept == Kept::First(0));
        let mut random = Random::new(seed);
        random.shuffle(&mut chosen);
        random.shuffle(&mut others);
        // Half of them, so that there is room for the moments between.
        chosen.truncate(count.div_ceil(2).max(count.saturating_sub(others.len())));
        others.truncate(count.saturating_sub(chosen.len()));
        chosen.extend(others);
        chosen.sort_unstable();
        chosen
    }

    /// The writes of its epoch that are on the disk, each with the part of it that is.
    pub fn writes<'l>(&self, log: &'l Log, seed: u64) -> Vec<(&'l Write, Range<u64>)> {
        let writes = &log.epochs[self.epoch];
        match self.kept {
            Kept::First(count) => writes[..count].iter().map(|write| (write, 0..write.size)).collect(),
            Kept::Some(number) => {
                let mut random = Random::new(seed ^ (self.epoch as u64) << 20 ^ (number as u64) << 44);
                // Few, half, or most of them.
                let odds = [1, 4, 7][usize::try_from(random.below(3)).unwrap_or(0)];
                let mut kept: Vec<_> = writes
                    .iter()
                    .filter(|_| random.below(8) < odds)
                    .map(|write| (write, 0..write.size))
                    .collect();
                let torn = random.below(kept.len().max(1) as u64);
                if let Some((write, part)) = kept.get_mut(usize::try_from(torn).unwrap_or(0)) {
                    part.end = random.below(write.size / WHOLE + 1) * WHOLE;
                }
                kept
            }
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kept {
            Kept::First(count) => write!(f, "{}+{count}", self.epoch),
            Kept::Some(number) => write!(f, "{}~{number}", self.epoch),
        }
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |mark, kept: fn(usize) -> Kept| {
            let (epoch, count) = text.split_once(mark)?;
            Some(Point { epoch: epoch.parse().ok()?, kept: kept(count.parse().ok()?) })
        };
        parse('+', Kept::First)
            .or_else(|| parse('~', Kept::Some))
            .ok_or_else(|| format!("{text:?} is no point: EPOCH+WRITES or EPOCH~CHOICE"))
    }
}

/// Numbers that look random and are the same for the same seed (splitmix64).
pub struct Random(u64);

impl Random {
    /// From this seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }

    fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or(0);
            values.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_named_and_found_again() {
        for text in ["0+0", "12+7", "3~1"] {
            assert_eq!(text.parse::<Point>().unwrap().to_string(), text);
        }
        assert!("3".parse::<Point>().is_err() && "+1".parse::<Point>().is_err());
    }

    #[test]
    fn a_sample_has_its_size_and_both_kinds() {
        let point = |epoch, kept| Point { epoch, kept };
        let all: Vec<Point> =
            (0..50).flat_map(|epoch| (0..10).map(move |count| point(epoch, Kept::First(count)))).collect();
        let sample = Point::sample(&all, 40, 7);
        assert_eq!(sample.len(), 40);
        assert_eq!(sample.iter().filter(|point| point.kept == Kept::First(0)).count(), 20);
        assert_eq!(sample, Point::sample(&all, 40, 7));
        assert_ne!(sample, Point::sample(&all, 40, 8));
        assert_eq!(Point::sample(&all, 10_000, 7).len(), all.len());
    }
}
