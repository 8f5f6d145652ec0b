//! The plan: decides on values, from a cluster file and a request, which deployments are made.

use std::path::{Component, Path, PathBuf};

use baserock::extension::{Environment, parse_boolean};
use system::{Error, Result};

use crate::cluster::{Cluster, System};
use crate::nearest;
use crate::parameters::Parameters;
use crate::request::Request;

/// One deployment, with nothing left to decide.
#[derive(Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Its name in the cluster file.
    pub name: String,
    /// The system's definition, as written in the file.
    pub definition: PathBuf,
    /// The write extension, as written in the file.
    pub extension: String,
    /// The argument of the write extension. For a subsystem, it is a relative path in the tree into which it is deployed.
    pub location: String,
    /// The variables of its extensions, including `UPGRADE`.
    pub parameters: Parameters,
    /// The parameters to which the environment gives another value than the file.
    pub overruled: Vec<String>,
    /// The deployments that are made into its tree first.
    pub subsystems: Vec<Deployment>,
}

/// Changes of a whole run against the file.
#[derive(Debug, Default)]
pub struct Mode<'a> {
    /// Whether every deployment is an upgrade.
    pub upgrade: bool,
    /// The definition to deploy in place of the file's.
    pub system: Option<&'a Path>,
    /// The environment of the process. Its values count before those of the file.
    pub environment: Option<&'a Environment>,
}

/// The parameters that choose the write extension. They are not passed as variables.
const CHOOSING: [&str; 4] = ["type", "location", "upgrade-type", "upgrade-location"];

/// The variable that tells extensions whether this is an upgrade. It is never taken from the environment.
const UPGRADE: &str = "UPGRADE";

/// The deployments that the request asks for, in the order of the file.
pub fn plan(cluster: &Cluster, request: &Request, mode: &Mode<'_>) -> Result<Vec<Deployment>> {
    check_names(cluster, request)?;
    let chosen = |name: &str| request.chosen.is_empty() || request.chosen.iter().any(|c| c == name);
    let mut deployments = Vec::new();
    let mut systems = 0;
    for system in &cluster.systems {
        let before = deployments.len();
        for (name, parameters) in system.deploy.0.iter().filter(|(name, _)| chosen(name)) {
            deployments.push(top_level(system, name, parameters, request, mode)?);
        }
        systems += usize::from(deployments.len() > before);
    }
    match (deployments.is_empty(), systems, mode.system) {
        (true, ..) => Err(Error::refused("the cluster has no deployments; add one under `deploy:`")),
        (_, 2.., Some(_)) => {
            Err(Error::refused("--system would replace several systems; name the deployments of one of them"))
        }
        _ => Ok(deployments),
    }
}

/// The parameters of the file, with the values of the environment, and with those of the command line; and the names that the environment
/// changed.
fn merged(
    file: &Parameters,
    own: &Parameters,
    environment: Option<&Environment>,
) -> Result<(Parameters, Vec<String>)> {
    let (mut all, mut overruled) = (file.clone(), Vec::new());
    let ours = |name: &str| CHOOSING.contains(&name) || name == UPGRADE || own.get(name).is_some();
    for (name, value) in file.iter().filter(|(name, _)| is_variable(name) && !ours(name)) {
        let Some(other) = environment.map_or(Ok(None), |environment| environment.text(name))? else {
            continue;
        };
        if other != value {
            overruled.push(name.to_owned());
            all.set(name, other);
        }
    }
    Ok((all.overlaid(own), overruled))
}

fn top_level(
    system: &System,
    name: &str,
    parameters: &Parameters,
    request: &Request,
    mode: &Mode<'_>,
) -> Result<Deployment> {
    let definition = mode.system.unwrap_or(&system.morph);
    let own = request.overrides_of(name);
    let file = system.deploy_defaults.overlaid(parameters);
    let (all, overruled) = merged(&file, &own, mode.environment)?;
    let upgrade = is_upgrade(name, &own, &all, mode)?;
    let mut deployment = deployment(name, definition, all, upgrade)?;
    deployment.overruled = overruled;
    deployment.subsystems = below(system, request, mode)?;
    Ok(deployment)
}

