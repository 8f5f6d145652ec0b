//! Every input that is kept, through its target.
//!
//! Pace: seconds

use std::fs;
use std::path::{Path, PathBuf};

use baserock_fuzz::TARGETS;

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 3, "{} has hardly any inputs", folder.display());
    inputs
}

#[test]
fn every_target_takes_its_corpus() {
    for (name, target) in TARGETS {
        for input in inputs(name) {
            // What a failing target prints tells too little without the name of its input.
            println!("{}", input.display());
            target(&fs::read(&input).unwrap());
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(baserock_fuzz::named(&name).is_some(), "there is no target {name}");
    }
}
