//! Reversible forms of contents. A form is a transformation that both sides of a push know. The content travels in the form that makes it
//! small, and comes back byte for byte.
//!
//! A form is known by what the content begins with, so both sides find the same form for an old content without a word. Forms are formats:
//! each version of a form has a code of its own, and its decoder is kept for ever. `docs/delta.md` describes their bytes.

pub(crate) mod deflate;
mod elf;
pub(crate) mod gzip;
mod zip;

use std::io;

use crate::codec::invalid;

/// A form of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The bytes as they are.
    Raw,
    /// ELF files, with tables as columns of numbers that do not depend on places in the file.
    Elf,
    /// Files of gzip, unpacked.
    Gzip,
    /// Zip archives (jars, wheels), with their members unpacked.
    Zip,
}

impl Form {
    /// All forms.
    pub const ALL: [Form; 4] = [Form::Raw, Form::Elf, Form::Gzip, Form::Zip];

    /// The form that probably makes a content small which begins with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        if elf::begins(bytes) {
            Form::Elf
        } else if gzip::head_length(bytes).is_some() {
            Form::Gzip
        } else if zip::begins(bytes) {
            Form::Zip
        } else {
            Form::Raw
        }
    }

    /// The number of the form and its version in messages.
    pub fn code(self) -> u8 {
        match self {
            Form::Raw => 0,
            Form::Elf => 1,
            Form::Gzip => 2,
            Form::Zip => 3,
        }
    }

    /// The form of this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.code() == code)
    }

    /// The content in this form; `None` if it would not come back exactly.
    pub fn encode(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Form::Raw => Some(bytes.to_vec()),
            Form::Elf => elf::encode(bytes),
            Form::Gzip => gzip::encode(bytes),
            Form::Zip => zip::encode(bytes),
        }
    }

    /// An old content as new ones in this form are compared with it; `None` if it is compared as it is. The same bytes give the same on
    /// every machine. They need not come back.
    pub fn reference(self, old: &[u8]) -> Option<Vec<u8>> {
        match self {
            Form::Raw | Form::Elf => self.encode(old),
            Form::Gzip => gzip::reference(old),
            Form::Zip => zip::reference(old),
        }
    }

    /// The content of `size` bytes that has these bytes in this form. The bytes are not trusted. The memory needed is a small multiple of
    /// their length and `size`.
    pub fn decode(self, bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
        match self {
            Form::Raw if bytes.len() == size => Ok(bytes.to_vec()),
            Form::Raw => Err(invalid("a content of another size than announced")),
            Form::Elf => elf::decode(bytes, size),
            Form::Gzip => gzip::decode(bytes, size),
            Form::Zip => zip::decode(bytes, size),
        }
    }
}
