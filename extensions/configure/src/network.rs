//! `NETWORK_CONFIG`: network interfaces, and their configuration for ifupdown and for networkd.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name. networkd accepts patterns too.
    pub name: String,
    /// The way in which it gets its address.
    pub method: Method,
    /// Options, by name.
    pub options: BTreeMap<String, String>,
    wired: Option<Wired>,
}

/// All wired interfaces, without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wired {
    /// Whether ifupdown takes patterns.
    patterns: bool,
}

/// The way in which an interface gets its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The loopback interface.
    Loopback,
    /// From a DHCP server.
    Dhcp,
    /// From the options `address`, `netmask` and `gateway`.
    Static,
}

/// Parses `NAME:METHOD,KEY=VALUE,…;…`.
pub fn parse(text: &str) -> Result<Vec<Interface>, String> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    let interfaces = parts.map(interface).collect::<Result<Vec<_>, _>>()?;
    for (index, one) in interfaces.iter().enumerate() {
        if interfaces[..index].iter().any(|other| other.name == one.name) {
            return Err(format!("the interface {} is there twice", one.name));
        }
    }
    Ok(interfaces)
}

/// Options that mean the same: the name servers, and where names are looked up.
const SERVERS: [&str; 3] = ["dns", "dns-nameservers", "dns-nameserver"];
const DOMAINS: [&str; 2] = ["dns-search", "dns-domain"];
/// The other options that networkd gets.
const KNOWN: [&str; 5] = ["address", "netmask", "gateway", "hostname", "mtu"];
/// The name of all wired interfaces together.
const WIRED: &str = "wired";

impl Interface {
    /// The loopback interface.
    pub fn loopback() -> Self {
        Interface { name: "lo".to_owned(), method: Method::Loopback, options: BTreeMap::new(), wired: None }
    }

    /// All wired interfaces, whatever their names are. They ask a DHCP server. An ifupdown without patterns gets `eth0`.
    pub fn wired(patterns: bool) -> Self {
        Interface {
            name: WIRED.to_owned(),
            method: Method::Dhcp,
            options: BTreeMap::new(),
            wired: Some(Wired { patterns }),
        }
    }

    /// Whether it stands for several interfaces.
    pub fn is_pattern(&self) -> bool {
        self.wired.is_some() || self.name.contains(['*', '?'])
    }

    /// Its name servers.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        let values = SERVERS.iter().filter_map(|option| self.options.get(*option));
        values.flat_map(|value| value.split_whitespace())
    }

    /// Its options that networkd does not get.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        let is_known =
            |option: &&str| [&SERVERS[..], &DOMAINS, &KNOWN].iter().any(|known| known.contains(option));
        self.options.keys().map(String::as_str).filter(move |option| !is_known(option))
    }

    /// The interface's part of `/etc/network/interfaces`.
    pub fn stanza(&self) -> String {
        let method = match self.method {
            Method::Loopback => "loopback",
            Method::Dhcp => "dhcp",
            Method::Static => "static",
        };
        let (auto, name) = match self.wired {
            None => (self.name.clone(), self.name.as_str()),
            Some(Wired { patterns: true }) => (format!("/e*={WIRED}"), WIRED),
            Some(Wired { patterns: false }) => ("eth0".to_owned(), "eth0"),
        };
        let family = if self.options.get("address").is_some_and(|address| address.contains(':')) {
            "inet6"
        } else {
            "inet"
        };
        let mut text = format!("auto {auto}\niface {name} {family} {method}\n");
        let others = self.options.iter().filter(|(key, _)| !SERVERS.contains(&key.as_str()));
        let servers: Vec<&str> = self.servers().collect();
        let servers = (!servers.is_empty()).then(|| servers.join(" "));
        let lines = others
            .map(|(key, value)| (key.as_str(), value))
            .chain(servers.iter().map(|all| ("dns-nameservers", all)));
        for (key, value) in lines {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "    {key} {value}");
        }
        text
    }

    /// The interface's file for networkd; `None` for the loopback interface, which needs none.
    pub fn unit(&self) -> Option<String> {
        // Bridges, virtual pairs and the like are ethernet too, and have a kind.
        let matching = if self.wired.is_some() {
            "Type=ether\nKind=!*".to_owned()
        } else {
            format!("Name={}", self.name)
        };
        let mut text = format!("[Match]\n{matching}\n");
        if let Some(mtu) = self.options.get("mtu") {
            let _ = write!(text, "\n[Link]\nMTUBytes={mtu}\n");
        }
        text.push_str("\n[Network]\n");
        match self.method {
            Method::Loopback => return None,
            Method::Dhcp => text.push_str("DHCP=yes\n"),
            Method::Static => {
                let length =
                    self.options.get("netmask").and_then(|mask| prefix_length(mask)).map(|n| format!("/{n}"));
                let address = self.options.get("address").map_or("", String::as_str);
                let _ = writeln!(text, "Address={address}{}", length.unwrap_or_default());
                if let Some(gateway) = self.options.get("gateway") {
                    let _ = writeln!(text, "Gateway={gateway}");
                }
            }
        }
        for server in self.servers() {
            let _ = writeln!(text, "DNS={server}");
        }
        for domains in DOMAINS.iter().filter_map(|option| self.options.get(*option)) {
            let _ = writeln!(text, "Domains={domains}");
        }
        if let Some(name) = self.options.get("hostname").filter(|_| self.method == Method::Dhcp) {
            let _ = write!(text, "\n[DHCP]\nHostname={name}\n");
        }
        Some(text)
    }
}

