//! Words that only some places may contain.

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

const RULES: [Rule; 5] = [
    Rule {
        words: &[" --", "system-version-manager", "manage-baserock", "apt-get", "sudo"],
        inside: &["crates/"],
        except: &["crates/terminal/", "/tests/"],
        why: "libraries say what happened; what to do about it is in the remedies of a program",
    },
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

/// Names each line of a file with words that it may not contain.
pub fn check(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
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
    faults
}

/// Whether the file is part of what is installed.
fn is_product(file: &str) -> bool {
    let product = ["crates/", "bins/", "extensions/"].iter().any(|place| file.starts_with(place));
    product && !file.contains("/tests/") && !file.ends_with("tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_their_places_only() {
        for (file, line) in [
            ("crates/a/src/lib.rs", "unsafe { f() }"),
            ("bins/a/src/lib.rs", "std::process::Command::new(\"x\")"),
            ("crates/a/src/lib.rs", "println!(\"x\")"),
            ("tests/a.rs", "#[ignore]"),
            ("crates/a/src/lib.rs", "x.unwrap()"),
        ] {
            let faults = check(file, &format!("// {line}\n{line}\n"));
            assert!(!faults.is_empty(), "{line}");
            assert!(faults.iter().all(|fault| fault.starts_with(&format!("{file}:2: "))), "{faults:?}");
        }
        assert_eq!(check("crates/system/src/sys/fs.rs", "unsafe { f() }"), [""; 0]);
        assert_eq!(check("crates/a/src/lib.rs", "#[cfg(test)]\nmod tests { x.unwrap() }"), [""; 0]);
    }
}
