//! JSON that is kept or sent: each object has a `format` number, and this is the one rule for it.
//!
//! - An object without a number is of format 1: the first programs wrote none.
//! - Fields that this program does not know are ignored, and one that was added later may be absent: both without a new number.
//! - A program writes the number of the format that it knows ([`Format::FORMAT`]). The number rises where an older program would
//!   misunderstand what is written.
//! - A higher number is refused ([`Fault::Newer`]): a newer program wrote it.

use std::fmt;
use std::io;
use std::num::NonZeroU64;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An object that is kept or sent as JSON.
pub trait Format {
    /// The number of the format that this program writes, and the highest that it reads.
    const FORMAT: u64 = 1;
}

/// The name of the field with the number.
pub const FIELD: &str = "format";

/// An object as it is written: the number, then its fields.
#[derive(Serialize)]
struct Numbered<'a, T> {
    format: u64,
    #[serde(flatten)]
    value: &'a T,
}

/// What all formats have in common.
#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Head {
    #[serde(default = "first")]
    format: NonZeroU64,
}

fn first() -> NonZeroU64 {
    NonZeroU64::MIN
}

/// Why an object cannot be read.
#[derive(Debug)]
pub enum Fault {
    /// It is not what the format says.
    Damaged(serde_json::Error),
    /// It is of a format that this program does not know yet.
    Newer {
        /// The object's format.
        found: u64,
        /// The highest that this program reads.
        known: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Damaged(error) => error.fmt(f),
            Fault::Newer { found, known } => {
                write!(f, "written by a newer program (format {found}, this one reads {known})")
            }
        }
    }
}

impl Fault {
    /// What is wrong with a file that should be `what`.
    pub fn in_a(&self, what: &str) -> String {
        match self {
            Fault::Damaged(error) => format!("not {what} ({error})"),
            Fault::Newer { .. } => self.to_string(),
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(error) => error.into(),
            newer @ Fault::Newer { .. } => io::Error::new(io::ErrorKind::InvalidData, newer.to_string()),
        }
    }
}

/// Reads an object.
pub fn read<T: Format + DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    // By itself and first: another format may have other fields.
    let Head { format } = serde_json::from_slice(json).map_err(Fault::Damaged)?;
    if format.get() > T::FORMAT {
        return Err(Fault::Newer { found: format.get(), known: T::FORMAT });
    }
    serde_json::from_slice(json).map_err(Fault::Damaged)
}

/// The object for a file: indented, with a final newline.
pub fn file<T: Format + Serialize>(value: &T) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(&numbered(value)).unwrap_or_default();
    text.push(b'\n');
    text
}

/// The object in one line, for a message.
pub fn line<T: Format + Serialize>(value: &T) -> serde_json::Result<String> {
    serde_json::to_string(&numbered(value))
}

/// An array of objects, each with its number, indented, with a final newline.
pub fn array<T: Format + Serialize>(values: &[T]) -> serde_json::Result<String> {
    let values: Vec<_> = values.iter().map(numbered).collect();
    Ok(serde_json::to_string_pretty(&values)? + "\n")
}

fn numbered<T: Format>(value: &T) -> Numbered<'_, T> {
    Numbered { format: T::FORMAT, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Object {
        name: String,
    }

    impl Format for Object {}

    fn object() -> Object {
        Object { name: "a".into() }
    }

    #[test]
    fn what_is_written_has_the_number_and_is_read_again() {
        let text = file(&object());
        assert_eq!(String::from_utf8_lossy(&text), "{\n  \"format\": 1,\n  \"name\": \"a\"\n}\n");
        assert_eq!(read::<Object>(&text).unwrap(), object());
        assert_eq!(line(&object()).unwrap(), r#"{"format":1,"name":"a"}"#);
        assert_eq!(serde_json::from_str::<Vec<Object>>(&array(&[object()]).unwrap()).unwrap(), [object()]);
        assert_eq!(array::<Object>(&[]).unwrap(), "[]\n");
    }

    #[test]
    fn an_object_without_a_number_is_of_the_first_format_and_unknown_fields_are_ignored() {
        for json in [r#"{"name": "a"}"#, r#"{"name": "a", "format": 1, "colour": {"red": 3}}"#] {
            assert_eq!(read::<Object>(json.as_bytes()).unwrap(), object(), "{json}");
        }
    }

    #[test]
    fn a_higher_number_is_refused_whatever_else_is_there() {
        for json in [r#"{"format": 2, "name": "a"}"#, r#"{"other": [], "format": 2}"#] {
            let fault = read::<Object>(json.as_bytes()).unwrap_err();
            let text = "written by a newer program (format 2, this one reads 1)";
            assert!(matches!(fault, Fault::Newer { found: 2, known: 1 }), "{json}");
            assert_eq!((fault.to_string(), fault.in_a("an object")), (text.into(), text.into()));
            assert_eq!(io::Error::from(fault).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_number_is_damage() {
        for number in ["0", "-1", "1.5", "null", "\"2\"", "1, \"format\": 2"] {
            let json = format!(r#"{{"name": "a", "format": {number}}}"#);
            assert!(matches!(read::<Object>(json.as_bytes()), Err(Fault::Damaged(_))), "{json}");
        }
        let fault = read::<Object>(b"name=a").unwrap_err();
        assert!(fault.in_a("an object").starts_with("not an object (expected "), "{fault}");
    }
}
