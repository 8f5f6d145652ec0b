//! The fuzzer: libFuzzer around the target that the environment variable `FUZZ_TARGET` names.

#![no_main]

use std::alloc::System;
use std::sync::OnceLock;

use baserock_fuzz::{Target, named};
use cap::Cap;

/// More than any input of a few KiB may make a reader ask for, bytes. What C libraries take counts in the fuzzer's limit on the process.
const MOST_MEMORY: usize = 384 << 20;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MOST_MEMORY);

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() -> Target {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    named(&name).unwrap_or_else(|| panic!("there is no target {name}"))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| CHOSEN.get_or_init(choose)(bytes));
