//! The line merge: what holds for every merge, and what git makes of some.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use baserock::etc::EtcPath;
use baserock::etc::merge3::{is_text, merge};
use baserock::etc::reject::unified_diff;
use diffy::Patch;

use crate::parts::parts;

/// Of so many inputs git sees one: it takes a hundred times longer.
const ORACLE: u64 = 256;

/// Three texts: the old version's, the user's, the new version's.
pub fn run(bytes: &[u8]) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let [v1, user, v2] = parts(bytes);
    if !is_text(v2) {
        return;
    }
    let merged = merge(v1, user, v2);
    assert_eq!(merge(v1, v2, user), merged, "the sides are treated differently");
    assert_eq!(merge(v1, v1, v2).as_deref(), Some(v2), "the user changed nothing");
    assert_eq!(merge(v1, user, v1).as_deref(), Some(user), "the vendor changed nothing");
    assert_eq!(merge(v1, user, user).as_deref(), Some(user), "both made the same");
    stacked(v1, user, v2);
    rejected(v1, user);
    if COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(ORACLE) {
        assert_eq!(merged, git(v1, user, v2), "left is ours, right is git's");
    }
}

/// Changes to texts that stand one above the other, with lines between that nobody has, merge without touching each other.
fn stacked(above: &[u8], below: &[u8], changed: &[u8]) {
    let between = b"\n\xff\xfe between \xfe\xff 1\n\xff\xfe between \xfe\xff 2\n";
    let whole = |above: &[u8], below: &[u8]| [above, between, below].concat();
    let is_there = |text: &[u8]| text.windows(2).any(|pair| pair == b"\xff\xfe");
    if [above, below, changed].into_iter().any(is_there) {
        return;
    }
    let merged = merge(&whole(above, below), &whole(changed, below), &whole(above, changed));
    assert_eq!(merged.as_deref(), Some(&*whole(changed, changed)), "two changes far from each other");
}

/// What a `.rej` holds makes the user's text of the old one.
fn rejected(v1: &[u8], user: &[u8]) {
    let Some(diff) = unified_diff(&EtcPath::from("a"), v1, user) else {
        panic!("text that is none");
    };
    let patch = Patch::from_bytes(&diff).unwrap_or_else(|error| panic!("{error}: {}", diff.escape_ascii()));
    assert_eq!(diffy::apply_bytes(v1, &patch).expect("it applies"), user);
}

/// What git makes of it; `None` for a conflict.
fn git(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder can be made");
    for (name, text) in [("base", base), ("ours", ours), ("theirs", theirs)] {
        fs::write(folder.path().join(name), text).expect("files can be written");
    }
    let mut command = Command::new("git");
    command.args(["merge-file", "-p", "--quiet", "ours", "base", "theirs"]).current_dir(&folder);
    let output = command.output().expect("git is installed (package git)");
    let code = output.status.code().expect("git ends by itself");
    assert!(code < 128, "git failed: {}", String::from_utf8_lossy(&output.stderr));
    (code == 0).then_some(output.stdout)
}
