//! Archives that want much memory do not get it.
//!
//! Pace: seconds

#[path = "support/unpacking.rs"]
mod unpacking;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use unpacking::options;

/// What is kept until the end, the buffers, and the test itself, in KiB.
const MOST: u64 = (64 + 48) << 10;

/// The largest dictionary, in KiB.
const DICTIONARY: u64 = 256 << 10;

/// Unpacks what a script writes. Returns the message, if it is refused.
fn unpack(script: &str) -> String {
    let place = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut child = Command::new("bash").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let unpacked =
        unpacking::unpack(child.stdout.take().unwrap(), place.path(), &options(Path::new("a.tar")));
    child.kill().unwrap();
    child.wait().unwrap();
    unpacked.map_or_else(|error| error.to_string(), |_| String::new())
}

/// The most memory that this process had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The packer of lzip, with a dictionary of this power of two in the header. It would choose a small one.
fn lzip(power: u8) -> String {
    format!(
        "(f=$(mktemp); lzip -c >$f; printf '\\{power:o}' | dd of=$f bs=1 seek=5 conv=notrunc status=none; cat $f; rm $f)"
    )
}

/// A file of zeros in an archive, compressed.
fn zeros(with: &str) -> String {
    format!("d=$(mktemp -d); truncate -s 1500M $d/f; tar -C $d -c f | {with}; rm -r $d")
}

#[test]
fn memory_is_bounded() {
    for with in ["zstd -q -c", "gzip -1 -c"] {
        let told = unpack(&zeros(with));
        assert!(told.contains("times its own size"), "{with}: {told}");
    }
    let few = peak();
    assert!(few < MOST, "{few} KiB");
    let refused = "dictionary of more than 256 MiB";
    for (with, words) in [
        ("xz --lzma2=preset=0,dict=256MiB -c", ""),
        ("xz --lzma2=preset=0,dict=768MiB -c", refused),
        ("xz --format=lzma --lzma1=preset=0,dict=256MiB -c", ""),
        ("xz --format=lzma --lzma1=preset=0,dict=768MiB -c", refused),
        (&lzip(28), ""),
        (&lzip(29), refused),
    ] {
        let told = unpack(&format!("tar -c /etc/passwd 2>/dev/null | {with}"));
        assert!(if words.is_empty() { told.is_empty() } else { told.contains(words) }, "{with}: {told}");
    }
    for with in ["zstd -q --long=28 -c", "zstd -q --ultra --long=30 -c"] {
        unpack(&zeros(with));
    }
    let all = peak();
    assert!(all < MOST + DICTIONARY, "{all} KiB");
}
