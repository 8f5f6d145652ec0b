//! Tells for which kind of processor a root filesystem is, by its programs.

use std::os::unix::fs::FileExt;
use std::path::Path;

use system::dir::Dir;
use system::error::{OrCannot, Result, if_exists};
use system::resolve::Links;

/// Programs that a root filesystem has; one is enough.
const PROGRAMS: [&str; 5] = ["bin/sh", "usr/bin/env", "sbin/init", "usr/lib/systemd/systemd", "bin/busybox"];

/// The bytes of an ELF file that tell its processor.
const HEADER: usize = 20;

/// The architecture as `uname -m` prints it; `None` if the tree has no program that tells it, or if it is a rare one.
pub fn architecture(tree: &Dir) -> Result<Option<&'static str>> {
    for path in PROGRAMS.map(Path::new) {
        let Some(file) = if_exists(tree.file_with(path, Links::InRoot))? else { continue };
        let mut header = [0; HEADER];
        let count = file.read_at(&mut header, 0).or_cannot("read", tree.shown(path))?;
        if let Some(found) = machine(&header[..count]) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The processor of a program whose file begins with these bytes.
fn machine(header: &[u8]) -> Option<&'static str> {
    let (magic, rest) = header.split_at_checked(4)?;
    let number: [u8; 2] = header.get(18..HEADER)?.try_into().ok()?;
    if magic != b"\x7fELF" {
        return None;
    }
    // The class is 1 for 32 bits and 2 for 64; the data is 1 where the low byte comes first.
    Some(match (rest.first()?, rest.get(1)?, u16::from_le_bytes(number)) {
        (2, 1, 62) => "x86_64",
        (2, 1, 183) => "aarch64",
        (1, 1, 40) => "armv7l",
        (2, 1, 243) => "riscv64",
        (1, 1, 3) => "i686",
        (2, 1, 21) => "ppc64le",
        (2, 1, 258) => "loongarch64",
        (2, 2, _) if number == [0, 22] => "s390x",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(class: u8, data: u8, machine: [u8; 2]) -> Vec<u8> {
        [&[0x7f, b'E', b'L', b'F', class, data][..], &[0; 12], &machine].concat()
    }

    #[test]
    fn processors_are_told_by_the_header() {
        for (class, data, number, expected) in [
            (2, 1, [62, 0], Some("x86_64")),
            (2, 1, [183, 0], Some("aarch64")),
            (1, 1, [40, 0], Some("armv7l")),
            (1, 1, [3, 0], Some("i686")),
            (2, 2, [0, 22], Some("s390x")),
            (1, 1, [62, 0], None),
            (2, 1, [1, 0], None),
        ] {
            assert_eq!(machine(&header(class, data, number)), expected, "{class} {data} {number:?}");
        }
        assert_eq!(machine(b"#!/bin/sh\n# a script, and not a program\n"), None);
        assert_eq!(machine(&header(2, 1, [62, 0])[..19]), None);
    }

    #[test]
    fn a_link_stays_in_the_tree() {
        let place = tempfile::tempdir().unwrap();
        let bin = place.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/busybox", bin.join("sh")).unwrap();
        let tree = Dir::open(place.path()).unwrap();
        assert_eq!(architecture(&tree).unwrap(), None);
        std::fs::write(bin.join("busybox"), header(2, 1, [183, 0])).unwrap();
        assert_eq!(architecture(&tree).unwrap(), Some("aarch64"));
    }
}
