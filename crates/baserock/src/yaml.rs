//! Bounds of YAML that others wrote. Its reader needs time and memory without bounds for nested brackets and for aliases.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The limit for the bytes of a file.
pub const MOST: u64 = 1 << 20;

/// The limit for the depth of brackets.
const DEEPEST: usize = 200;

/// The limit for the values and their bytes, after each alias is replaced.
const MOST_EXPANDED: usize = 4 << 20;

/// Fails if the text goes beyond the bounds. The error says why; faults of the YAML itself are left to who reads it.
pub fn check(text: &str) -> Result<(), String> {
    if text.len() as u64 > MOST {
        return Err(format!("it has more than {MOST} bytes"));
    }
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth > DEEPEST {
            return Err(format!("it has brackets nested deeper than {DEEPEST}"));
        }
    }
    let mut left = Some(MOST_EXPANDED);
    let _faults_are_found_again = Weigh(&mut left).deserialize(serde_yaml::Deserializer::from_str(text));
    left.map(drop).ok_or_else(|| "its aliases stand for too much".to_owned())
}

/// Counts a value. `None` if it is too much.
struct Weigh<'a>(&'a mut Option<usize>);

impl Weigh<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        *self.0 = self.0.and_then(|left| left.checked_sub(bytes + 1));
        self.0.map(drop).ok_or_else(|| E::custom("too much"))
    }
}

impl<'de> DeserializeSeed<'de> for Weigh<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Weigh<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(mut self, _: bool) -> Result<(), E> {
        self.take(0)
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.take(0)
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.take(0)
    }

    fn visit_i128<E: Error>(mut self, _: i128) -> Result<(), E> {
        self.take(0)
    }

    fn visit_u128<E: Error>(mut self, _: u128) -> Result<(), E> {
        self.take(0)
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.take(0)
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.take(0)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.take(text.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.take(0)?;
        while items.next_element_seed(Weigh(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.take(0)?;
        while map.next_key_seed(Weigh(self.0))?.is_some() {
            map.next_value_seed(Weigh(self.0))?;
        }
        Ok(())
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        use serde::de::VariantAccess;
        let (_, value) = tagged.variant::<serde::de::IgnoredAny>()?;
        value.newtype_variant_seed(Weigh(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_files_are_within_bounds() {
        for text in ["", "{", "a: &x [1, 2.5, yes, ~, -3, !t u]\nb: [*x, *x]\nc: {<<: *x}\n", "k: |\n  [[[\n"]
        {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_takes_much_time_or_memory_is_refused() {
        let many = format!("a: &a [{}]\nb: [{}]\n", "xxxxxxxxx,".repeat(2000), "*a,".repeat(2000));
        let long = " ".repeat(2 << 20);
        for (text, why) in [("[".repeat(100_000), "nested"), (many, "aliases"), (long, "bytes")] {
            assert!(check(&text).unwrap_err().contains(why), "{why}");
        }
    }
}
