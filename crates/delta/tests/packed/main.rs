//! Gzip files, zip archives and an initramfs, taken apart and made again.
//!
//! Pace: seconds

mod gzip;
mod hostile;
mod initramfs;
mod units;
mod zip;

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;

/// What the program gzip makes of the bytes.
pub fn packed(plain: &[u8], level: u8) -> Vec<u8> {
    filter(Command::new("gzip").args(["-n", &format!("-{level}")]), plain)
}

/// What the program makes of the bytes.
pub fn filter(program: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut running = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        let output = running.wait_with_output().unwrap();
        assert!(output.status.success());
        output.stdout
    })
}

/// Bytes in which gzip finds something to do: literals, repetitions near and far, runs.
pub fn plain() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        (vec(any::<u8>(), 1..2000), 1..20usize).prop_map(|(bytes, times)| bytes.repeat(times)),
        ("[a-e ]{1,400}", 1..80usize).prop_map(|(text, times)| text.into_bytes().repeat(times)),
        (any::<u8>(), 1..70_000usize).prop_map(|(byte, times)| vec![byte; times]),
        any::<u64>().prop_map(|seed| noise(seed, 40_000)),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// Bytes that cannot be compressed.
pub fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}
