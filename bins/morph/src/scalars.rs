//! YAML values whose scalars are the text of the file.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Mapping, Value};

/// The document with texts in place of all lists and maps among the parameters. `None` if there are none, or if it is not YAML.
pub fn flattened(text: &str) -> Option<Value> {
    let document = with_texts(text)?;
    let mut flat = document.clone();
    flatten(&mut flat);
    (flat != document).then_some(flat)
}

/// The document with the text of the file in place of each scalar: `1.10` stays `1.10`. `None` if it is not YAML.
fn with_texts(text: &str) -> Option<Value> {
    let shape: Value = serde_yaml::from_str(text).ok()?;
    Texts(&shape).deserialize(serde_yaml::Deserializer::from_str(text)).ok()
}

/// Turns parameters of deployments and builds that are lists or maps into texts from which YAML reads them.
fn flatten(document: &mut Value) {
    match document {
        Value::Sequence(items) => items.iter_mut().for_each(flatten),
        Value::Mapping(map) => {
            for (name, value) in map.iter_mut() {
                match (name.as_str(), value) {
                    (Some("systems" | "subsystems"), systems) => flatten(systems),
                    (Some("deploy-defaults" | "build"), parameters) => flatten_parameters(parameters),
                    (Some("deploy"), Value::Mapping(deployments)) => {
                        deployments.values_mut().for_each(flatten_parameters);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn flatten_parameters(parameters: &mut Value) {
    for (name, value) in parameters.as_mapping_mut().into_iter().flatten() {
        match value {
            Value::Mapping(_) if name.as_str() == Some("<<") => flatten_parameters(value),
            Value::Mapping(_) | Value::Sequence(_) => *value = Value::String(flow(value)),
            _ => {}
        }
    }
}

/// A value that is no scalar, as text in YAML's flow style, in which numbers stay numbers.
fn flow(value: &Value) -> String {
    match value {
        Value::Sequence(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Mapping(map) => {
            let pairs = map.iter().map(|(name, value)| format!("{}: {}", flow(name), flow(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Tagged(tagged) => flow(&tagged.value),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
    }
}

/// Whether the text is the same value without quotation marks, for every reader of YAML.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

/// Reads what has this shape.
struct Texts<'a>(&'a Value);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0 {
            Value::Sequence(_) => deserializer.deserialize_seq(self),
            Value::Mapping(_) => deserializer.deserialize_map(self),
            Value::Tagged(_) => Value::deserialize(deserializer),
            _ => String::deserialize(deserializer).map(Value::String),
        }
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a map")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let shapes = self.0.as_sequence().map(Vec::as_slice).unwrap_or_default();
        let mut items = Vec::with_capacity(shapes.len());
        for shape in shapes {
            items.extend(sequence.next_element_seed(Texts(shape))?);
        }
        while sequence.next_element::<Value>()?.is_some() {}
        Ok(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Mapping::new();
        for (name, shape) in self.0.as_mapping().into_iter().flatten() {
            let Some(name) = map.next_key_seed(Texts(name))? else { break };
            all.insert(name, map.next_value_seed(Texts(shape))?);
        }
        Ok(Value::Mapping(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_texts() {
        let value = with_texts("a: 1.10\nb: &x [yes, 010, ~, {c: 0x1}]\nd: *x\n").unwrap();
        assert_eq!(value["a"], Value::from("1.10"));
        assert_eq!(flow(&value["d"]), r#"["yes", "010", "~", {"c": "0x1"}]"#);
        assert_eq!(
            flow(&with_texts("- {ip: 10.0.0.1, weight: 100}").unwrap()),
            r#"[{"ip": "10.0.0.1", "weight": 100}]"#
        );
        assert!(with_texts("{").is_none());
    }
}
