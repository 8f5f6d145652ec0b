//! The records of an extended header. An invalid record is an error, and is never skipped.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use system::metadata::Time;

/// The records of `data`, `LENGTH KEY=VALUE\n` each, in order.
pub fn records(mut data: &[u8]) -> Result<Vec<(&str, &[u8])>, String> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let (record, rest) = split(data).ok_or("an extended header has a record of the wrong length")?;
        let equals =
            record.iter().position(|&b| b == b'=').ok_or("an extended header has a record without =")?;
        let key = std::str::from_utf8(&record[..equals])
            .map_err(|_| "an extended header has a key that is not UTF-8")?;
        found.push((key, &record[equals + 1..]));
        data = rest;
    }
    Ok(found)
}

fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = data.iter().position(|&b| b == b' ')?;
    let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
    let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
    Some((record, &data[length..]))
}

/// A number in decimal.
pub fn number(key: &str, value: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    text.ok_or_else(|| format!("an extended header has {key} {:?}", String::from_utf8_lossy(value)))
}

/// A time in decimal, with an optional fraction and sign.
pub fn time(key: &str, value: &[u8]) -> Result<Time, String> {
    let wrong = || format!("an extended header has {key} {:?}", String::from_utf8_lossy(value));
    let text = std::str::from_utf8(value).map_err(|_| wrong())?;
    let (sign, magnitude) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds: i64 = whole.parse::<u64>().ok().and_then(|s| s.try_into().ok()).ok_or_else(wrong)?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().map_err(|_| wrong())?;
    Ok(match (sign, nanoseconds) {
        (1, _) => Time { seconds, nanoseconds },
        (_, 0) => Time { seconds: -seconds, nanoseconds: 0 },
        _ => Time { seconds: -seconds - 1, nanoseconds: NANOS_PER_SECOND - nanoseconds },
    })
}

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// The name of an extended attribute: GNU tar writes `=` as `%3D` and `%` as `%25`.
pub fn attribute_name(key: &str) -> String {
    key.replace("%3D", "=").replace("%25", "%")
}

/// The name of an extended attribute of libarchive: anything unusual is written as `%` and two hexadecimal digits.
pub fn decoded_name(key: &str) -> Vec<u8> {
    percent_decode_str(key).collect()
}

/// A value in base 64. libarchive writes it without padding.
pub fn decoded_value(value: &[u8]) -> Option<Vec<u8>> {
    const LIBARCHIVE: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    LIBARCHIVE.decode(value).ok()
}

/// Whether a record belongs to what is read elsewhere, or tells only how the archive was made.
pub fn is_known(key: &str) -> bool {
    const KNOWN: [&str; 20] = [
        "path",
        "linkpath",
        "size",
        "uid",
        "gid",
        "uname",
        "gname",
        "mtime",
        "atime",
        "ctime",
        "comment",
        "charset",
        "hdrcharset",
        "SCHILY.dev",
        "SCHILY.ino",
        "SCHILY.nlink",
        "SCHILY.realsize",
        "SCHILY.fflags",
        "LIBARCHIVE.creationtime",
        "LIBARCHIVE.symlinktype",
    ];
    KNOWN.contains(&key) || key.starts_with("GNU.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_newlines_and_equals_signs() {
        let data = b"13 a=b\nc=d\ne\n8 x=yz\n\n";
        let read = records(data);
        assert!(read.is_ok(), "{read:?}");
        let data = b"12 a=b\nc=d\n\n7 x=yz\n";
        assert_eq!(records(data).unwrap(), [("a", &b"b\nc=d\n"[..]), ("x", &b"yz"[..])]);
    }

    #[test]
    fn records_that_cannot_be_read_are_errors() {
        for data in ["5 a=b\n7 x", "x a=b\n", "99 a=b\n", "6 a=b", "5 ab\n", "2 a=b\n"] {
            assert!(records(data.as_bytes()).is_err(), "{data:?}");
        }
    }

    #[test]
    fn times_before_1970_and_with_fractions() {
        for (text, seconds, nanoseconds) in [
            ("12", 12, 0),
            ("1.5", 1, 500_000_000),
            ("-1", -1, 0),
            ("-1.25", -2, 750_000_000),
            ("0.0000000019", 0, 1),
        ] {
            assert_eq!(time("mtime", text.as_bytes()).unwrap(), Time { seconds, nanoseconds }, "{text}");
        }
        for text in ["", "x", "1.x", "1e9", "--1"] {
            assert!(time("mtime", text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn attribute_names_are_decoded() {
        assert_eq!(attribute_name("user.a%3Db%25c"), "user.a=b%c");
    }

    #[test]
    fn attributes_of_libarchive_are_decoded() {
        assert_eq!(decoded_name("user.a%3Db%2525"), b"user.a=b%25");
        assert_eq!(decoded_name("user.%4"), b"user.%4");
        for (text, value) in
            [("", &b""[..]), ("aGk", b"hi"), ("aGk=", b"hi"), ("AP+/", b"\0\xff\xbf"), ("aA", b"h")]
        {
            assert_eq!(decoded_value(text.as_bytes()).unwrap(), value, "{text}");
        }
        assert_eq!(decoded_value(b"a"), None);
        assert_eq!(decoded_value(b"a.b="), None);
    }
}
