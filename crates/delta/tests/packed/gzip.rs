//! What the program gzip makes comes back.

use std::fs;

use delta::form::Form;
use proptest::prelude::*;

use crate::{noise, packed, plain};

fn comes_back(file: &[u8]) {
    let form = Form::Gzip.encode(file).expect("a file of gzip has this form");
    assert!(Form::Gzip.decode(&form, file.len()).unwrap() == file, "another file came back");
    assert_eq!(Form::of(file), Form::Gzip);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn files_come_back(plain in plain(), level in 1..=9u8) {
        comes_back(&packed(&plain, level));
    }

    #[test]
    fn a_file_of_something_else_comes_back_or_is_refused(plain in plain(), level in 0..=9u32) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
        std::io::Write::write_all(&mut encoder, &plain).unwrap();
        let file = encoder.finish().unwrap();
        if let Some(form) = Form::Gzip.encode(&file) {
            prop_assert_eq!(Form::Gzip.decode(&form, file.len()).unwrap(), file);
        }
    }
}

/// The window moves by 32 KiB, and near its end gzip looks for no matches.
#[test]
fn files_that_end_near_an_end_of_the_window_come_back() {
    let text = b"the window moves; ".repeat(10_000);
    let mixed: Vec<u8> =
        text.chunks(700).zip(noise(7, 180_000).chunks(700)).flat_map(|(a, b)| [a, b].concat()).collect();
    for level in [1, 6, 9] {
        for end in [32_768, 65_536, 98_304] {
            for length in [end - 263, end - 262, end - 200, end - 1, end, end + 1] {
                comes_back(&packed(&text[..length], level));
                comes_back(&packed(&mixed[..length], level));
            }
        }
    }
}

#[test]
fn documentation_comes_back() {
    let folders = fs::read_dir("/usr/share/doc").unwrap();
    let files = folders.flat_map(|entry| fs::read_dir(entry.unwrap().path()).into_iter().flatten());
    let paths = files.map(|entry| entry.unwrap().path());
    let packed = paths.filter(|path| path.extension().is_some_and(|extension| extension == "gz")).take(200);
    let count = packed.inspect(|path| comes_back(&fs::read(path).unwrap())).count();
    assert!(count > 0, "there is no packed documentation");
}

#[test]
fn names_and_padding_come_back() {
    let file = packed(b"some text, some text", 9);
    let mut named = file.clone();
    named[3] = 0b1_1100;
    named.splice(10..10, *b"\x02\0\xff\xfename\0remark\0");
    named.extend([0; 300]);
    comes_back(&named);
    let reference = Form::Gzip.reference(&named).unwrap();
    assert!(reference.ends_with(b"some text, some text"));
    assert_eq!(Form::Gzip.encode(&named), Some(reference));
}

#[test]
fn what_cannot_come_back_is_refused() {
    let file = packed(&b"some text".repeat(100), 6);
    for cut in 0..file.len() {
        assert_eq!(Form::Gzip.encode(&file[..cut]), None, "cut at {cut}");
    }
    let mut wrong = file.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(Form::Gzip.encode(&wrong), None, "another size in the trailer");
    assert_eq!(Form::Gzip.encode(b"no file of gzip"), None);
}
