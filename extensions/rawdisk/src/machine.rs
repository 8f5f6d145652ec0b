//! The identity of the machine that a new disk is for: its id and its host keys. A tree has those of the machine that it was built for, if
//! any, and two machines must not have the same. The version that boots gets its own; `orig` stays as built.

use std::path::Path;

use baserock::label::Label;
use baserock::layout::{RUN, STATE};
use baserock::rootfs::init::has_systemd;
use baserock::volume::Volume;
use system::atomic;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result, if_exists};
use system::observer::Observer;
use system::process::Program;
use system::resolve::Links;

use crate::first_boot;
use crate::identity::Identity;

/// Where the identity is.
const ETC: &str = "etc";
/// The id of a machine, in `/etc`, and the folder of the shared state in which dbus may have a copy.
const MACHINE_ID: &str = "machine-id";
const DBUS: &str = "var/lib/dbus";
/// The digits of an id. Anything shorter says that there is none yet.
const DIGITS: usize = 32;
/// Files in the shared state that must not be the same on two machines, and that are made when they are missing.
const SEEDS: [&str; 2] = ["var/lib/systemd/random-seed", "var/lib/urandom/random-seed"];
/// The kinds of host keys that are made here.
const KINDS: [&str; 3] = ["rsa", "ecdsa", "ed25519"];
/// The temporary name of a key while it is made.
const NEW_KEY: &str = ".host-key.new";
/// How to have it otherwise.
const KEEP: &str = "KEEP_IDENTITY=yes keeps those of the tree";

/// Gives the version an identity of its own.
pub fn renew(volume: &Volume, label: &Label, identity: &Identity, observer: &dyn Observer) -> Result<()> {
    let run = volume.version_dir(label)?.dir(RUN)?;
    let state = volume.top().dir_if_exists(STATE)?;
    if let Some(state) = &state {
        for seed in SEEDS.iter().map(Path::new) {
            remove(state, seed)?;
        }
    }
    let Some(etc) = if_exists(run.dir_with(ETC, Links::InRoot))? else { return Ok(()) };
    renew_id(&run, &etc, state.as_ref(), identity)?;
    if let Some(ssh) = if_exists(etc.dir_with("ssh", Links::Beneath))? {
        renew_keys(&run, &ssh, identity, observer)?;
    }
    if let Some(dropbear) = if_exists(etc.dir_with("dropbear", Links::Beneath))?
        && dropbear.entries()?.iter().any(|entry| entry.name.to_string_lossy().ends_with("_host_key"))
    {
        observer.warn("every machine made from this tree has the same host keys, in /etc/dropbear");
    }
    Ok(())
}

/// systemd makes an id when it finds the file empty, and does not take the boot for a first one, which would undo what is enabled and what is
/// not. Without systemd nobody may make one.
fn renew_id(run: &Dir, etc: &Dir, state: Option<&Dir>, identity: &Identity) -> Result<()> {
    let id = if has_systemd(run)? {
        String::new()
    } else {
        format!("{}\n", identity.uuid(MACHINE_ID)?.to_string().replace('-', ""))
    };
    if has_id(etc)? {
        atomic::rewrite(etc, MACHINE_ID, 0o444, id.as_bytes())?;
    }
    let Some(state) = state else { return Ok(()) };
    let dbus = Path::new(DBUS);
    if state.stat_beneath(&dbus.join(MACHINE_ID))?.is_some() {
        let dbus = state.dir(dbus)?;
        match has_id(&dbus)? {
            true if id.is_empty() => dbus.remove_file(MACHINE_ID)?,
            true => atomic::rewrite(&dbus, MACHINE_ID, 0o444, id.as_bytes())?,
            false => {}
        }
    }
    Ok(())
}

fn has_id(folder: &Dir) -> Result<bool> {
    if !folder.is_file(MACHINE_ID)? {
        return Ok(false);
    }
    let text = folder.read(MACHINE_ID, MOST_TEXT)?;
    let text = text.trim_ascii();
    Ok(text.len() == DIGITS && text.iter().all(u8::is_ascii_hexdigit))
}

fn renew_keys(run: &Dir, ssh: &Dir, identity: &Identity, observer: &dyn Observer) -> Result<()> {
    let mut names = Vec::new();
    for entry in ssh.entries()? {
        let Ok(name) = entry.name.into_string() else { continue };
        if name.starts_with("ssh_host_") && name.ends_with("_key") && ssh.is_file(&name)? {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    if first_boot::makes_host_keys(run)? {
        for name in &names {
            remove_key(ssh, name, observer)?;
        }
        observer.note(format!("the machine makes its own ssh host keys when it first boots; {KEEP}"));
        return Ok(());
    }
    if matches!(identity, Identity::Derived(_)) {
        observer.warn(
            "the disk has the ssh host keys of the tree: new ones would not be the same for the same input",
        );
        return Ok(());
    }
    for name in &names {
        match make_key(ssh, name, observer) {
            Err(Error::NotInstalled { .. }) => {
                observer.warn(
                    "the disk has the ssh host keys of the tree, as every machine made from it, because ssh-keygen is not \
                     installed here (Debian package openssh-client)",
                );
                return Ok(());
            }
            made => made?,
        }
    }
    observer.note(format!("the disk has ssh host keys of its own; {KEEP}"));
    Ok(())
}

/// Makes a key of the same kind in the place of this one.
fn make_key(ssh: &Dir, name: &str, observer: &dyn Observer) -> Result<()> {
    let kind = name.trim_start_matches("ssh_host_").trim_end_matches("_key");
    if !KINDS.contains(&kind) {
        observer.warn(format!(
            "the ssh host key {name} of the tree is left out: keys of its kind are not made any more"
        ));
        return remove_key(ssh, name, observer);
    }
    let public = format!("{NEW_KEY}.pub");
    for old in [NEW_KEY, &public] {
        ssh.remove_tree(old)?;
    }
    let made = Program::new("ssh-keygen")
        .package("openssh-client")
        .args(["-q", "-t", kind, "-N", "", "-C", "", "-f"])
        .arg(ssh.proc_path().join(NEW_KEY))
        .run()
        .and_then(|_| Ok((ssh.read(NEW_KEY, MOST_TEXT)?, ssh.read(&public, MOST_TEXT)?)));
    for new in [NEW_KEY, &public] {
        ssh.remove_tree(new)?;
    }
    let (key, known) = made?;
    remove_certificate(ssh, name, observer)?;
    atomic::rewrite(ssh, name, 0o600, &key)?;
    let public = format!("{name}.pub");
    atomic::rewrite(ssh, &public, 0o644, &known)
}

fn remove_key(ssh: &Dir, name: &str, observer: &dyn Observer) -> Result<()> {
    remove_certificate(ssh, name, observer)?;
    remove(ssh, Path::new(&format!("{name}.pub")))?;
    ssh.remove_file(name)
}

/// A certificate is for one key.
fn remove_certificate(ssh: &Dir, name: &str, observer: &dyn Observer) -> Result<()> {
    let certificate = format!("{name}-cert.pub");
    if ssh.has(&certificate)? {
        observer
            .warn(format!("the certificate {certificate} of the tree is left out: its key is another one"));
        ssh.remove_file(certificate)?;
    }
    Ok(())
}

fn remove(dir: &Dir, path: &Path) -> Result<()> {
    if dir.stat_beneath(path)?.is_some() { dir.remove_file(path) } else { Ok(()) }
}
