//! JSON that is kept or sent. Each object has a `format` number, and all of them follow these rules:
//!
//! - An object without a number has format 1, because the first programs wrote no number.
//! - Unknown fields are ignored, and fields that were added later may be absent. Adding such a field needs no new number.
//! - A program writes the number of the format that it knows ([`Format::FORMAT`]). The number rises when an older program would
//!   misunderstand the new format.
//! - A higher number is refused ([`Fault::Newer`]), because a newer program wrote it.

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

/// The name of the field with the format number.
pub const FIELD: &str = "format";

/// An object as it is written: the number, then its fields.
#[derive(Serialize)]
struct Numbered<'a, T> {
    format: u64,
    #[serde(flatten)]
    value: &'a T,
}

/// The part that all formats have in common.
#[derive(Deserialize)]
#[serde(expecting = "a JSON object")]
struct Head {
    #[serde(default = "first")]
    format: NonZeroU64,
}

fn first() -> NonZeroU64 {
    NonZeroU64::MIN
}

/// The reason why an object cannot be read.
#[derive(Debug)]
pub enum Fault {
    /// It does not have the form that the format demands.
    Damaged(serde_json::Error),
    /// It has a format that this program does not know yet.
    Newer {
        /// The object's format.
        found: u64,
        /// The highest format that this program reads.
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
    /// The fault in words. `what` names the expected kind of file.
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
    // The number is read first and alone, because another format may have other fields.
    let Head { format } = serde_json::from_slice(json).map_err(Fault::Damaged)?;
    if format.get() > T::FORMAT {
        return Err(Fault::Newer { found: format.get(), known: T::FORMAT });
    }
    serde_json::from_slice(json).map_err(Fault::Damaged)
}

/// The object as the content of a file: indented, with a final newline.
pub fn file<T: Format + Serialize>(value: &T) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(&numbered(value)).unwrap_or_default();
    text.push(b'\n');
    text
}

/// The object in one line, for a message.
pub fn line<T: Format + Serialize>(value: &T) -> serde_json::Result<String> {
    serde_json::to_string(&numbered(value))
}

/// An array of objects, each with its number. It is indented and has a final newline.
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
