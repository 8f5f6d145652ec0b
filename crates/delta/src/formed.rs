//! The pieces of a unit in their forms.
//!
//! The sender chooses the form of each new piece by its bytes, and says so in front of the difference. The old pieces are made alike on
//! both sides: their bytes alone decide. The pieces are one buffer as in [`crate::unit`], and so are the old ones.
//!
//! ```text
//! number     0 if all pieces are as they are, the old ones too; else 1 more than the number of pieces in another form than `Raw`
//! for each   number: pieces since the last one; byte: code of the form; number: length in this form
//! ```

use std::io;

use crate::codec::{Reader, Writer, invalid};
use crate::form::Form;
use crate::matches;
use crate::segment::SEGMENT;
use crate::unit::{self, GRID};

/// Bytes by which all pieces of a unit together may become longer in their forms.
const GROWTH: usize = 16 << 20;
/// Most bytes of the new pieces of a unit in their forms.
const MOST: usize = GROWTH + (8 << 20);
const _: () = assert!((MOST - GROWTH) as u64 == SEGMENT);
const _: () = assert!(unit::MOST_OLD + GROWTH as u64 <= matches::MOST_OLD as u64);

/// The forms of the new pieces of a unit, and their lengths in these forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forms(Vec<(Form, usize)>);

/// The pieces of these lengths in a buffer in which each is padded to the grid.
pub fn pieces(buffer: &[u8], lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = &[u8]> {
    lengths.scan(buffer, |rest, length| {
        let (piece, after) = rest.split_at_checked(length)?;
        *rest = after.get(length.next_multiple_of(GRID) - length..).unwrap_or_default();
        Some(piece)
    })
}

/// Fills the buffer with old pieces as new ones are compared with them.
pub fn references<'a>(old: impl Iterator<Item = &'a [u8]>, into: &mut Vec<u8>) {
    fill(old, into, |piece| {
        let form = Form::of(piece);
        Some((form, form.reference(piece).filter(|_| form != Form::Raw)?))
    });
}

/// Fills the buffer with the pieces. `make` gives a piece another form, which is not taken if it is too long. Returns the forms.
fn fill<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    into: &mut Vec<u8>,
    make: impl Fn(&[u8]) -> Option<(Form, Vec<u8>)>,
) -> Forms {
    into.clear();
    let mut room = GROWTH;
    let forms = pieces.map(|piece| {
        let growth = |made: &[u8]| padded(made.len()).saturating_sub(padded(piece.len()));
        let made = make(piece).filter(|(_, made)| growth(made) <= room);
        let (form, bytes) = made.as_ref().map_or((Form::Raw, piece), |(form, made)| (*form, made));
        room -= growth(bytes);
        append(into, bytes);
        (form, bytes.len())
    });
    Forms(forms.collect())
}

fn append(buffer: &mut Vec<u8>, piece: &[u8]) {
    buffer.extend_from_slice(piece);
    buffer.resize(padded(buffer.len()), 0);
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(GRID)
}

impl Forms {
    /// Fills the buffer with the new pieces, each in the form that probably makes it small.
    pub fn encode<'a>(new: impl Iterator<Item = &'a [u8]>, into: &mut Vec<u8>) -> Self {
        fill(new, into, |piece| {
            let form = Form::of(piece);
            Some((form, form.encode(piece).filter(|_| form != Form::Raw)?))
        })
    }

    /// Bytes of the buffer with the pieces.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(_, length)| padded(*length)).sum()
    }

    /// Writes the forms; `None` stands for pieces that are as they are, together with the old ones.
    pub fn write(forms: Option<&Self>, to: &mut Writer) {
        let Some(Forms(forms)) = forms else { return to.number(0) };
        let others = || forms.iter().enumerate().filter(|(_, (form, _))| *form != Form::Raw);
        to.number(1 + others().count() as u64);
        let mut last = 0;
        for (piece, (form, length)) in others() {
            to.number((piece - last) as u64);
            to.raw(&[form.code()]);
            to.number(*length as u64);
            last = piece;
        }
    }

    /// Reads the forms of pieces of these lengths. They are not trusted.
    pub fn read(from: &mut Reader<&[u8]>, lengths: impl Iterator<Item = usize>) -> io::Result<Option<Self>> {
        let mut forms = Forms(lengths.map(|length| (Form::Raw, length)).collect());
        let Some(others) = from.count(1 + forms.0.len())?.checked_sub(1) else { return Ok(None) };
        let mut piece = 0;
        for _ in 0..others {
            piece += from.count(forms.0.len())?;
            let place = forms.0.get_mut(piece).ok_or_else(|| invalid("a form of no piece"))?;
            let [code] = from.raw()?;
            let form = Form::from_code(code).filter(|form| *form != Form::Raw);
            let form = form.ok_or_else(|| invalid(&format!("the unknown form {code}")))?;
            *place = (form, from.count(MOST)?);
        }
        if forms.size() > MOST {
            Err(invalid("pieces that are too long in their forms"))
        } else {
            Ok(Some(forms))
        }
    }

    /// Fills the buffer with the pieces of these lengths. A piece that cannot be decoded becomes zeros, and its hash will show that. Returns
    /// the first error.
    pub fn decode(
        &self,
        formed: &[u8],
        lengths: impl Iterator<Item = usize>,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        into.clear();
        let mut outcome = Ok(());
        let formed = pieces(formed, self.0.iter().map(|(_, length)| *length));
        for (((form, _), piece), length) in self.0.iter().zip(formed).zip(lengths) {
            match form.decode(piece, length) {
                Ok(content) => append(into, &content),
                Err(error) => {
                    into.resize(padded(into.len() + length), 0);
                    outcome = outcome.and(Err(error));
                }
            }
        }
        outcome
    }
}
