//! What a `.rej` holds: the whole change that the user had made, as a unified diff.

use diffy::DiffOptions;

use super::content::Content;
use super::merge3::is_text;
use super::path::EtcPath;
use crate::error::Result;

/// Files above this size (in bytes) are not compared by lines.
pub const LARGEST_TEXT: u64 = 64 * 1024 * 1024;

/// The change from `v1` to `user`, with the headers `--- PATH` and `+++ PATH`; `None` where either is binary or too large for lines.
pub fn unified_diff(path: &EtcPath, v1: &[u8], user: &[u8]) -> Option<Vec<u8>> {
    if !is_text(v1) || !is_text(user) {
        return None;
    }
    let header = format!("--- {path}\n+++ {path}\n");
    let mut options = DiffOptions::new();
    options.set_context_len(3).set_original_filename("v1").set_modified_filename("user");
    let body = options.create_patch_bytes(v1, user).to_bytes();
    let hunks = body.strip_prefix(b"--- v1\n+++ user\n").unwrap_or(&body);
    Some([header.as_bytes(), hunks].concat())
}

/// All three texts, if they can be compared by lines.
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
