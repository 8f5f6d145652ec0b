//! JSON that programs print, and the schemas in `docs/schema/`. A schema here lists all that there is: what it does not name is a fault.

use std::path::Path;

use serde_json::Value;

/// What of this text is not as the schema of this name says.
pub fn faults(name: &str, text: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema").join(format!("{name}.json"));
    let schema = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut faults = Vec::new();
    match serde_json::from_str(text) {
        Ok(value) => check(&serde_json::from_str(&schema).expect("a schema"), &value, name, &mut faults),
        Err(error) => faults.push(format!("no JSON: {error}")),
    }
    faults
}

fn check(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let kind = kind(value);
    let allowed = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|allowed| allowed == kind),
        allowed => allowed == kind,
    };
    if !allowed {
        return faults.push(format!("{at} is of the type {kind}"));
    }
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"].as_object().expect("the properties of an object");
            let required = schema["required"].as_array().expect("what an object must have");
            for name in required.iter().filter_map(Value::as_str).filter(|name| !fields.contains_key(*name)) {
                faults.push(format!("{at} has no {name}"));
            }
            for (name, field) in fields {
                match properties.get(name) {
                    Some(schema) => check(schema, field, &format!("{at}.{name}"), faults),
                    None => faults.push(format!("{at}.{name} is in no schema")),
                }
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                check(&schema["items"], value, &format!("{at}[{number}]"), faults);
            }
        }
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found() {
        let status = r#"{"format": 1, "running": 3, "other": "", "conflicts": [{"label": "a"}]}"#;
        let faults = faults("status", status);
        for fault in [
            "status.running is of the type integer",
            "status.other is in no schema",
            "status.conflicts[0] has no paths",
            "status has no next",
        ] {
            assert!(faults.iter().any(|found| found == fault), "{fault} is not in {faults:?}");
        }
        assert_eq!(self::faults("list", "[]"), [""; 0]);
    }
}
