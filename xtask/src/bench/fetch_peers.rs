//! Other ways to get a version from a server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use baserock_tests::programs::shell;
use tempfile::TempDir;

use super::fetch::{Bench, Row};
use super::fetch_server::{Rsync, text};
use super::measure::{measure, settle};
use crate::root;

impl Bench {
    /// All of the second tree as an archive, as systems of whole images are downloaded.
    pub fn whole(&self) -> Result<Row> {
        let script = "tar -C \"$0\" --xattrs --numeric-owner -cf - . | zstd -q -T0 -9 --long=27 -o \"$1\"";
        let archive = self.served("whole.tar.zst");
        shell("sh", &["-c", script, text(self.trees[1].path())?, text(&archive)?]);
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "-o", "/dev/null"]).arg(self.server.url("whole.tar.zst"));
        self.row("all of it in tar.zst", &mut curl)
    }

    /// A copy of the first tree.
    pub fn copied(&self) -> Result<PathBuf> {
        let copy = self.place.join("copy");
        root::run(Command::new("cp").arg("-a").arg(self.trees[0].path()).arg(&copy))?;
        Ok(copy)
    }

    /// Brings a copy of the first tree to the second one, from the daemon of rsync.
    pub fn rsync(&self, copy: &Path) -> Result<Row> {
        let daemon = Rsync::start(&self.place, self.trees[1].path())?;
        let mut rsync = Command::new("rsync");
        rsync.args(["-aHAXz", "--numeric-ids", "--delete", &daemon.url()]).arg(format!("{}/", text(copy)?));
        settle()?;
        let taken = measure(&mut rsync)?;
        Ok(Row { name: "rsync -z, both ways", taken, bytes: daemon.transferred()?, requests: None })
    }

    /// Puts the second tree together from chunks, with the first one as seed.
    pub fn casync(&self, seed: &Path) -> Result<Row> {
        let mut make = Command::new("casync");
        make.args(["make", "--with=unix", &format!("--store={}", text(&self.served("casync.castr"))?)]);
        root::output(make.arg(self.served("casync.caidx")).arg(self.trees[1].path()))?;
        let place = TempDir::new_in(&self.place)?;
        let mut extract = Command::new("casync");
        extract.args(["extract", &format!("--store={}", self.server.url("casync.castr"))]);
        extract.arg(format!("--seed={}", text(seed)?)).arg(self.server.url("casync.caidx"));
        self.row("casync, chunks", extract.arg(place.path().join("tree")))
    }

    /// Commits both trees, and makes a static delta.
    pub fn publish_for_ostree(&self) -> Result<()> {
        let repository = self.served("ostree");
        let ostree = |arguments: &[&str]| -> Result<()> {
            let mut ostree = Command::new("ostree");
            root::output(ostree.arg(format!("--repo={}", text(&repository)?)).args(arguments)).map(drop)
        };
        fs::create_dir_all(&repository)?;
        ostree(&["init", "--mode=archive"])?;
        for tree in &self.trees {
            // Devices are not part of such a commit.
            shell(
                "sh",
                &["-c", "find \"$0\" \\( -type b -o -type c -o -type p \\) -delete", text(tree.path())?],
            );
            let tree = format!("--tree=dir={}", text(tree.path())?);
            ostree(&["commit", "--branch=os", "--no-bindings", &tree])?;
        }
        // With bsdiff it takes a quarter of an hour.
        ostree(&["static-delta", "generate", "--disable-bsdiff", "os"])?;
        ostree(&["summary", "--update"])
    }

    /// Pulls the second commit into a repository that has the first.
    pub fn ostree(&self, name: &'static str, options: &[&str]) -> Result<Row> {
        let client = TempDir::new_in(&self.place)?;
        let repository = format!("--repo={}", text(client.path())?);
        let ostree = |arguments: &[&str]| -> Result<()> {
            root::output(Command::new("ostree").arg(&repository).args(arguments)).map(drop)
        };
        ostree(&["init", "--mode=bare"])?;
        ostree(&["remote", "add", "--no-gpg-verify", "origin", &self.server.url("ostree"), "os"])?;
        let server = format!("--repo={}", text(&self.served("ostree"))?);
        let release = root::output(Command::new("ostree").arg(server).args(["rev-parse", "os^"]))?;
        ostree(&["pull", "origin", &format!("os@{}", release.trim())])?;
        let mut pull = Command::new("ostree");
        pull.arg(&repository).arg("pull").args(options).args(["origin", "os"]);
        self.row(name, &mut pull)
    }
}
