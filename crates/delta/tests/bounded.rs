//! Answers of a sender that lies are refused within a bounded memory. The limit holds for the whole process, so there is one test only.
//!
//! Pace: seconds

use std::alloc::System;
use std::io;

use cap::Cap;
use delta::codec::{Reader, Writer};
use delta::difference::Decoder;
use delta::form::Form;
use delta::formed::Forms;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// What the pieces of one unit may take in their forms, and again when they are decoded.
const LIMIT: usize = 64 << 20;
/// Bytes of the one piece of the unit.
const PIECE: usize = 1 << 20;

/// The answer: a piece that has so many bytes in its form, made by a difference of method 0 with this frame.
fn answer(form: Form, formed: usize, frame: &[u8]) -> Vec<u8> {
    let mut answer = Writer::default();
    for number in [2, 0] {
        answer.number(number);
    }
    answer.raw(&[form.code()]);
    answer.number(formed as u64);
    answer.raw(&[0]);
    answer.raw(frame);
    answer.0
}

/// Takes the answer as an agent does.
fn take(answer: &[u8]) -> io::Result<Vec<u8>> {
    let mut rest = Reader(answer);
    let lengths = || std::iter::once(PIECE);
    let forms = Forms::read(&mut rest, lengths())?.expect("there are forms");
    let (mut formed, mut new) = (Vec::new(), Vec::new());
    Decoder::default().decode(rest.0, &[], forms.size(), &mut formed)?;
    forms.decode(&formed, lengths(), &mut new)?;
    Ok(new)
}

fn frame(of: &[u8]) -> Vec<u8> {
    zstd::encode_all(of, 1).unwrap()
}

#[test]
fn answers_that_claim_too_much_are_refused_within_bounds() {
    let most = 24 << 20;
    let bomb = frame(&vec![0; 256 << 20]);
    // A gzip form of level 6, without head and tail, whose plain text is not compressed to a piece; and a zip form of one such member.
    let plain: Vec<u8> =
        (0..6u32 << 20).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let gzip = [&[6, 0, 0], &plain[3..]].concat();
    let mut member = Writer::default();
    for number in [1, 0, 6, (most - 7) as u64] {
        member.number(number);
    }
    let zip = [&member.0[..], &plain[member.0.len()..]].concat();
    let members = [&[0xff, 0xff, 3][..], &[0, 6, 0].repeat(0xffff)].concat();
    let lies = [
        (
            "more than a unit may have",
            answer(Form::Gzip, most + 1, &frame(&plain)),
            "where 25165824 is the most",
        ),
        ("far more than was claimed", answer(Form::Gzip, most, &bomb), ""),
        ("less than was claimed", answer(Form::Zip, most, &frame(&[0])), "another size"),
        ("a gzip file that is too long", answer(Form::Gzip, gzip.len(), &frame(&gzip)), "another size"),
        ("an archive that is too long", answer(Form::Zip, zip.len(), &frame(&zip)), "another size"),
        ("an archive of empty members", answer(Form::Zip, members.len(), &frame(&members)), "another size"),
        ("no ELF file", answer(Form::Elf, most, &frame(&plain)), ""),
    ];
    drop((bomb, plain, gzip, zip, members));
    MEMORY.set_limit(MEMORY.allocated() + LIMIT).unwrap();
    for (lie, answer, reason) in lies {
        let error = take(&answer).expect_err(lie).to_string();
        assert!(error.contains(reason), "{lie}: {error}");
    }
}
