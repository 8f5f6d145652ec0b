//! A network between this machine and a namespace. Its link may be slow.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The link. Dropping it removes the namespace and both ends.
pub struct Link {
    name: String,
}

const HERE: &str = "10.77.0.1/24";
const THERE: &str = "10.77.0.2";

impl Link {
    /// Makes a link with this limit in both directions, written as for `tc` (`20mbit`).
    pub fn new(limit: Option<&str>) -> Result<Self> {
        let link = Link { name: format!("brb{}", std::process::id()) };
        let (name, far) = (link.name.clone(), format!("{}f", link.name));
        ip(&["netns", "add", &name])?;
        ip(&["link", "add", &name, "type", "veth", "peer", "name", &far, "netns", &name])?;
        ip(&["addr", "add", HERE, "dev", &name])?;
        ip(&["link", "set", &name, "up"])?;
        ip(&["-n", &name, "addr", "add", &format!("{THERE}/24"), "dev", &far])?;
        ip(&["-n", &name, "link", "set", &far, "up"])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        if let Some(limit) = limit {
            let shape = |device: &str| {
                [
                    "qdisc", "add", "dev", device, "root", "tbf", "rate", limit, "burst", "32kbit",
                    "latency", "50ms",
                ]
                .map(str::to_owned)
            };
            run(Command::new("tc").args(shape(&name)))?;
            run(Command::new("tc").args(["-n", &name]).args(shape(&far)))?;
        }
        Ok(link)
    }

    /// The namespace at the far end.
    pub fn namespace(&self) -> &str {
        &self.name
    }

    /// The address of the far end.
    pub fn address(&self) -> &'static str {
        THERE
    }

    /// Bytes that were sent to the far end and received from there, including the headers of the network.
    pub fn bytes(&self) -> Result<[u64; 2]> {
        let count = |counter: &str| {
            let path = format!("/sys/class/net/{}/statistics/{counter}", self.name);
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
            Ok::<u64, anyhow::Error>(text.trim().parse()?)
        };
        Ok([count("tx_bytes")?, count("rx_bytes")?])
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for arguments in [["link", "del", &self.name], ["netns", "del", &self.name]] {
            if let Err(error) = ip(&arguments) {
                eprintln!("{error:#}");
            }
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot run ip or tc (Debian package iproute2)")?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
