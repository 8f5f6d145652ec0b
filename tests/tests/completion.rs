//! What shells offer in the place of a word: options, versions, chroots, clusters and deployments. The shells are real.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::process::Command;

use baserock_tests::definitions::Definitions;
use baserock_tests::image::Image;
use baserock_tests::programs::{self, run};
use baserock_tests::version::{factory_image, manage, put_tree};
use tempfile::TempDir;

/// Runs a script in a shell that finds the programs. What the programs are asked is said by the variable `COMPLETE`.
fn shell(name: &str, options: &[&str], script: &str, folder: &Path) -> String {
    let programs = programs::path("morph").parent().expect("a folder").to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("PATH"));
    let mut shell = Command::new(name);
    shell.args(options).arg("-c").arg(script).current_dir(folder);
    run(shell.env("PATH", path).env("HOME", folder)).ok()
}

/// What bash offers for the last of the words.
fn bash(words: &str, folder: &Path) -> Vec<String> {
    let program = words.split(' ').next().expect("a program");
    let script = format!(
        "source <(COMPLETE=bash {program}); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_TYPE=9
         _clap_complete_{} {program} \"${{COMP_WORDS[COMP_CWORD]}}\" ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        program.replace('-', "_")
    );
    shell("bash", &["--norc"], &script, folder).lines().map(str::to_owned).collect()
}

fn two_versions() -> Image {
    let image = factory_image(256);
    manage(&image, &["copy", "factory", "fast"]).ok();
    image
}

#[test]
fn bash_offers_the_versions_of_the_volume() {
    let (image, folder) = (two_versions(), TempDir::new().unwrap());
    let volume = format!("system-version-manager --volume {}", image.path().display());
    assert_eq!(bash(&format!("{volume} show f"), folder.path()), ["factory", "fast"]);
    assert_eq!(bash(&format!("{volume} set-default fac"), folder.path()), ["factory"]);
    assert_eq!(bash(&format!("{volume} diff factory fas"), folder.path()), ["fast"]);
    assert_eq!(bash("system-version-manager set-def", folder.path()), ["set-default"]);
    assert_eq!(bash("system-version-manager show --volume=/nowhere f", folder.path()), [""]);
    let enter = format!("enter-baserock --volume {} --system f", image.path().display());
    assert_eq!(bash(&enter, folder.path()), ["factory", "fast"]);
}

#[test]
fn open_conflicts_are_offered() {
    let (image, folder) = (factory_image(256), TempDir::new().unwrap());
    put_tree(&image, "devel", |orig| fs::write(orig.join("etc/os-release"), "ID=new\n").unwrap());
    fs::write(image.mount("subvolid=5").path().join("systems/factory/run/etc/os-release"), "ID=mine\n")
        .unwrap();
    manage(&image, &["deploy", "/systems/devel/orig"]).ok();
    let resolve = format!("system-version-manager --volume {} resolve ", image.path().display());
    assert_eq!(bash(&format!("{resolve}os"), folder.path()), ["os-release"]);
    assert_eq!(bash(&format!("{resolve}x"), folder.path()), [""]);
    assert_eq!(bash(&format!("{resolve}os-release d"), folder.path()), ["devel"]);
}

#[test]
fn a_new_label_is_the_person_s_own() {
    let (image, folder) = (two_versions(), TempDir::new().unwrap());
    let rename = format!("system-version-manager --volume {} rename fast f", image.path().display());
    assert_eq!(bash(&rename, folder.path()), [""]);
}

#[test]
fn fish_offers_the_versions_of_the_volume() {
    let (image, folder) = (two_versions(), TempDir::new().unwrap());
    let script = format!(
        "COMPLETE=fish system-version-manager | source
         complete -C 'system-version-manager --volume {} show fa'",
        image.path().display()
    );
    assert_eq!(shell("fish", &["--no-config"], &script, folder.path()), "factory\nfast\n");
}

#[test]
fn zsh_completes_a_label_where_somebody_types() {
    let (image, folder) = (two_versions(), TempDir::new().unwrap());
    // An interactive zsh on a terminal of its own: what is typed there ends with the key Tab.
    let script = format!(
        "zmodload zsh/zpty
         zpty inner zsh -f -i
         zpty -w inner \"PS1=; autoload -U compinit; compinit -u -d $HOME/dump
            source <(COMPLETE=zsh system-version-manager); echo 'RE''ADY'\"
         while zpty -r inner line; do [[ $line == *READY* ]] && break; done
         zpty -w -n inner $'system-version-manager --volume {} show fas\\t > $HOME/shown; echo EN\\'\\'D\\n'
         while zpty -r inner line; do [[ $line == *END* ]] && break; done",
        image.path().display()
    );
    shell("zsh", &["-f"], &script, folder.path());
    let shown = fs::read_to_string(folder.path().join("shown")).unwrap();
    assert!(shown.contains("fast"), "{shown}");
}

#[test]
fn chroots_are_offered() {
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("store");
    for label in ["devel", "debian"] {
        fs::create_dir_all(store.join(label).join("tree")).unwrap();
    }
    let offered = |words: &str| bash(&format!("{words} de"), folder.path());
    for words in ["manage-baserock --store store rm", "enter-baserock --store store"] {
        assert_eq!(offered(words), ["debian", "devel"], "{words}");
    }
    assert_eq!(bash("manage-baserock --store nowhere rm de", folder.path()), [""]);
}

#[test]
fn clusters_and_their_deployments_are_offered() {
    let definitions = Definitions::new();
    let cluster =
        "kind: cluster\nsystems:\n- morph: systems/base.morph\n  deploy:\n    web: {type: x, location: y}\n";
    definitions.write("clusters/release.morph", cluster);
    definitions.write("clusters/notes.txt", "");
    let folder = definitions.root();
    assert_eq!(bash("morph deploy clusters/", &folder), ["clusters/release.morph"]);
    assert_eq!(bash("morph upgrade clusters/release.morph w", &folder), ["web"]);
    assert_eq!(bash("morph build systems/b", &folder), ["systems/base.morph"]);
}
