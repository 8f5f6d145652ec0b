//! Words that only some places may contain, and how long a file is.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::root;

/// No file is longer, tests included.
const MAX_LINES: usize = 400;

/// What only some places may contain.
struct Rule {
    /// What is looked for.
    words: &'static [&'static str],
    /// The folders in which it is looked for.
    inside: &'static [&'static str],
    /// The places that may.
    except: &'static [&'static str],
    /// Why.
    why: &'static str,
}

const RULES: [Rule; 4] = [
    Rule {
        words: &["unsafe {", "unsafe fn", "unsafe impl"],
        inside: &[""],
        except: &["crates/system/src/sys/"],
        why: "unsafe code lives in crates/system/src/sys",
    },
    Rule {
        words: &["Command::new("],
        inside: &["crates/", "bins/", "extensions/", "tests/fuzz/"],
        except: &["crates/system/src/process.rs", "/tests/", "tests/fuzz/src/targets/merge.rs"],
        why: "programs are started by crates/system/src/process.rs",
    },
    Rule {
        words: &["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("],
        inside: &["crates/"],
        except: &["crates/terminal/", "/tests/"],
        why: "libraries report through an observer",
    },
    Rule {
        words: &["todo!(", "unimplemented!(", "FIXME", "TODO", "#[ignore"],
        inside: &[""],
        except: &[],
        why: "what is unfinished is not committed",
    },
];

/// What must not stand in code that is not a test.
const PANICS: [&str; 3] = [".unwrap()", ".expect(", "panic!("];

/// Checks all files that git knows.
pub fn check() -> Result<Vec<String>> {
    let listed =
        root::output(root::command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let mut faults = Vec::new();
    for file in listed.lines().filter(|file| is_rust(file) && *file != "xtask/src/tidy/words.rs") {
        let path = root::path().join(file);
        if !path.exists() {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        check_file(file, &text, &mut faults);
    }
    check_map(&mut faults)?;
    Ok(faults)
}

fn check_file(file: &str, text: &str, faults: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{file}: {lines} lines; split it, {MAX_LINES} is the most"));
    }
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        let mut fault = |why: &str| faults.push(format!("{file}:{}: {why}: {}", number + 1, line.trim()));
        for rule in &RULES {
            let applies = rule.inside.iter().any(|place| file.starts_with(place))
                && !rule.except.iter().any(|place| file.contains(place));
            if applies && rule.words.iter().any(|word| line.contains(word)) {
                fault(rule.why);
            }
        }
        if is_product(file) && PANICS.iter().any(|word| line.contains(word)) {
            fault("code that is not a test returns errors");
        }
    }
}

fn is_rust(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|end| end == "rs")
}

/// Whether the file is part of what is installed.
fn is_product(file: &str) -> bool {
    let product = ["crates/", "bins/", "extensions/"].iter().any(|place| file.starts_with(place));
    product && !file.contains("/tests/") && !file.ends_with("tests.rs")
}

/// The map of the code in README.md names every package.
fn check_map(faults: &mut Vec<String>) -> Result<()> {
    let readme = fs::read_to_string(root::path().join("README.md")).context("cannot read README.md")?;
    for folder in ["crates", "bins", "extensions"] {
        for entry in fs::read_dir(root::path().join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !readme.contains(&Path::new(folder).join(&name).display().to_string()) {
                faults.push(format!("README.md: the map of the code does not name {folder}/{name}"));
            }
        }
    }
    Ok(())
}
