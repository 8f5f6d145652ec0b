//! Pieces of a unit that become longer in their forms.

use delta::codec::{Reader, Writer};
use delta::formed::{Forms, pieces, references};
use delta::unit::GRID;

use crate::packed;

/// A gzip file whose plain text has so many MiB.
fn file(mebibytes: usize) -> Vec<u8> {
    packed(&vec![b'x'; mebibytes << 20], 6)
}

/// The files as one buffer.
fn buffer(files: &[&[u8]]) -> Vec<u8> {
    let mut buffer = Vec::new();
    for file in files {
        buffer.extend_from_slice(file);
        buffer.resize(buffer.len().next_multiple_of(GRID), 0);
    }
    buffer
}

/// A unit may become 16 MiB longer. Those pieces take their forms, in their order, for which there is room.
#[test]
fn a_piece_that_becomes_too_long_stays_as_it_is() {
    let (seven, three, twenty) = (file(7), file(3), file(20));
    let unit: [&[u8]; 6] = [&twenty, &seven, b"text", &seven, &seven, &three];
    // Seven and seven leave two MiB, and a little for the packed bytes.
    let expected = [twenty.len(), 7 << 20, 4, 7 << 20, seven.len(), three.len()];
    let (whole, lengths) = (buffer(&unit), || unit.iter().map(|piece| piece.len()));
    let mut formed = Vec::new();
    let forms = Forms::encode(pieces(&whole, lengths()), &mut formed);
    let padded = |length: usize| length.next_multiple_of(GRID);
    let room = expected.len() * GRID;
    let least: usize = expected.into_iter().sum();
    assert!((least..=least + room).contains(&forms.size()), "{} bytes instead of {least}", forms.size());
    assert_eq!(formed.len(), forms.size());
    assert!(forms.size() <= whole.len() + (16 << 20));
    assert!(formed.starts_with(&whole[..padded(twenty.len())]), "the first piece is as it was");
    let mut old = Vec::new();
    references(pieces(&whole, lengths()), &mut old);
    assert!(old == formed, "old pieces have the same room");
    let mut written = Writer::default();
    Forms::write(Some(&forms), &mut written);
    let forms = Forms::read(&mut Reader(&written.0[..]), lengths()).unwrap().unwrap();
    let mut back = Vec::new();
    forms.decode(&formed, lengths(), &mut back).unwrap();
    assert!(back == whole, "the unit comes back");
}
