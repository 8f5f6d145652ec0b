//! The arguments after the cluster file: `DEPLOYMENT` and `DEPLOYMENT.KEY=VALUE`.

use std::collections::BTreeMap;

use system::{Error, Result};

use crate::parameters::Parameters;

/// The deployments to make, and parameters that replace those of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The names of the deployments to make. An empty list means all.
    pub chosen: Vec<String>,
    /// Parameters by the name of their deployment.
    pub overrides: BTreeMap<String, Parameters>,
}

impl Request {
    /// Parses the arguments after the cluster file.
    pub fn parse(arguments: &[String]) -> Result<Request> {
        let mut request = Request::default();
        for argument in arguments {
            match argument.split_once('=') {
                None if request.chosen.contains(argument) => {}
                None => request.chosen.push(argument.clone()),
                Some((target, value)) => request.lay_over(target, value)?,
            }
        }
        Ok(request)
    }

    /// The parameters given for a deployment.
    pub fn overrides_of(&self, name: &str) -> Parameters {
        self.overrides.get(name).cloned().unwrap_or_default()
    }

    fn lay_over(&mut self, target: &str, value: &str) -> Result<()> {
        let Some((name, key)) =
            target.rsplit_once('.').filter(|(name, key)| !name.is_empty() && !key.is_empty())
        else {
            return Err(Error::refused(format!(
                "{target}=… names no deployment; write DEPLOYMENT.{}=VALUE",
                target.trim_matches('.')
            )));
        };
        let parameters = self.overrides.entry(name.to_owned()).or_default();
        match parameters.get(key) {
            Some(other) if other != value => {
                Err(Error::refused(format!("{name}.{key} is defined twice, with different values; keep one")))
            }
            _ => {
                parameters.set(key, value);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Request> {
        Request::parse(&arguments.iter().map(|&a| a.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_choose_and_pairs_override() {
        let request = parse(&["self", "a.b.KERNEL_ARGS=quiet x=1", "self.E=", "self"]).unwrap();
        assert_eq!(request.chosen, ["self"]);
        assert_eq!(request.overrides_of("a.b").get("KERNEL_ARGS"), Some("quiet x=1"));
        assert_eq!(request.overrides_of("self").get("E"), Some(""));
    }

    #[test]
    fn a_key_needs_its_deployment_and_one_value() {
        for (arguments, why) in [
            (&["HOSTNAME=x"][..], "HOSTNAME=… names no deployment; write DEPLOYMENT.HOSTNAME=VALUE"),
            (&[".HOSTNAME=x"], "names no deployment"),
            (&["self.=x"], "names no deployment"),
            (&["self.K=1", "self.K=2"], "self.K is defined twice"),
        ] {
            let error = parse(arguments).unwrap_err().to_string();
            assert!(error.contains(why), "{arguments:?}: {error}");
            assert!(!error.contains("=x") && !error.contains('1'), "a value may be a secret: {error}");
        }
    }
}
