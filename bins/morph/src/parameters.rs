//! Parameters: names and values, as the text in the file.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

/// Names and values of a deployment or a build. Values are text: `1.10` stays `1.10`, and `yes` stays `yes`. A missing value is empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Gives a name a value, in place of the one before.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes a name, and returns its value.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// These parameters, except where `higher` has a value for the same name.
    #[must_use]
    pub fn overlaid(&self, higher: &Parameters) -> Parameters {
        Parameters(self.iter().chain(higher.iter()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Parameters(pairs.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParametersVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names to text")
    }

    // A document with lists has the text of a missing map.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Parameters, E> {
        match text {
            "" | "~" | "null" => Ok(Parameters::default()),
            other => Err(E::invalid_type(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_unit<E>(self) -> Result<Parameters, E> {
        Ok(Parameters::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let (mut own, mut merged) = (Parameters::default(), Parameters::default());
        while let Some(name) = map.next_key::<String>()? {
            if name == MERGE_KEY {
                merged = merged.overlaid(&map.next_value::<Parameters>()?);
            } else if own.get(&name).is_some() {
                return Err(A::Error::custom(format!("{name} is defined twice")));
            } else {
                own.set(name, map.next_value::<String>()?);
            }
        }
        Ok(merged.overlaid(&own))
    }
}

/// YAML's `<<: *anchor`, which lays a map under this one.
const MERGE_KEY: &str = "<<";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(yaml: &str) -> Parameters {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn values_are_the_text_of_the_file() {
        let text = "a: 1.10\nb: yes\nc: 0x10\nd: 8G\ne:\nf: ~\ng: 'q: 1'\nh: |\n  two\n  lines\ni: 010\nj: 2014-01-01\nk: true";
        let parameters = parse(text);
        let expected = [
            ("a", "1.10"),
            ("b", "yes"),
            ("c", "0x10"),
            ("d", "8G"),
            ("e", ""),
            ("f", "~"),
            ("g", "q: 1"),
            ("h", "two\nlines\n"),
            ("i", "010"),
            ("j", "2014-01-01"),
            ("k", "true"),
        ];
        assert_eq!(parameters.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_merge_key_lies_under_the_map() {
        let all: BTreeMap<String, Parameters> =
            serde_yaml::from_str("base: &b {A: 1, B: 2}\nown:\n  B: 3\n  <<: *b\n").unwrap();
        assert_eq!(all["own"].iter().collect::<Vec<_>>(), [("A", "1"), ("B", "3")]);
    }

    #[test]
    fn twice_and_nested_are_errors() {
        for (yaml, why) in
            [("A: 1\nA: 1", "A is defined twice"), ("A: [1]", "string"), ("A: {b: c}", "string")]
        {
            let message = serde_yaml::from_str::<Parameters>(yaml).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }
}
