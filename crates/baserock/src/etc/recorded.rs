//! Where the record of a merge is kept: `systems/LABEL/merge.json`.
//!
//! A record and the `etc` that it describes cannot take their places in one step. So the next record stands beside the old one before
//! that `etc` comes, and counts from the moment at which the `etc` is the one that it describes.

use crate::atomic;
use crate::dir::Dir;
use crate::error::Result;
use crate::layout::{MERGE_RECORD, NEXT_MERGE_RECORD, RUN};

use super::merge::read_etc;
use super::record::Record;

/// The record of the last merge into the version.
pub fn read(version: &Dir) -> Result<Option<Record>> {
    if let Some(next) = read_from(version, NEXT_MERGE_RECORD)?
        && describes(&next, version)?
    {
        return Ok(Some(next));
    }
    read_from(version, MERGE_RECORD)
}

/// Puts the record of a result that is about to take its place on the disk.
pub fn announce(version: &Dir, record: &Record) -> Result<()> {
    atomic::write(version, NEXT_MERGE_RECORD, 0o600, &record.to_json())
}

/// The result has taken its place.
pub fn settle(version: &Dir) -> Result<()> {
    version.rename(NEXT_MERGE_RECORD, MERGE_RECORD)
}

/// The result has not come.
pub fn withdraw(version: &Dir) -> Result<()> {
    version.remove_tree(NEXT_MERGE_RECORD)
}

/// Settles or withdraws what a process that was killed has announced.
pub fn decide(version: &Dir) -> Result<()> {
    version.remove_tree(atomic::temporary_name(NEXT_MERGE_RECORD))?;
    match read_from(version, NEXT_MERGE_RECORD)? {
        None => Ok(()),
        Some(next) if describes(&next, version)? => settle(version),
        Some(_) => withdraw(version),
    }
}

fn read_from(version: &Dir, name: &str) -> Result<Option<Record>> {
    let Some(json) = version.read_if_exists(name)? else { return Ok(None) };
    Record::parse(&json, &version.shown(name)).map(Some)
}

fn describes(record: &Record, version: &Dir) -> Result<bool> {
    let Some(run) = version.dir_if_exists(RUN)? else { return Ok(false) };
    Ok(!record.result_changed(&read_etc(&run)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etc::fingerprint::fingerprint_of_result;

    fn record(old: &str, result: &Dir) -> Record {
        let result = fingerprint_of_result(&read_etc(result).unwrap());
        Record { old: old.into(), result, ..Record::default() }
    }

    #[test]
    fn a_record_counts_once_its_etc_is_there() {
        let place = tempfile::tempdir().unwrap();
        let version = Dir::open(place.path()).unwrap();
        let etc = |name: &str, content: &str| {
            let tree = version.ensure_dir(name, 0o755).unwrap();
            let etc = tree.ensure_dir("etc", 0o755).unwrap();
            atomic::write(&etc, "file", 0o644, content.as_bytes()).unwrap();
            tree
        };
        let run = etc(RUN, "one");
        atomic::write(&version, MERGE_RECORD, 0o600, &record("first", &run).to_json()).unwrap();
        let of = || read(&version).unwrap().unwrap().old;
        let next = record("second", &etc("elsewhere", "two"));

        announce(&version, &next).unwrap();
        assert_eq!(of(), "first", "what it describes is not there yet");
        decide(&version).unwrap();
        assert!(!version.has(NEXT_MERGE_RECORD).unwrap(), "it never came");

        announce(&version, &next).unwrap();
        etc(RUN, "two");
        assert_eq!(of(), "second", "the power went between the two");
        decide(&version).unwrap();
        assert_eq!(of(), "second");
        assert!(!version.has(NEXT_MERGE_RECORD).unwrap());
    }
}
