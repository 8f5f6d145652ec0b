//! Archives that want much memory do not get it.
//!
//! Pace: seconds

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use baserock_archive::{Options, Owners};
use system::dir::Dir;
use system::observer::Silent;

/// What is kept until the end, the buffers, and the test itself, in KiB.
const MOST: u64 = (64 + 48) << 10;

/// The largest dictionary, in KiB.
const DICTIONARY: u64 = 256 << 10;

/// Unpacks what a script writes. Returns the message, if it is refused.
fn unpack(script: &str) -> String {
    let place = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut child = Command::new("bash").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let options = Options {
        source: Path::new("a.tar"),
        size: None,
        owners: Owners::AsArchived,
        devices: true,
        most: None,
        strip: 0,
        whole: false,
        observer: &Silent,
    };
    let reader: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
    let unpacked = baserock_archive::unpack(reader, &Dir::open(place.path()).unwrap(), &options);
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
    for with in
        ["zstd -q --long=28 -c", "zstd -q --ultra --long=30 -c", "xz -0 --lzma2=dict=768MiB -c < /dev/null"]
    {
        unpack(&zeros(with));
    }
    let all = peak();
    assert!(all < MOST + DICTIONARY, "{all} KiB");
}
