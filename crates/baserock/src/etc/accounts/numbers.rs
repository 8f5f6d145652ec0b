//! Settles the number of every account on the machine.

use std::collections::{BTreeMap, BTreeSet};

use super::table::Table;

/// The field of the number in `passwd` and in `group`.
const NUMBER: usize = 2;

/// The numbers of users, or of groups.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Maps the old version's numbers, as built, to the machine's.
    pub of_v1: BTreeMap<u32, u32>,
    /// Maps the new version's numbers, as built, to the machine's.
    pub of_v2: BTreeMap<u32, u32>,
    /// The decisions, in words.
    pub notes: Vec<String>,
}

/// Settles the numbers. The machine's numbers win, because they own the shared state. An account that the machine does not have gets a free
/// number if its own is taken. `reserved` has the numbers of accounts that earlier versions dropped: shared files may still belong to them.
pub fn settle(v1: &Table, user: &Table, v2: &Table, reserved: &BTreeMap<String, u32>, what: &str) -> Numbers {
    let (v1, user, v2) = (by_name(v1), by_name(user), by_name(v2));
    let mut taken: BTreeSet<u32> = user.values().copied().collect();
    let mut held = user.clone();
    for (name, &number) in reserved {
        if !taken.contains(&number) {
            held.entry(name.clone().into_bytes()).or_insert(number);
        }
    }
    taken.extend(held.values());
    let mut numbers = Numbers { of_v1: moved(&v1, &user), of_v2: moved(&v2, &held), notes: Vec::new() };
    for (name, (from, to)) in differing(&v2, &held) {
        let name = String::from_utf8_lossy(name);
        numbers.notes.push(format!("{what} {name} keeps {to}, {from} in the new version"));
    }
    let known: BTreeSet<u32> = [&v1, &held, &v2].into_iter().flat_map(BTreeMap::values).copied().collect();
    // A number that the new version also gives to an account of the machine goes with that account. Root's number stays whatever its name is.
    let mut settled: BTreeSet<u32> = v2
        .iter()
        .filter(|(name, _)| held.contains_key(*name))
        .map(|(_, &number)| number)
        .chain([0])
        .collect();
    // A removed account stays removed, but the new version's files still have its number, which may be somebody else's here.
    for (name, &number) in v2.iter().filter(|(name, _)| !held.contains_key(*name)) {
        if !settled.insert(number) {
            continue;
        }
        let own = if taken.contains(&number) { free(number, &known, &taken) } else { number };
        taken.insert(own);
        if own != number {
            let name = String::from_utf8_lossy(name);
            let who = if v1.contains_key(name.as_bytes()) { "removed here, " } else { "" };
            numbers.notes.push(format!("{what} {name} gets {own}: {who}{number} is taken here"));
            numbers.of_v2.insert(number, own);
        }
    }
    numbers
}

/// The numbers that no other account gets: those of accounts that earlier versions dropped, and of those that the machine has and the result
/// has not. A number that the result uses is none of them any more.
pub fn dropped(earlier: &BTreeMap<String, u32>, user: &Table, result: &Table) -> BTreeMap<String, u32> {
    let result = by_name(result);
    let used: BTreeSet<u32> = result.values().copied().collect();
    let own = by_name(user).into_iter().map(|(name, number)| (String::from_utf8_lossy(&name).into(), number));
    let all = earlier.iter().map(|(name, number)| (name.clone(), *number)).chain(own);
    all.filter(|(name, number)| !result.contains_key(name.as_bytes()) && !used.contains(number)).collect()
}

fn by_name(table: &Table) -> BTreeMap<Vec<u8>, u32> {
    let mut names = BTreeMap::new();
    for record in table.records() {
        if let Some(number) = record.number(NUMBER) {
            names.entry(record.name().to_vec()).or_insert(number);
        }
    }
    names
}

fn differing<'a>(
    from: &'a BTreeMap<Vec<u8>, u32>,
    to: &'a BTreeMap<Vec<u8>, u32>,
) -> impl Iterator<Item = (&'a Vec<u8>, (u32, u32))> {
    from.iter().filter_map(|(name, &old)| {
        let new = *to.get(name)?;
        (new != old).then_some((name, (old, new)))
    })
}

/// The numbers that move. A number that several names share moves only if it moves for all of them.
fn moved(from: &BTreeMap<Vec<u8>, u32>, to: &BTreeMap<Vec<u8>, u32>) -> BTreeMap<u32, u32> {
    let staying: BTreeSet<u32> = from
        .iter()
        .filter(|(name, number)| to.get(*name) == Some(number))
        .map(|(_, &number)| number)
        .collect();
    differing(from, to).map(|(_, pair)| pair).filter(|(old, _)| !staying.contains(old)).collect()
}

/// A free number: for system accounts downwards from 999, for people upwards from 1000.
fn free(near: u32, known: &BTreeSet<u32>, taken: &BTreeSet<u32>) -> u32 {
    let is_free = |number: &u32| !known.contains(number) && !taken.contains(number);
    let (mut system, mut people) = ((100..1000).rev(), 1000..60_000);
    let found = if near < 1000 {
        system.find(is_free).or_else(|| people.find(is_free))
    } else {
        people.find(is_free)
    };
    found.or_else(|| (65_536..u32::MAX).find(is_free)).unwrap_or(near)
}
