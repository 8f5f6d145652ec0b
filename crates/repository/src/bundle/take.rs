//! Takes answers out of a bundle.

use std::ops::Range;

use system::error::{Error, OrCannot, Result};
use system::signal;

use super::{Names, Table};
use crate::index::BundleFile;
use crate::location::RemoteFile;
use crate::refusal::Refusal;

/// Bytes of a head at most.
const MOST_HEAD: u64 = 64 << 20;
/// Answers are read together if at most so many bytes are between them. A request takes longer than to read as many.
const NEAR: u64 = 256 << 10;
/// Most parts of one bundle that are asked for. If there were more, more is read between them.
const MOST_PARTS: usize = 32;

/// A bundle whose head has arrived.
pub struct Bundle<'a> {
    /// What it has.
    pub table: Table,
    file: RemoteFile<'a>,
    /// The range of each answer in the file.
    places: Vec<Range<u64>>,
}

impl<'a> Bundle<'a> {
    /// Reads the head, whose hash is known.
    pub fn open(mut file: RemoteFile<'a>, known: BundleFile, names: Names<'_>) -> Result<Self> {
        let altered = |file: &RemoteFile<'_>, what: &str| {
            Error::from(Refusal::Altered { file: file.shown(), what: what.to_owned() })
        };
        if known.head > MOST_HEAD {
            return Err(altered(&file, "the size of its head"));
        }
        file.seek(0..known.head);
        let head = file.verified(known.head, known.hash.0, "its head")?;
        let table = Table::read(&head, names).or_cannot("understand", file.shown())?;
        let mut end = known.head;
        let places: Vec<_> = table
            .answers()
            .map(|answer| {
                let start = end;
                end = end.saturating_add(answer.length);
                start..end
            })
            .collect();
        if end != known.size {
            return Err(altered(&file, "its size"));
        }
        Ok(Bundle { table, file, places })
    }

    /// The file in messages.
    pub fn shown(&self) -> String {
        self.file.shown()
    }

    /// The bytes of these answers, and of what is read between them.
    pub fn bytes(&self, wanted: &[usize]) -> u64 {
        self.parts(wanted).iter().map(|(part, _)| part.end - part.start).sum()
    }

    /// Reads the answers of these numbers, which are in order. Each is verified before it is handed over. Ends early if `hand_over` says
    /// so.
    pub fn each(
        &mut self,
        wanted: &[usize],
        mut hand_over: impl FnMut(usize, Vec<u8>) -> Result<bool>,
    ) -> Result<()> {
        let answers: Vec<_> = self.table.answers().collect();
        for (part, numbers) in self.parts(wanted) {
            let mut at = part.start;
            self.file.seek(part);
            for number in numbers {
                signal::check()?;
                let place = self.places[number].clone();
                self.file.skip(place.start - at)?;
                let what = format!("a part at byte {}", place.start);
                let bytes = self.file.verified(place.end - place.start, answers[number].hash, &what)?;
                at = place.end;
                if !hand_over(number, bytes)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The parts of the file that have these answers, and the answers of each.
    fn parts(&self, wanted: &[usize]) -> Vec<(Range<u64>, Vec<usize>)> {
        let mut near = NEAR;
        loop {
            let mut parts: Vec<(Range<u64>, Vec<usize>)> = Vec::new();
            for &number in wanted {
                let Some(place) = self.places.get(number) else { continue };
                match parts.last_mut().filter(|(part, _)| place.start - part.end <= near) {
                    Some((part, numbers)) => {
                        part.end = place.end;
                        numbers.push(number);
                    }
                    None => parts.push((place.clone(), vec![number])),
                }
            }
            if parts.len() <= MOST_PARTS {
                return parts;
            }
            near *= 2;
        }
    }
}
