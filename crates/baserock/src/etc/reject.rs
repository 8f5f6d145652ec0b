//! The content of a `.rej`: the user's whole change, as a unified diff.

use diffy::{DiffOptions, Hunk, HunkRange, Line};
use system::error::Result;

use super::content::Content;
use super::merge3::is_text;
use super::path::EtcPath;

/// Files above this size (in bytes) are not compared by lines.
pub const LARGEST_TEXT: u64 = 64 * 1024 * 1024;

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The change from `v1` to `user`, with the headers `--- PATH` and `+++ PATH`. `None` if either is binary or too large.
pub fn unified_diff(path: &EtcPath, v1: &[u8], user: &[u8]) -> Option<Vec<u8>> {
    let mut diff = format!("--- {path}\n+++ {path}\n").into_bytes();
    diff.extend(hunks(v1, user)?);
    Some(diff)
}

/// The same without headers.
pub fn hunks(v1: &[u8], user: &[u8]) -> Option<Vec<u8>> {
    if !is_text(v1) || !is_text(user) {
        return None;
    }
    let mut diff = Vec::new();
    let found = DiffOptions::new().set_context_len(CONTEXT).create_patch_bytes(v1, user);
    // Other programs that write diffs join hunks with adjacent context.
    for hunks in found.hunks().chunk_by(|one, next| one.old_range().end() == next.old_range().start()) {
        write_hunk(&mut diff, hunks);
    }
    Some(diff)
}

fn write_hunk(diff: &mut Vec<u8>, hunks: &[Hunk<'_, [u8]>]) {
    let old = range(hunks.iter().map(Hunk::old_range));
    let new = range(hunks.iter().map(Hunk::new_range));
    diff.extend(format!("@@ -{old} +{new} @@\n").bytes());
    for line in hunks.iter().flat_map(Hunk::lines) {
        let (mark, text) = match line {
            Line::Context(text) => (b' ', text),
            Line::Delete(text) => (b'-', text),
            Line::Insert(text) => (b'+', text),
        };
        diff.push(mark);
        diff.extend_from_slice(text);
        if !text.ends_with(b"\n") {
            diff.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// `START,COUNT` over all hunks. A count of one is left out.
fn range(ranges: impl Iterator<Item = HunkRange> + Clone) -> String {
    let start = ranges.clone().next().map_or(0, |first| first.start());
    match ranges.map(|range| range.len()).sum() {
        1_usize => start.to_string(),
        count => format!("{start},{count}"),
    }
}

/// All texts, if every one can be compared by lines.
pub fn texts<const N: usize>(contents: [&Content; N]) -> Result<Option<Vec<std::sync::Arc<[u8]>>>> {
    if contents.iter().any(|content| content.size() > LARGEST_TEXT) {
        return Ok(None);
    }
    let texts: Vec<_> = contents.iter().map(|content| content.bytes()).collect::<Result<_>>()?;
    Ok(texts.iter().all(|text| is_text(text)).then_some(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_name_the_path_without_times() {
        let diff = unified_diff(&EtcPath::from("ssh/x y"), b"a\nb\n", b"a\nc\n").unwrap();
        assert_eq!(
            String::from_utf8(diff).unwrap(),
            "--- ssh/x y\n+++ ssh/x y\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_stay_as_they_are() {
        let diff = unified_diff(&EtcPath::from("x"), b"\xff\n", b"\xfe").unwrap();
        assert_eq!(diff, b"--- x\n+++ x\n@@ -1 +1 @@\n-\xff\n+\xfe\n\\ No newline at end of file\n");
        assert_eq!(unified_diff(&EtcPath::from("x"), b"\0", b"a"), None);
    }
}
