//! Runs every case of `tests/merge-cases`, as values and on disk. The README there tells how to add a case.
//!
//! Pace: seconds

mod case;
mod extra;

use std::path::{Path, PathBuf};

use baserock::etc::{EtcPath, Node, Plan, Record, Step, Tree, Trees, plan};
use baserock::rootfs::etc::{Inputs, Request, merge, scan, staged};
use case::{Round, listing, rounds};
use system::dir::Dir;
use system::observer::Silent;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/merge-cases");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    assert!(cases.len() >= 60, "only {} cases in {}", cases.len(), folder.display());
    cases
}

/// The result of merging a round, or the message of the error.
type Merged = Result<(Tree, Vec<String>, Record), String>;

/// Runs all rounds of a case. Returns the first difference from the expected result.
fn check(folder: &Path, run: impl Fn(Trees, Option<&Record>, &Round) -> Merged) -> Result<(), String> {
    let mut before: Option<(Trees, Tree, Record)> = None;
    for (number, mut round) in rounds(folder).into_iter().enumerate() {
        let empty = || Tree::from_iter([(EtcPath::ROOT, Node::dir())]);
        let mut take = |name: &str| round.trees.remove(name);
        let (v2, expected) = (take("v2").unwrap_or_else(empty), take("expected").unwrap_or_else(empty));
        let (v1, user) = match &before {
            None => (take("v1").unwrap_or_else(empty), take("vuser").unwrap_or_else(empty)),
            Some((trees, result, _)) => (trees.v2.clone(), take("vuser").unwrap_or_else(|| result.clone())),
        };
        let trees = Trees { v1, user, v2 };
        let merged = run(trees.clone(), before.as_ref().map(|(_, _, record)| record), &round);
        let (result, steps, record) = match (merged, &round.error) {
            (Ok(merged), None) => merged,
            (Err(message), Some(error)) if message.contains(error) => return Ok(()),
            (Err(message), _) => return Err(format!("merge {}: failed: {message}", number + 1)),
            (Ok(_), Some(error)) => return Err(format!("merge {}: did not fail with {error:?}", number + 1)),
        };
        compare(number, "result", &listing(&expected), &listing(&result))?;
        if let Some(expected) = &round.steps {
            compare(number, "steps", expected, &steps)?;
        }
        before = Some((trees, result, record));
    }
    Ok(())
}

fn compare(number: usize, what: &str, expected: &[String], got: &[String]) -> Result<(), String> {
    let missing = expected.iter().filter(|line| !got.contains(line)).map(|line| format!("  - {line}\n"));
    let extra = got.iter().filter(|line| !expected.contains(line)).map(|line| format!("  + {line}\n"));
    let difference: String = missing.chain(extra).collect();
    if difference.is_empty() { Ok(()) } else { Err(format!("merge {}, {what}:\n{difference}", number + 1)) }
}

fn run_all(run: impl Fn(Trees, Option<&Record>, &Round) -> Merged) {
    let failures: Vec<_> = cases()
        .iter()
        .filter_map(|case| {
            let name = case.file_name()?.to_string_lossy().into_owned();
            check(case, &run).err().map(|reason| format!("{name}: {reason}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} cases fail\n{}", failures.len(), failures.join("\n"));
}

fn named(record: &Record) -> Vec<String> {
    let steps = record.steps.iter().cloned().map(|step| Step { notes: Vec::new(), ..step });
    steps.map(|step| step.to_string()).collect()
}

fn through_json(record: &Record) -> Record {
    let read = Record::parse(&record.to_json(), Path::new("merge.json")).unwrap();
    assert_eq!(&read, record);
    read
}

#[test]
fn every_case_as_values() {
    run_all(|trees, earlier, round| {
        let made: Plan = plan(trees, earlier, &round.options).map_err(|error| error.to_string())?;
        let record = through_json(&made.record("old"));
        Ok((made.result, named(&record), record))
    });
}

/// Needs root for owners and devices.
#[test]
fn every_case_on_disk() {
    run_all(|trees, earlier, round| {
        let place = tempfile::tempdir().unwrap();
        let root = Dir::open(place.path()).unwrap();
        for (name, tree) in [("v1", &trees.v1), ("vuser", &trees.user), ("v2", &trees.v2), ("run", &trees.v2)]
        {
            root.make_dir(name, 0o755).unwrap();
            staged::write(tree, &root.dir(name).unwrap(), "etc").unwrap();
        }
        let [v1, user, v2, run] = ["v1", "vuser", "v2", "run"].map(|name| root.dir(name).unwrap());
        let inputs = Inputs {
            old: "old",
            old_id: Some("1".into()),
            new: "new",
            old_orig: &v1,
            old_run: &user,
            old_record: earlier,
            new_orig: &v2,
            new_run: &run,
            new_record: None,
            shared: &[],
            new_version: &root,
        };
        let request = Request { options: round.options.clone(), ..Request::default() };
        let read = || scan::read(run.dir("etc").unwrap()).unwrap();
        match merge(&inputs, &request, &Silent) {
            Ok(outcome) => {
                assert_eq!(run.entries().unwrap().len(), 1, "something is left beside etc");
                assert!(!outcome.record.result_changed(&read()));
                let again = Inputs { new_record: Some(&outcome.record), ..inputs };
                let again = merge(&again, &request, &Silent).unwrap();
                assert_eq!(again.record, outcome.record, "a second merge gives the same");
                Ok((read(), named(&outcome.record), through_json(&outcome.record)))
            }
            Err(error) => {
                assert_eq!(listing(&read()), listing(&trees.v2), "a failed merge changed something");
                assert_eq!(run.entries().unwrap().len(), 1, "something is left beside etc");
                Err(error.to_string())
            }
        }
    });
}
