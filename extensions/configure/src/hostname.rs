//! `set-hostname`: gives the system its name.

use std::path::Path;

use baserock::extension::Environment;
use system::observer::Observer;
use system::{Error, Result};

use crate::tree::{self, Access, Tree};

/// The longest name that the kernel accepts, in bytes.
const LONGEST: usize = 64;

/// Writes `etc/hostname` if `HOSTNAME` is set.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let Some(name) = environment.text("HOSTNAME")?.filter(|name| !name.is_empty()) else { return Ok(()) };
    if !is_host_name(name) {
        return Err(Error::refused(format!(
            "HOSTNAME is {name:?}; use 1 to {LONGEST} characters of A-Z a-z 0-9 - _ ., with no part that starts or ends with -"
        )));
    }
    if name.contains('_') {
        observer.warn(format!("the kernel takes the name {name}, but names in the DNS cannot have _"));
    }
    let folder = Tree::open(root)?.ensure_folder(Path::new("etc"), 0o755)?;
    tree::write(&folder, "hostname", format!("{name}\n").as_bytes(), Access::root(0o644))
}

fn is_host_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= LONGEST && name.split('.').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for name in ["a", "baserock-devel", "host.example.org", "4u", "a_b", "x86_64", &"x".repeat(64)] {
            assert!(is_host_name(name), "{name}");
        }
        for name in ["-a", "a-", "a..b", ".a", "a b", "a\nb", "ü", &"x".repeat(65)] {
            assert!(!is_host_name(name), "{name}");
        }
    }
}