/// The deployments of the subsystems. Each is written into a new tree, so none is an upgrade.
fn below(system: &System, request: &Request, mode: &Mode<'_>) -> Result<Vec<Deployment>> {
    let mut deployments = Vec::new();
    for subsystem in &system.subsystems {
        for (name, parameters) in &subsystem.deploy.0 {
            let own = request.overrides_of(name);
            let file = subsystem.deploy_defaults.overlaid(parameters);
            let (all, overruled) = merged(&file, &own, mode.environment)?;
            let mut deployment = deployment(name, &subsystem.morph, all, false)?;
            deployment.location = inside_tree(name, &deployment.location)?;
            deployment.overruled = overruled;
            deployment.subsystems = below(subsystem, request, mode)?;
            deployments.push(deployment);
        }
    }
    Ok(deployments)
}

/// A subsystem's location, relative to the tree into which it is deployed.
fn inside_tree(name: &str, location: &str) -> Result<String> {
    let relative = location.trim_start_matches('/');
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if relative.is_empty() || !Path::new(relative).components().all(plain) {
        return Err(Error::refused(format!(
            "{name}: the location {location} leads out of the system; use a path in it, without .."
        )));
    }
    Ok(relative.to_owned())
}

fn deployment(name: &str, definition: &Path, mut all: Parameters, upgrade: bool) -> Result<Deployment> {
    let [kind, location, upgrade_kind, upgrade_location] = CHOOSING.map(|key| all.take(key));
    let prefer = |special: Option<String>, usual: Option<String>, key: &str| {
        let value = if upgrade { special.or(usual) } else { usual };
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            Error::refused(format!(
                "deployment {name} has no {key}; add `{key}:` to it, or {name}.{key}=VALUE"
            ))
        })
    };
    let extension = prefer(upgrade_kind, kind, "type")?;
    let location = prefer(upgrade_location, location, "location")?;
    if let Some((key, _)) = all.iter().find(|(key, value)| !is_variable(key) || value.contains('\0')) {
        return Err(Error::refused(format!("{name}: {key:?} cannot be passed as an environment variable")));
    }
    all.set(UPGRADE, if upgrade { "yes" } else { "no" });
    let (name, definition) = (name.to_owned(), definition.to_owned());
    Ok(Deployment {
        name,
        definition,
        extension,
        location,
        parameters: all,
        overruled: Vec::new(),
        subsystems: Vec::new(),
    })
}

fn is_upgrade(name: &str, own: &Parameters, all: &Parameters, mode: &Mode<'_>) -> Result<bool> {
    let boolean = |text: &str| {
        parse_boolean(text).ok_or_else(|| {
            Error::refused(format!("{name}: UPGRADE is {text:?}; use yes, 1 or true, or no, 0 or false"))
        })
    };
    let asked = own.get(UPGRADE).map(boolean).transpose()?;
    if mode.upgrade && asked == Some(false) {
        return Err(Error::refused(format!("{name}.UPGRADE=no contradicts an upgrade; use morph deploy")));
    }
    let configured = all.get(UPGRADE).map(boolean).transpose()?;
    Ok(mode.upgrade || configured.unwrap_or(false))
}

fn is_variable(key: &str) -> bool {
    !key.is_empty() && !key.contains(['=', '\0'])
}

fn check_names(cluster: &Cluster, request: &Request) -> Result<()> {
    let top: Vec<&str> =
        cluster.systems.iter().flat_map(|s| &s.deploy.0).map(|(name, _)| name.as_str()).collect();
    let all: Vec<&str> = cluster.systems.iter().flat_map(System::names).collect();
    for name in &request.chosen {
        check_chosen(name, &top, &all)?;
    }
    for name in request.overrides.keys() {
        if !all.contains(&name.as_str()) {
            return Err(unknown(name, &all));
        }
        let left_out =
            !request.chosen.is_empty() && top.contains(&name.as_str()) && !request.chosen.contains(name);
        if left_out {
            return Err(Error::refused(format!(
                "{name} is given parameters but is not among the deployments to make; name it too"
            )));
        }
    }
    Ok(())
}

fn check_chosen(name: &str, top: &[&str], all: &[&str]) -> Result<()> {
    if top.contains(&name) {
        return Ok(());
    }
    if all.contains(&name) {
        return Err(Error::refused(format!(
            "{name} is part of another system; it is deployed together with that one"
        )));
    }
    match name.rsplit_once('.') {
        Some((deployment, _)) if all.contains(&deployment) => {
            Err(Error::refused(format!("{name} has no value; write {name}=VALUE")))
        }
        _ => Err(unknown(name, top)),
    }
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let suggestion = nearest::suggestion(name, known.iter().copied());
    Error::refused(format!("the cluster has no deployment {name}{suggestion} (it has: {})", known.join(", ")))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
