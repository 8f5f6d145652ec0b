//! Contents come back from their forms byte for byte, and forms of similar contents are similar.
//!
//! Pace: seconds

mod formed;
mod module;

use std::fs;
use std::path::Path;

use delta::difference::{Encoder, Old};
use delta::form::Form;
use module::Module;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Takes the content through its form and back. Returns the form, if there is one.
fn through(form: Form, content: &[u8]) -> Option<Vec<u8>> {
    let encoded = form.encode(content)?;
    let back = form.decode(&encoded, content.len()).unwrap();
    assert!(back == content, "another content comes back from {form:?}");
    Some(encoded)
}

#[test]
fn a_code_names_a_form() {
    for form in Form::ALL {
        assert_eq!(Form::from_code(form.code()), Some(form));
    }
    assert_eq!(Form::from_code(u8::MAX), None);
}

#[test]
fn a_content_is_known_by_its_beginning() {
    assert_eq!(Form::of(&Module::new().bytes()), Form::Elf);
    for other in [&b""[..], b"\x7fELF", b"\x7fELF\x01\x01", b"\x7fELF\x02\x02", b"#!/bin/sh\n"] {
        assert_eq!(Form::of(other), Form::Raw);
    }
}

#[test]
fn the_elf_files_of_this_machine_come_back() {
    let mut found: Vec<_> = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/bin"]
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.map(|entry| entry.unwrap().path()).take(100))
        .filter(|path| path.is_file())
        .collect();
    found.push(std::env::current_exe().unwrap());
    let is_elf = |path: &Path| fs::read(path).ok().filter(|content| Form::of(content) == Form::Elf);
    let contents: Vec<_> = found.iter().filter_map(|path| is_elf(path)).collect();
    assert!(contents.len() > 1, "this machine has hardly any ELF files");
    for content in contents {
        assert!(through(Form::Elf, &content).is_some());
    }
}

#[test]
fn a_module_that_has_grown_is_nearly_the_same_in_its_form() {
    let (old, mut new) = (Module::new(), Module::new());
    new.functions[3] += 24;
    new.functions.insert(10, 33);
    new.kernel_types += 70;
    let difference =
        |old: &[u8], new: &[u8]| Encoder::default().encode(new, &Old::Bytes(old), 9).unwrap().len();
    let [old, new] = [old, new].map(|module| module.bytes());
    let [old_form, new_form] = [&old, &new].map(|module| through(Form::Elf, module).unwrap());
    let (raw, formed) = (difference(&old, &new), difference(&old_form, &new_form));
    assert!(formed * 3 < raw, "{formed} bytes instead of {raw}");
}

#[test]
fn a_program_without_sections_is_refused() {
    let mut content = Module::new().bytes();
    content[60] = 0;
    assert_eq!(Form::Elf.encode(&content), None);
    assert_eq!(Form::Elf.encode(&content[..63]), None);
}

#[test]
fn forms_that_end_early_or_late_are_errors() {
    let content = Module::new().bytes();
    let encoded = Form::Elf.encode(&content).unwrap();
    for end in 0..encoded.len() {
        assert!(Form::Elf.decode(&encoded[..end], content.len()).is_err(), "cut after {end} bytes");
    }
    let longer = [&encoded[..], b"x"].concat();
    assert!(Form::Elf.decode(&longer, content.len()).is_err());
    for size in [0, 63, content.len() - 1, content.len() + 1] {
        assert!(Form::Elf.decode(&encoded, size).is_err(), "of {size} bytes");
    }
}

/// Hash collisions and names without an end must not make an encoder slow.
#[test]
fn hostile_tables_take_no_long_time() {
    let mut module = Module::new();
    module.functions = vec![16; 50_000];
    let mut content = module.bytes();
    let begun = std::time::Instant::now();
    // All names become one name without an end, and so all keys the same.
    let names = content.windows(12).position(|window| window == b"\0function_0\0").unwrap();
    let end = content.len() - 9 * 64 - 100;
    content[names + 1..end].fill(b'x');
    through(Form::Elf, &content).unwrap();
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

fn module() -> impl Strategy<Value = Vec<u8>> {
    (vec(9..300usize, 1..40), 0..200_000u32)
        .prop_map(|(functions, kernel_types)| Module { functions, kernel_types }.bytes())
}

fn change(content: &mut [u8], changes: &[(Index, u8)]) {
    for (place, value) in changes {
        content[place.index(content.len())] = *value;
    }
}

proptest! {
    #[test]
    fn anything_comes_back(content in vec(any::<u8>(), 0..500)) {
        let elf = [b"\x7fELF\x02\x01", &content[..]].concat();
        for form in Form::ALL {
            through(form, &content);
            through(form, &elf);
        }
    }

    #[test]
    fn damaged_modules_come_back(mut content in module(), changes in vec(any::<(Index, u8)>(), 0..20)) {
        change(&mut content, &changes);
        through(Form::Elf, &content);
    }

    #[test]
    fn damaged_headers_come_back(mut content in module(), changes in vec(any::<(Index, u8)>(), 1..6)) {
        let headers = content.len() - 9 * 64;
        change(&mut content[headers..], &changes);
        through(Form::Elf, &content);
        change(&mut content[..64], &changes[..1]);
        through(Form::Elf, &content);
    }

    #[test]
    fn damaged_forms_make_no_more_than_they_may(content in module(), changes in vec(any::<(Index, u8)>(), 1..20)) {
        let mut encoded = Form::Elf.encode(&content).unwrap();
        change(&mut encoded, &changes);
        if let Ok(made) = Form::Elf.decode(&encoded, content.len()) {
            prop_assert_eq!(made.len(), content.len());
        }
    }

    #[test]
    fn noise_is_no_form(noise in vec(any::<u8>(), 0..500), size in 0..5000usize) {
        for form in Form::ALL {
            if let Ok(made) = form.decode(&noise, size) {
                prop_assert_eq!(made.len(), size);
            }
        }
    }
}
