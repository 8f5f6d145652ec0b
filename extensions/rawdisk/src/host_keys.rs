//! The ssh host keys of the machine that a new disk is for. A tree has those of the machine that it was built for, if any, and whoever has the
//! tree would know the keys of all machines made from it.

use std::collections::BTreeMap;

use baserock::layout::PRIVATE;
use baserock::volume::Volume;
use system::atomic;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result, if_exists};
use system::observer::Observer;
use system::process::{Program, Running};
use system::resolve::Links;

use crate::first_boot;
use crate::identity::Identity;

/// The kinds of keys that are made here.
const KINDS: [&str; 3] = ["rsa", "ecdsa", "ed25519"];
/// How to have them otherwise.
const KEEP: &str = "KEEP_IDENTITY=yes keeps those of the tree";

/// New keys. They are made while the tree is copied, because a key of RSA can take seconds.
pub struct HostKeys<'v> {
    volume: &'v Volume,
    begun: BTreeMap<String, Running>,
}

/// The keys of a system.
struct Keys {
    /// The folder of the keys.
    ssh: Dir,
    /// The names of the secret keys.
    names: Vec<String>,
}

impl<'v> HostKeys<'v> {
    /// Begins to make the keys that a copy of the tree will need, in the volume's private folder.
    pub fn begin(volume: &'v Volume, tree: &Dir, identity: &Identity) -> Result<Self> {
        let mut keys = HostKeys { volume, begun: BTreeMap::new() };
        let Some(Keys { names, .. }) = find(tree)? else { return Ok(keys) };
        if matches!(identity, Identity::Derived(_)) || first_boot::makes_host_keys(tree)? {
            return Ok(keys);
        }
        for kind in names.iter().map(|name| kind(name)).filter(|kind| KINDS.contains(kind)) {
            // Without the program, a warning says so when the key is needed.
            match keys.start(kind) {
                Err(Error::NotInstalled { .. }) => break,
                begun => drop(keys.begun.insert(kind.to_owned(), begun?)),
            }
        }
        Ok(keys)
    }

    /// Gives the copy of the tree keys of its own.
    pub fn renew(mut self, run: &Dir, identity: &Identity, observer: &dyn Observer) -> Result<()> {
        let Some(Keys { ssh, names }) = find(run)? else { return Ok(()) };
        if first_boot::makes_host_keys(run)? {
            for name in &names {
                remove_key(&ssh, name, observer)?;
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
            match self.replace(&ssh, name, observer) {
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

    /// Puts a new key of the same kind in the place of this one.
    fn replace(&mut self, ssh: &Dir, name: &str, observer: &dyn Observer) -> Result<()> {
        let kind = kind(name);
        if !KINDS.contains(&kind) {
            observer.warn(format!(
                "the ssh host key {name} of the tree is left out: keys of its kind are not made any more"
            ));
            return remove_key(ssh, name, observer);
        }
        let running = match self.begun.remove(kind) {
            Some(running) => running,
            None => self.start(kind)?,
        };
        running.finish()?;
        let (place, [secret, public]) = (self.place()?, temporary(kind));
        let (key, known) = (place.read(&secret, MOST_TEXT)?, place.read(&public, MOST_TEXT)?);
        place.remove_file(&secret)?;
        place.remove_file(&public)?;
        remove_certificate(ssh, name, observer)?;
        atomic::rewrite(ssh, name, 0o600, &key)?;
        atomic::rewrite(ssh, &format!("{name}.pub"), 0o644, &known)
    }

    fn start(&self, kind: &str) -> Result<Running> {
        let [secret, _] = temporary(kind);
        Program::new("ssh-keygen")
            .package("openssh-client")
            .args(["-q", "-t", kind, "-N", "", "-C", "", "-f"])
            .arg(self.place()?.shown(secret))
            .start()
    }

    /// Where keys are made.
    fn place(&self) -> Result<Dir> {
        let place = self.volume.top().dir(PRIVATE)?;
        let path = self.volume.top().proc_path().join(PRIVATE);
        Ok(place.shown_as(path))
    }
}

/// The keys of the system; `None` if it has none.
fn find(root: &Dir) -> Result<Option<Keys>> {
    let Some(etc) = if_exists(root.dir_with("etc", Links::InRoot))? else { return Ok(None) };
    let Some(ssh) = if_exists(etc.dir_with("ssh", Links::Beneath))? else { return Ok(None) };
    let mut names = Vec::new();
    for entry in ssh.entries()? {
        let Ok(name) = entry.name.into_string() else { continue };
        if name.starts_with("ssh_host_") && name.ends_with("_key") && ssh.is_file(&name)? {
            names.push(name);
        }
    }
    Ok((!names.is_empty()).then_some(Keys { ssh, names }))
}

/// The kind of the key in a file of this name.
fn kind(name: &str) -> &str {
    name.trim_start_matches("ssh_host_").trim_end_matches("_key")
}

/// The names of a secret key and its public one while they are made.
fn temporary(kind: &str) -> [String; 2] {
    [format!("host-key.{kind}"), format!("host-key.{kind}.pub")]
}

fn remove_key(ssh: &Dir, name: &str, observer: &dyn Observer) -> Result<()> {
    remove_certificate(ssh, name, observer)?;
    let public = format!("{name}.pub");
    if ssh.has(&public)? {
        ssh.remove_file(public)?;
    }
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
