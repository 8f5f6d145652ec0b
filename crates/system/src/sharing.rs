//! How much data groups of subvolumes take on a btrfs, and how much of it each has alone.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;

use crate::dir::Dir;
use crate::error::{OrCannot, Result};
use crate::signal;
use crate::sys::trees;

/// The data of a group of subvolumes, in bytes on the disk. Metadata, and small files that are kept in it, do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// All extents that files of the group use.
    pub stored: u64,
    /// Those that nothing else on the filesystem uses. So much becomes free if the group is deleted.
    pub exclusive: u64,
}

/// Who uses an extent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum User {
    /// One group.
    Group(usize),
    /// Several groups, or another subvolume.
    Several,
}

/// A subvolume of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub tree: u64,
    /// What was written before this transaction is in another member too: that of which this one is a snapshot, and which has not changed
    /// since. 0 if there is none.
    pub since: u64,
}

/// The shares of groups of subvolumes. `any` is any directory of the filesystem. What is not committed yet does
/// not count.
pub fn shares(any: &Dir, groups: &[Vec<Member>]) -> Result<Vec<Share>> {
    let cannot = || any.shown("");
    let mut users: HashMap<u64, (u64, User)> = HashMap::new();
    let mut shares = vec![Share::default(); groups.len()];
    for (number, group) in groups.iter().enumerate() {
        let mut seen = HashSet::new();
        for member in group {
            signal::check()?;
            let share = &mut shares[number];
            let note = |part: trees::FilePart| {
                if seen.insert(part.extent) {
                    share.stored += part.stored;
                    let user = users.entry(part.extent).or_insert((part.stored, User::Group(number)));
                    if user.1 != User::Group(number) {
                        user.1 = User::Several;
                    }
                }
            };
            trees::file_parts_since(any.as_fd(), member.tree, member.since, note)
                .or_cannot("read the extents of", cannot())?;
        }
    }
    let own: HashSet<u64> = groups.iter().flatten().map(|member| member.tree).collect();
    for tree in trees::trees(any.as_fd()).or_cannot("list the subvolumes of", cannot())? {
        if own.contains(&tree) {
            continue;
        }
        signal::check()?;
        let note = |part: trees::FilePart| {
            if let Some(user) = users.get_mut(&part.extent) {
                user.1 = User::Several;
            }
        };
        trees::file_parts(any.as_fd(), tree, note).or_cannot("read the extents of", cannot())?;
    }
    for (stored, user) in users.into_values() {
        if let User::Group(number) = user {
            shares[number].exclusive += stored;
        }
    }
    Ok(shares)
}