fn interface(text: &str) -> Result<Interface, String> {
    let (name, rest) = text.split_once(':').ok_or_else(|| format!("{text:?}: write NAME:METHOD"))?;
    let mut parts = rest.split(',').map(str::trim);
    let method = match parts.next().unwrap_or_default() {
        "loopback" => Method::Loopback,
        "dhcp" => Method::Dhcp,
        "static" => Method::Static,
        other => return Err(format!("{name}: the method {other:?} is none of loopback, dhcp, static")),
    };
    let mut options = BTreeMap::new();
    for part in parts {
        let (key, value) =
            part.split_once('=').ok_or_else(|| format!("{name}: {part:?} is not KEY=VALUE"))?;
        if options.insert(key.trim().to_owned(), value.trim().to_owned()).is_some() {
            return Err(format!("{name}: {key} is there twice"));
        }
    }
    let interface = Interface { name: name.trim().to_owned(), method, options, wired: None };
    check(&interface)?;
    Ok(interface)
}

fn check(interface: &Interface) -> Result<(), String> {
    let name = &interface.name;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.@*?".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(format!("{name:?} cannot be the name of an interface"));
    }
    let lines = interface.options.iter().flat_map(|(key, value)| [key, value]);
    if let Some(text) = lines.into_iter().find(|text| text.is_empty() || text.contains(char::is_control)) {
        return Err(format!("{name}: {text:?} cannot be part of an option"));
    }
    if let Some(server) = interface.servers().find(|server| server.parse::<IpAddr>().is_err()) {
        return Err(format!("{name}: the name server {server:?} is no address"));
    }
    if interface.method != Method::Static {
        return Ok(());
    }
    let address = interface.options.get("address").ok_or_else(|| format!("{name}: static needs address="))?;
    let (plain, length) = address.split_once('/').map_or((address.as_str(), None), |(a, b)| (a, Some(b)));
    plain.parse::<IpAddr>().map_err(|_| format!("{name}: {address:?} is no address"))?;
    match (length, interface.options.get("netmask")) {
        (Some(length), None) if length.parse::<u8>().is_ok_and(|length| length <= 128) => {}
        (None, Some(mask)) if prefix_length(mask).is_some() => {}
        (None, Some(mask)) => return Err(format!("{name}: {mask:?} is no netmask")),
        _ => return Err(format!("{name}: static needs netmask=, or an address with a length: 10.0.0.2/24")),
    }
    match interface.options.get("gateway") {
        Some(gateway) if gateway.parse::<IpAddr>().is_err() => {
            Err(format!("{name}: {gateway:?} is no address"))
        }
        _ => Ok(()),
    }
}

