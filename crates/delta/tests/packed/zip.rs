//! What zlib makes comes back from zip archives.

use std::process::Command;

use delta::difference::{Encoder, Old};
use delta::form::Form;
use proptest::prelude::*;

use crate::{filter, noise, plain};

/// An archive of three members: one stored, the halves of the bytes compressed at this level of zlib.
fn archive(plain: &[u8], level: u8) -> Vec<u8> {
    const SCRIPT: &str = "
import sys, zipfile
plain = sys.stdin.buffer.read()
half = len(plain) // 2
with zipfile.ZipFile(sys.stdout.buffer, 'w', zipfile.ZIP_DEFLATED, compresslevel=int(sys.argv[1])) as archive:
    archive.writestr(zipfile.ZipInfo('stored'), b'as it is', zipfile.ZIP_STORED)
    archive.writestr('first', plain[:half])
    archive.writestr('second', plain[half:])
";
    filter(Command::new("python3").args(["-c", SCRIPT, &level.to_string()]), plain)
}

fn comes_back(archive: &[u8]) -> Vec<u8> {
    assert_eq!(Form::of(archive), Form::Zip);
    let form = Form::Zip.encode(archive).expect("an archive of zlib has this form");
    assert!(Form::Zip.decode(&form, archive.len()).unwrap() == archive, "another archive came back");
    form
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn archives_come_back(plain in plain(), level in prop_oneof![Just(6u8), Just(9), Just(1), Just(5)]) {
        comes_back(&archive(&plain, level));
    }
}

/// The window moves by 32 KiB. zlib moves it at the end of the stream too.
#[test]
fn members_that_end_near_an_end_of_the_window_come_back() {
    let text = b"the window moves; ".repeat(20_000);
    let mixed: Vec<u8> =
        text.chunks(700).zip(noise(7, 360_000).chunks(700)).flat_map(|(a, b)| [a, b].concat()).collect();
    for end in [65_536, 98_304] {
        for length in [end - 263, end - 262, end - 200, end - 1, end, end + 1] {
            for level in [1, 6, 9] {
                comes_back(&archive(&text[..2 * length], level));
                comes_back(&archive(&mixed[..2 * length], level));
            }
        }
    }
}

#[test]
fn an_archive_with_a_small_change_is_nearly_the_same_in_its_form() {
    let text: Vec<u8> =
        (0..30_000).flat_map(|number| format!("line {}\n", number * 7919 % 10_007).into_bytes()).collect();
    let mut other = text.clone();
    other[1000] ^= 1;
    let [old, new] = [text, other].map(|text| archive(&text, 6));
    let difference =
        |old: &[u8], new: &[u8]| Encoder::default().encode(new, &Old::Bytes(old), 9).unwrap().len();
    let formed = difference(&Form::Zip.reference(&old).unwrap(), &comes_back(&new));
    let raw = difference(&old, &new);
    assert!(formed * 5 < raw, "{formed} bytes instead of {raw}");
}

#[test]
fn an_archive_of_another_program_is_refused_or_comes_back() {
    let good = archive(&b"some text, some text".repeat(50), 6);
    for cut in 0..good.len() {
        if let Some(form) = Form::Zip.encode(&good[..cut]) {
            assert!(Form::Zip.decode(&form, cut).unwrap() == good[..cut]);
        }
    }
    for place in 0..good.len() {
        let mut wrong = good.clone();
        wrong[place] ^= 0x41;
        if let Some(form) = Form::Zip.encode(&wrong) {
            assert!(Form::Zip.decode(&form, wrong.len()).unwrap() == wrong, "byte {place}");
        }
    }
    assert_eq!(Form::Zip.encode(b"PK\x03\x04"), None);
}

#[test]
fn forms_that_claim_too_much_are_errors() {
    let good = archive(&b"some text, some text".repeat(50), 6);
    let form = Form::Zip.encode(&good).unwrap();
    for end in 0..form.len() {
        assert!(Form::Zip.decode(&form[..end], good.len()).is_err(), "cut after {end} bytes");
    }
    for (wrong, form) in [
        ("more members than bytes", &[0xff, 0xff, 3, 0, 0, 0][..]),
        ("bytes that are not there", &[1, 9, 0, 0]),
        ("a level that is unknown", &[1, 0, 10, 0]),
        ("a plain text that is not there", &[1, 0, 0, 9]),
    ] {
        assert!(Form::Zip.decode(form, good.len()).is_err(), "{wrong}");
    }
}
