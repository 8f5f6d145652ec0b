//! Templates: files of a manifest with `{{ NAME }}` in the place of parameters, as Jinja2 reads them.

use std::collections::BTreeMap;
use std::path::Path;

use baserock::extension::Environment;
use minijinja::Environment as Jinja;
use system::{Error, Result};

/// The most steps of a template. One that loops for ever is refused.
const MOST_STEPS: u64 = 1 << 20;

/// The template with the values of the environment. A name without a value is empty.
pub fn fill(template: &[u8], source: &Path, environment: &Environment) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(template).map_err(|_| Error::malformed(source, "is not UTF-8 text"))?;
    let values: BTreeMap<&str, &str> =
        environment.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?))).collect();
    let mut jinja = Jinja::new();
    jinja.set_keep_trailing_newline(true);
    jinja.set_fuel(Some(MOST_STEPS));
    let filled = jinja.render_str(text, values).map_err(|error| {
        let line = error.line().map_or(String::new(), |line| format!("line {line}: "));
        Error::malformed(
            source,
            format!("{line}{}", error.detail().unwrap_or("is not a template that can be filled in")),
        )
    })?;
    Ok(filled.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str) -> Result<String> {
        let environment = [("NAME", "box"), ("EMPTY", "")].into_iter().collect();
        fill(template.as_bytes(), Path::new("etc/x"), &environment)
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn names_become_values() {
        assert_eq!(filled("a {{ NAME }} {{NO}}<&>\n").unwrap(), "a box <&>\n");
        assert_eq!(filled("{% if EMPTY %}x{% else %}y{% endif %}{{ NO | default('z') }}").unwrap(), "yz");
    }

    #[test]
    fn bad_templates_are_refused_by_line() {
        for template in [
            "\n{{ NAME",
            "\n{% nothing %}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{{a}}{% endfor %}{% endfor %}",
        ] {
            let message = filled(template).unwrap_err().to_string();
            assert!(message.starts_with("etc/x: line ") && !message.contains('\n'), "{message}");
        }
    }
}
