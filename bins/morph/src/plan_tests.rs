use super::*;

const CLUSTER: &str = "
kind: cluster
systems:
- morph: systems/devel.morph
  deploy-defaults: {TIMEZONE: UTC, DISK_SIZE: 4G}
  deploy:
    self:
      type: extensions/rawdisk
      location: self.img
      upgrade-type: extensions/ssh-rsync
      upgrade-location: root@localhost
      DISK_SIZE: 8G
    other: {type: extensions/tar, location: other.tar}
  subsystems:
  - morph: systems/initramfs.morph
    deploy:
      initramfs: {type: extensions/initramfs, location: boot/initramfs.gz}
- morph: systems/second.morph
  deploy:
    second: {type: extensions/tar, location: second.tar}
    bare: {HOSTNAME: x}
";

fn planned(arguments: &[&str], mode: &Mode<'_>) -> Result<Vec<Deployment>> {
    let cluster = Cluster::parse(Path::new("c.morph"), CLUSTER).unwrap();
    let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
    plan(&cluster, &Request::parse(&arguments)?, mode)
}

const DEPLOY: Mode<'_> = Mode { upgrade: false, system: None, environment: None };
const UPGRADE: Mode<'_> = Mode { upgrade: true, system: None, environment: None };

fn pairs(deployment: &Deployment) -> Vec<(&str, &str)> {
    deployment.parameters.iter().collect()
}

#[test]
fn later_words_win() {
    let plan = planned(&["self", "other", "self.TIMEZONE=CET"], &DEPLOY).unwrap();
    assert_eq!(pairs(&plan[0]), [("DISK_SIZE", "8G"), ("TIMEZONE", "CET"), ("UPGRADE", "no")]);
    assert_eq!(pairs(&plan[1]), [("DISK_SIZE", "4G"), ("TIMEZONE", "UTC"), ("UPGRADE", "no")]);
    assert_eq!((plan[0].extension.as_str(), plan[0].location.as_str()), ("extensions/rawdisk", "self.img"));
}

#[test]
fn an_upgrade_takes_the_place_meant_for_it() {
    let plan = planned(&["self", "other"], &UPGRADE).unwrap();
    assert_eq!(
        (plan[0].extension.as_str(), plan[0].location.as_str()),
        ("extensions/ssh-rsync", "root@localhost")
    );
    assert_eq!((plan[1].extension.as_str(), plan[1].location.as_str()), ("extensions/tar", "other.tar"));
    assert_eq!(plan[1].parameters.get("UPGRADE"), Some("yes"));
    let by_parameter = planned(&["self", "self.UPGRADE=True"], &DEPLOY).unwrap();
    assert_eq!(by_parameter[0].location, "root@localhost");
}

#[test]
fn a_subsystem_goes_with_its_system_and_is_never_an_upgrade() {
    let plan = planned(&["self", "initramfs.COMPRESSION=xz"], &UPGRADE).unwrap();
    let below = &plan[0].subsystems[0];
    assert_eq!(pairs(below), [("COMPRESSION", "xz"), ("UPGRADE", "no")]);
    assert_eq!(below.location, "boot/initramfs.gz");
}

#[test]
fn another_system_can_take_the_place_of_one() {
    let system = Some(Path::new("systems/trial.morph"));
    let plan = planned(&["self"], &Mode { system, ..UPGRADE }).unwrap();
    assert_eq!(plan[0].definition, Path::new("systems/trial.morph"));
    assert_eq!(plan[0].subsystems[0].definition, Path::new("systems/initramfs.morph"));
    let error = planned(&["self", "second"], &Mode { system, ..UPGRADE }).unwrap_err().to_string();
    assert!(error.contains("several systems"), "{error}");
}

#[test]
fn the_environments_value_counts_before_the_files_and_after_the_command_lines() {
    let environment: Environment =
        [("DISK_SIZE", "1G"), ("TIMEZONE", "UTC"), ("PATH", "/bin"), ("UPGRADE", "yes"), ("type", "x")]
            .into_iter()
            .collect();
    let mode = Mode { environment: Some(&environment), ..DEPLOY };
    let plan = planned(&["self"], &mode).unwrap();
    assert_eq!(plan[0].overruled, ["DISK_SIZE"]);
    assert_eq!(pairs(&plan[0]), [("DISK_SIZE", "1G"), ("TIMEZONE", "UTC"), ("UPGRADE", "no")]);
    assert_eq!(plan[0].extension, "extensions/rawdisk");
    let plan = planned(&["self", "self.DISK_SIZE=2G"], &mode).unwrap();
    assert_eq!(plan[0].parameters.get("DISK_SIZE"), Some("2G"));
    assert!(plan[0].overruled.is_empty());
}

#[test]
fn bad_requests_say_what_would_be_right() {
    for (arguments, why) in [
        (&["sefl"][..], "no deployment sefl; did you mean self? (it has: self, other, second, bare)"),
        (&["nothing.like-it"], "no deployment nothing.like-it (it has"),
        (&["selv.K=1"], "no deployment selv; did you mean self?"),
        (&["self.HOSTNAME"], "self.HOSTNAME has no value; write self.HOSTNAME=VALUE"),
        (&["initramfs"], "deployed together with"),
        (&["self", "other.K=1"], "other is given parameters but is not among"),
        (&["bare"], "deployment bare has no type"),
        (&["bare", "bare.type=extensions/tar"], "deployment bare has no location"),
        (&["self", "self.UPGRADE=perhaps"], "UPGRADE is \"perhaps\""),
        (&["self", "self.location="], "has no location"),
        (&["self", "initramfs.location=../../etc/x"], "leads out of the system"),
    ] {
        let error = planned(arguments, &DEPLOY).unwrap_err().to_string();
        assert!(error.contains(why), "{arguments:?}: {error}");
    }
    let error = planned(&["self", "self.UPGRADE=no"], &UPGRADE).unwrap_err().to_string();
    assert!(error.contains("contradicts"), "{error}");
}

#[test]
fn a_cluster_without_deployments_is_refused() {
    let cluster = Cluster::parse(Path::new("c"), "kind: cluster\nsystems: [{morph: a}]").unwrap();
    let error = plan(&cluster, &Request::default(), &DEPLOY).unwrap_err().to_string();
    assert!(error.contains("no deployments"), "{error}");
}
