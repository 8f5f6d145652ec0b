//! Compares the line merge with `git merge-file` on random texts. They have few different lines, because such merges go wrong most easily.
//!
//! Pace: minutes

use std::fs;
use std::path::Path;
use std::process::Command;

use baserock::etc::merge3::merge;

const TRIPLES: u64 = 5000;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn line(&mut self, vocabulary: &[&'static str]) -> &'static str {
        vocabulary[self.below(vocabulary.len())]
    }

    fn edit(&mut self, base: &[&'static str], vocabulary: &[&'static str]) -> Vec<&'static str> {
        let mut text = base.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(text.len() + 1);
            match self.below(3) {
                0 => text.insert(at, self.line(vocabulary)),
                1 if at < text.len() => drop(text.remove(at)),
                _ if at < text.len() => text[at] = self.line(vocabulary),
                _ => {}
            }
        }
        text
    }
}

const VOCABULARIES: [&[&str]; 4] = [
    &["#", "", "a"],
    &["#", "#", "", "x = 1", "y = 2", "z = 3"],
    &["#", "", "Port 22", "PermitRootLogin no", "    Match User git", "  ForceCommand x"],
    &["a", "b", "c", "d", "e", "f", "g", "h", "#", ""],
];

fn triple(seed: u64) -> [String; 3] {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    numbers.below(2);
    let vocabulary = VOCABULARIES[numbers.below(VOCABULARIES.len())];
    let base: Vec<_> = (0..numbers.below(18)).map(|_| numbers.line(vocabulary)).collect();
    let ours = numbers.edit(&base, vocabulary);
    let theirs = numbers.edit(&base, vocabulary);
    [base, ours, theirs].map(|lines| {
        let mut text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        if numbers.below(8) == 0 {
            text.pop();
        }
        text
    })
}

/// The merge by git; `None` for a conflict.
fn git(folder: &Path, [base, ours, theirs]: &[String; 3]) -> Option<Vec<u8>> {
    for (name, text) in [("base", base), ("ours", ours), ("theirs", theirs)] {
        fs::write(folder.join(name), text).unwrap();
    }
    let mut command = Command::new("git");
    command.args(["merge-file", "-p", "--quiet", "ours", "base", "theirs"]).current_dir(folder);
    let output = command.output().expect("git is installed (package git)");
    let code = output.status.code().expect("git ends by itself");
    assert!(code < 128, "git failed: {}", String::from_utf8_lossy(&output.stderr));
    (code == 0).then_some(output.stdout)
}

#[test]
fn git_agrees_on_every_merge() {
    let folder = tempfile::tempdir().unwrap();
    let mut conflicts = 0;
    for texts in (0..TRIPLES).map(triple) {
        let [base, ours, theirs] = texts.each_ref().map(String::as_bytes);
        let [own, oracle] = [merge(base, ours, theirs), git(folder.path(), &texts)]
            .map(|merged| merged.map(|text| String::from_utf8(text).unwrap()));
        conflicts += u64::from(oracle.is_none());
        assert_eq!(own, oracle, "left is ours, right is git's, of {texts:#?}");
    }
    assert!(
        (TRIPLES / 10..TRIPLES * 9 / 10).contains(&conflicts),
        "{conflicts} conflicts: not a fair sample"
    );
}
