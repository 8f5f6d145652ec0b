//! No file is long, and no crate is most of the project.

/// Most lines of a file, tests included.
const MOST_LINES: usize = 400;

/// The part of all lines that a crate may have.
const PART: usize = 4;

/// A file's fault, if it is too long.
pub fn check_file(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MOST_LINES).then(|| format!("{file}: {lines} lines; split it, {MOST_LINES} is the most"))
}

/// Checks the crates, which have their files in folders `src/`, against all files of Rust.
pub fn check_crates(files: &[(String, String)]) -> Vec<String> {
    let lines = |text: &str| text.lines().count();
    let all: usize = files.iter().map(|(_, text)| lines(text)).sum();
    let mut crates = std::collections::BTreeMap::<&str, usize>::new();
    for (file, text) in files {
        if let Some((package, _)) = file.split_once("/src/") {
            *crates.entry(package).or_default() += lines(text);
        }
    }
    let large = crates.into_iter().filter(|(_, lines)| lines * PART > all);
    large
        .map(|(name, lines)| format!("{name}: {lines} of {all} lines; split it, a quarter is the most"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file() {
        assert_eq!(check_file("a.rs", &"\n".repeat(400)), None);
        assert_eq!(
            check_file("a.rs", &"\n".repeat(401)).unwrap(),
            "a.rs: 401 lines; split it, 400 is the most"
        );
    }

    #[test]
    fn a_large_crate() {
        let files = |lines: usize| {
            [("crates/a/src/lib.rs", lines), ("crates/a/tests/a.rs", 300), ("xtask/src/main.rs", 100)]
                .map(|(file, lines)| (file.to_owned(), "\n".repeat(lines)))
        };
        assert_eq!(check_crates(&files(100)), [""; 0]);
        assert_eq!(
            check_crates(&files(200)),
            ["crates/a: 200 of 600 lines; split it, a quarter is the most"]
        );
    }
}
