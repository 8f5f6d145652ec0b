//! fstab: completed, and merged by mount point.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use baserock::etc::fstab;
use baserock::fstab::{Fstab, Line};
use system::superblock::Uuid;

use crate::parts::parts;

/// Three files: the old version's, the user's, the new version's.
pub fn run(bytes: &[u8]) {
    let [v1, user, v2] = parts(bytes);
    for text in [v1, user, v2] {
        complete(text);
    }
    // Where a place is mounted twice, the merge of whole files goes before that of lines.
    if [v1, user, v2].into_iter().any(|text| !is_unique(text)) {
        return;
    }
    if let Ok(merged) = fstab::merge(v1, user, v2) {
        let (old, new, merged) = (places(v1), places(v2), places(&merged.text));
        for place in places(user) {
            let dropped = old.contains(&place) && !new.contains(&place);
            assert!(dropped || merged.contains(&place), "the user's {} is gone", place.display());
        }
    }
    let merged = fstab::merge(v1, v1, v2).expect("one side changed nothing");
    assert_eq!(places(&merged.text), places(v2), "the new version's lines");
    let merged = fstab::merge(v1, user, v1).expect("one side changed nothing");
    assert_eq!(lines(&merged.text), lines(user), "the user's lines");
}

fn places(text: &[u8]) -> Vec<PathBuf> {
    let mut places: Vec<_> = lines(text).into_iter().filter_map(|line| line.target).collect();
    places.sort();
    places
}

/// Whether no line stands for what another stands for: a mount point, or else a device.
fn is_unique(text: &[u8]) -> bool {
    let mut seen = BTreeSet::new();
    lines(text).into_iter().all(|line| {
        let mut fields = line.text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let device: Vec<_> = fields.by_ref().take(2).map(<[u8]>::to_vec).collect();
        device.is_empty() || device[0].starts_with(b"#") || seen.insert(line.target.ok_or(device))
    })
}

fn complete(text: &[u8]) {
    let before = Fstab::parse(text);
    assert_eq!(Fstab::parse(&before.render()), before);
    let uuid = Uuid([7; 16]);
    let shared = |name: &str| Line::shared(uuid, name, Path::new(name));
    let wanted = [Line::root(uuid), shared("home"), shared("var")];
    let after = before.completed(&wanted);
    assert!(wanted.iter().all(|line| line.target.as_deref().is_some_and(|place| after.mounts(place))));
    assert!(after.lines().starts_with(before.lines()), "a line is gone");
    assert_eq!(Fstab::parse(&after.render()), after);
    assert_eq!(after.completed(&wanted), after, "completed twice");
}

fn lines(text: &[u8]) -> Vec<Line> {
    Fstab::parse(text).lines().to_vec()
}
