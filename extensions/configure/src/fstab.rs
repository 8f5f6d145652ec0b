//! `fstab`: adds lines to `/etc/fstab`.

use std::path::Path;

use baserock::extension::Environment;
use baserock::fstab::{Fstab, Line};
use system::dir::MOST_TEXT;
use system::{Error, Result};

use crate::tree::{self, Access, Tree};

/// The beginning of the names of variables that hold lines.
const PREFIX: &str = "FSTAB_";

/// Adds the values of all variables whose names start with `FSTAB_`, in the order of the names. A line that is there already is not added
/// again.
pub fn configure(root: &Path, environment: &Environment) -> Result<()> {
    let lines = lines(environment)?;
    if lines.is_empty() {
        return Ok(());
    }
    let etc = Tree::open(root)?.ensure_folder(Path::new("etc"), 0o755)?;
    let found = etc.read_if_exists("fstab", MOST_TEXT)?.unwrap_or_default();
    tree::write(&etc, "fstab", with(&found, &lines)?.as_slice(), Access::root(0o644))
}

fn lines(environment: &Environment) -> Result<Vec<(&str, &str)>> {
    let names =
        environment.iter().filter_map(|(name, _)| name.to_str()).filter(|name| name.starts_with(PREFIX));
    let mut lines = Vec::new();
    for name in names {
        let line = environment.text(name)?.unwrap_or_default().trim();
        if !line.is_empty() {
            check(name, line)?;
            lines.push((name, line));
        }
    }
    Ok(lines)
}

/// The file with the lines added.
fn with(found: &[u8], lines: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut fstab = Fstab::parse(found).render();
    for (name, line) in lines {
        let now = Fstab::parse(&fstab);
        if now.lines().iter().any(|known| known.text == line.as_bytes()) {
            continue;
        }
        if let Some(target) = Line::parse(line.as_bytes()).target.filter(|target| now.mounts(target)) {
            let target = target.display();
            return Err(Error::refused(format!("{name}: fstab mounts something else at {target} already")));
        }
        fstab.extend_from_slice(line.as_bytes());
        fstab.push(b'\n');
    }
    Ok(fstab)
}

fn check(name: &str, line: &str) -> Result<()> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |field: &&str| field.bytes().all(|byte| byte.is_ascii_digit());
    let is_entry =
        (3..=6).contains(&fields.len()) && fields.iter().skip(4).all(number) && !line.contains('\n');
    if is_entry {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{name} is {line:?}; use a line of fstab: device, mount point, type, options, and two numbers"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: (&str, &str) = ("FSTAB_HOME", "LABEL=home /home ext4 defaults 0 2");

    #[test]
    fn lines_are_added_once() {
        let once = with(b"# comment\nproc /proc proc", &[HOME]).unwrap();
        assert_eq!(once, b"# comment\nproc /proc proc\nLABEL=home /home ext4 defaults 0 2\n");
        assert_eq!(with(&once, &[HOME]).unwrap(), once);
        assert_eq!(with(b"", &[HOME]).unwrap(), b"LABEL=home /home ext4 defaults 0 2\n");
    }

    #[test]
    fn a_mount_point_is_not_taken_twice() {
        let error = with(b"/dev/sdb /home ext4 defaults 0 0\n", &[HOME]).unwrap_err().to_string();
        assert!(error.contains("FSTAB_HOME") && error.contains("/home"), "{error}");
    }

    #[test]
    fn only_lines_of_fstab_are_taken() {
        for (value, good) in [
            ("tmpfs /tmp tmpfs", true),
            ("/dev/sdb1 none swap sw 0 0", true),
            ("/dev/sdb1 /srv", false),
            ("a b c d e f", false),
            ("a b c d 0 0 0", false),
            ("a /b c\nd /e f", false),
        ] {
            let environment = [("FSTAB_X", value), ("OTHER", "x"), ("FSTAB_EMPTY", "")].into_iter().collect();
            assert_eq!(lines(&environment).is_ok(), good, "{value}");
        }
    }
}
