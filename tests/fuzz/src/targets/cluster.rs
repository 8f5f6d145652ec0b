//! Cluster files and system definitions.

use std::path::Path;

use morph::cluster::Cluster;
use morph::definition::Definition;
use morph::plan::{Deployment, Mode, plan};
use morph::request::Request;

use crate::parts::parts;

/// Arguments, one a line, and a file.
pub fn run(bytes: &[u8]) {
    let [arguments, text] = parts(bytes).map(String::from_utf8_lossy);
    let path = Path::new("c.morph");
    let _ours = Definition::parse(path, &text);
    let cluster = match Cluster::parse(path, &text) {
        Ok(cluster) => cluster,
        Err(error) => {
            assert!(error.to_string().starts_with("c.morph: "), "{error}");
            return;
        }
    };
    let arguments: Vec<String> = arguments.lines().map(str::to_owned).collect();
    let Ok(request) = Request::parse(&arguments) else { return };
    for upgrade in [false, true] {
        for deployment in
            plan(&cluster, &request, &Mode { upgrade, system: None, environment: None }).unwrap_or_default()
        {
            deployment.subsystems.iter().for_each(stays_inside);
        }
    }
}

fn stays_inside(deployment: &Deployment) {
    let location = Path::new(&deployment.location);
    assert!(location.is_relative() && !location.components().any(|part| part.as_os_str() == ".."));
    deployment.subsystems.iter().for_each(stays_inside);
}