/// The number of leading ones in a netmask. A plain number is taken as it is.
fn prefix_length(mask: &str) -> Option<u32> {
    if let Ok(length) = mask.parse::<u32>() {
        return (length <= 128).then_some(length);
    }
    let bits = u32::from(mask.parse::<Ipv4Addr>().ok()?);
    (bits.leading_ones() + bits.trailing_zeros() == u32::BITS || bits == 0).then_some(bits.leading_ones())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_say_the_same() {
        let text = "lo:loopback;eth0:dhcp,hostname=box;eth1:static,address=10.0.0.2,netmask=255.255.254.0,gateway=10.0.0.1";
        let interfaces = parse(text).unwrap();
        let stanzas: String = interfaces.iter().map(Interface::stanza).collect();
        assert_eq!(
            stanzas,
            "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n    hostname box\n\
             auto eth1\niface eth1 inet static\n    address 10.0.0.2\n    gateway 10.0.0.1\n    netmask 255.255.254.0\n"
        );
        let units: Vec<Option<String>> = interfaces.iter().map(Interface::unit).collect();
        assert_eq!(units[0], None);
        assert_eq!(
            units[1].as_deref(),
            Some("[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n\n[DHCP]\nHostname=box\n")
        );
        assert_eq!(
            units[2].as_deref(),
            Some("[Match]\nName=eth1\n\n[Network]\nAddress=10.0.0.2/23\nGateway=10.0.0.1\n")
        );
    }

    #[test]
    fn name_servers_reach_both_files() {
        let text = "eth0:static,address=fd00::2/64,dns=fd00::1 10.0.0.53,mtu=9000,metric=5;eth1:dhcp,dns-nameservers=10.0.0.1,dns-search=a b";
        let interfaces = parse(text).unwrap();
        assert_eq!(
            interfaces[0].stanza(),
            "auto eth0\niface eth0 inet6 static\n    address fd00::2/64\n    metric 5\n    mtu 9000\n    dns-nameservers fd00::1 10.0.0.53\n"
        );
        assert_eq!(
            interfaces[0].unit().unwrap(),
            "[Match]\nName=eth0\n\n[Link]\nMTUBytes=9000\n\n[Network]\nAddress=fd00::2/64\nDNS=fd00::1\nDNS=10.0.0.53\n"
        );
        assert_eq!(interfaces[0].unknown().collect::<Vec<_>>(), ["metric"]);
        assert_eq!(
            interfaces[1].unit().unwrap(),
            "[Match]\nName=eth1\n\n[Network]\nDHCP=yes\nDNS=10.0.0.1\nDomains=a b\n"
        );
        assert_eq!(interfaces[1].unknown().count(), 0);
    }

    #[test]
    fn wired_interfaces_have_no_names() {
        let unit = "[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=yes\n";
        for (patterns, stanza) in
            [(true, "auto /e*=wired\niface wired inet dhcp\n"), (false, "auto eth0\niface eth0 inet dhcp\n")]
        {
            let wired = Interface::wired(patterns);
            assert_eq!((wired.unit().unwrap().as_str(), wired.stanza().as_str()), (unit, stanza));
        }
    }

    #[test]
    fn errors_tell_the_fault_of_a_configuration() {
        for (text, why) in [
            ("eth0", "write NAME:METHOD"),
            ("eth0:ppp", "none of loopback"),
            ("eth0:dhcp,x", "not KEY=VALUE"),
            ("eth0:dhcp;eth0:dhcp", "twice"),
            ("eth0:dhcp,a=1,a=2", "twice"),
            ("e/0:dhcp", "name of an interface"),
            ("eth0:static", "needs address"),
            ("eth0:static,address=x,netmask=24", "no address"),
            ("eth0:static,address=10.0.0.2", "needs netmask"),
            ("eth0:static,address=10.0.0.2,netmask=255.0.255.0", "no netmask"),
            ("eth0:static,address=10.0.0.2/24,gateway=up", "no address"),
            ("eth0:dhcp,a=1\nb", "part of an option"),
            ("eth0:dhcp,dns=1.1.1.1 x", "name server"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn netmasks_have_lengths() {
        for (mask, length) in [
            ("255.255.255.0", Some(24)),
            ("255.255.255.255", Some(32)),
            ("16", Some(16)),
            ("0.255.0.0", None),
        ] {
            assert_eq!(prefix_length(mask), length, "{mask}");
        }
    }
}
