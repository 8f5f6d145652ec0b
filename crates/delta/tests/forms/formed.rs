//! Pieces of a unit in their forms.

use delta::codec::{Reader, Writer};
use delta::form::Form;
use delta::formed::{Forms, pieces, references};
use delta::unit::GRID;

use super::module::Module;

/// A module, a text, another module, and one that was cut off.
fn unit() -> Vec<Vec<u8>> {
    let module = Module::new().bytes();
    let cut = module[..module.len() - 100].to_vec();
    vec![Module { kernel_types: 7, ..Module::new() }.bytes(), b"text\n".repeat(99), module, cut]
}

/// The pieces as one buffer.
fn buffer(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend(piece);
        buffer.resize(buffer.len().next_multiple_of(GRID), 0);
    }
    buffer
}

fn lengths(unit: &[Vec<u8>]) -> impl Iterator<Item = usize> {
    unit.iter().map(Vec::len)
}

/// The pieces in their forms, and what is written of the forms.
fn encode(unit: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    let mut formed = Vec::new();
    let forms = Forms::encode(pieces(&buffer(unit), lengths(unit)), &mut formed);
    assert_eq!(forms.size(), formed.len());
    let mut written = Writer::default();
    Forms::write(Some(&forms), &mut written);
    (formed, written.0)
}

fn read(written: &[u8]) -> std::io::Result<Option<Forms>> {
    let mut from = Reader(written);
    let forms = Forms::read(&mut from, lengths(&unit()))?;
    assert!(from.0.is_empty());
    Ok(forms)
}

#[test]
fn a_unit_comes_back() {
    let unit = unit();
    let (formed, written) = encode(&unit);
    let whole = buffer(&unit);
    assert!(formed.len() < whole.len());
    let mut back = Vec::new();
    read(&written).unwrap().unwrap().decode(&formed, lengths(&unit), &mut back).unwrap();
    assert!(back == whole);
}

#[test]
fn a_unit_may_stay_as_it_is() {
    let mut written = Writer::default();
    Forms::write(None, &mut written);
    assert_eq!(read(&written.0).unwrap(), None);
}

#[test]
fn old_pieces_are_made_like_new_ones() {
    let unit = unit();
    let (formed, _) = encode(&unit);
    let mut old = Vec::new();
    references(pieces(&buffer(&unit), lengths(&unit)), &mut old);
    assert!(old == formed);
}

#[test]
fn a_piece_that_cannot_be_decoded_becomes_zeros() {
    let unit = unit();
    let (mut formed, written) = encode(&unit);
    formed[0] ^= 0xff;
    formed[60..200].fill(0xff);
    let mut back = Vec::new();
    read(&written).unwrap().unwrap().decode(&formed, lengths(&unit), &mut back).unwrap_err();
    let first = unit[0].len();
    assert!(back[..first].iter().all(|&byte| byte == 0));
    assert!(back[first.next_multiple_of(GRID)..] == buffer(&unit)[first.next_multiple_of(GRID)..]);
}

#[test]
fn claims_are_bounded() {
    let (_, good) = encode(&unit());
    read(&good).unwrap();
    let elf = Form::Elf.code();
    for (wrong, bytes) in [
        ("more forms than pieces", &[6, 0, elf, 1][..]),
        ("a piece after the last", &[2, 4, elf, 1]),
        ("an unknown form", &[2, 0, 0xff, 1]),
        ("a piece as it is among the others", &[2, 0, Form::Raw.code(), 1]),
        ("cut off", &[3, 0, elf, 1]),
        ("a piece of 32 MiB", &[2, 0, elf, 0x80, 0x80, 0x80, 0x10]),
        ("two pieces of 16 MiB", &[3, 0, elf, 0x80, 0x80, 0x80, 8, 1, elf, 0x80, 0x80, 0x80, 8]),
    ] {
        assert!(read(bytes).is_err(), "{wrong}");
    }
}
