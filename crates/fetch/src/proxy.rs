//! The way to a server: directly, or by way of the proxy that the environment names.

use std::net::IpAddr;

use ureq::{Proxy, ProxyProtocol};

use crate::failure::Failure;
use crate::url::Url;

/// The way to a server.
#[derive(Debug)]
pub enum Route {
    /// Straight to it.
    Direct,
    /// The proxy is asked for the whole URL, and asks the server.
    Forward(Url),
    /// The proxy makes a connection to the server.
    Tunnel(Proxy),
}

/// The way to the server of the URL, and the variable that names it. `variable` gives the variables of the environment that are not empty.
pub fn route(
    url: &Url,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(Route, Option<&'static str>), Failure> {
    let names: [&'static str; 4] = if url.is_secure() {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let exempt = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
    if is_exempt(url, &exempt) {
        return Ok((Route::Direct, None));
    }
    match names.iter().find_map(|name| Some((*name, variable(name)?))) {
        None => Ok((Route::Direct, None)),
        Some((name, address)) => Ok((by(url, name, address.trim())?, Some(name))),
    }
}

fn by(url: &Url, name: &str, address: &str) -> Result<Route, Failure> {
    let invalid = || Failure::lasting(format!("{name} does not name a proxy"));
    let address = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let proxy = Url::parse(address.as_bytes()).ok_or_else(invalid)?;
    let protocol = match proxy.scheme.as_str() {
        "http" | "https" if !url.is_secure() => return Ok(Route::Forward(proxy)),
        "http" => ProxyProtocol::Http,
        "https" => ProxyProtocol::Https,
        "socks4" => ProxyProtocol::Socks4,
        "socks4a" => ProxyProtocol::Socks4A,
        "socks" | "socks5" => ProxyProtocol::Socks5,
        "socks5h" => ProxyProtocol::Socks5h,
        other => {
            return Err(Failure::lasting(format!(
                "{name} names a proxy of the kind {other}; use one of http, https or socks5"
            )));
        }
    };
    let host = if proxy.host.contains(':') { format!("[{}]", proxy.host) } else { proxy.host };
    let mut builder = Proxy::builder(protocol).host(&host);
    if let Some(port) = proxy.port {
        builder = builder.port(port);
    }
    if let Some((user, password)) = &proxy.user {
        builder = builder.username(user).password(password.as_deref().unwrap_or_default());
    }
    builder.build().map(Route::Tunnel).map_err(|_| invalid())
}

/// Whether the list of `no_proxy` has the URL's host: by name, by a domain above it, as an address, or as one of a range of addresses.
pub fn is_exempt(url: &Url, list: &str) -> bool {
    list.split(|c: char| c == ',' || c.is_whitespace()).any(|item| {
        let (item, port) = with_port(item);
        port.is_none_or(|port| port == url.port()) && names(item, &url.host)
    })
}

/// The item, and its port if it has one.
fn with_port(item: &str) -> (&str, Option<u16>) {
    match item.rsplit_once(':') {
        // More colons are an IPv6 address, unless there are brackets around it.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (item, None),
        },
        _ => (item, None),
    }
}

fn names(item: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if item == "*" {
        return true;
    }
    let item = item.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = host.parse::<IpAddr>() {
        let (base, length) = item.split_once('/').map_or((item, None), |(base, length)| (base, Some(length)));
        let Ok(base) = base.trim_end_matches(']').parse::<IpAddr>() else { return false };
        return match length {
            None => base == address,
            Some(length) => length.parse().is_ok_and(|length| in_range(address, base, length)),
        };
    }
    let item = item.strip_prefix('*').unwrap_or(item).trim_start_matches('.');
    let item = item.strip_suffix('.').unwrap_or(item);
    let above = host.len().checked_sub(item.len() + 1).map(|at| &host.as_bytes()[at..]);
    !item.is_empty()
        && (host.eq_ignore_ascii_case(item)
            || above.is_some_and(|end| end[0] == b'.' && end[1..].eq_ignore_ascii_case(item.as_bytes())))
}

/// Whether the first `length` bits of both addresses are the same.
fn in_range(address: IpAddr, base: IpAddr, length: u32) -> bool {
    let (a, b, bits) = match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    length <= bits && (length == 0 || (a ^ b) >> (bits - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exempt(url: &str, list: &str) -> bool {
        is_exempt(&Url::parse(url.as_bytes()).unwrap(), list)
    }

    #[test]
    fn hosts_are_exempt_by_name_domain_address_and_range() {
        for (url, list, expected) in [
            ("http://a.example.org", "example.org", true),
            ("http://a.example.org", ".example.org", true),
            ("http://a.example.org", "*.example.org", true),
            ("http://badexample.org", "example.org", false),
            ("http://example.org.", "x, EXAMPLE.org", true),
            ("http://h", "x h", true),
            ("http://h:8080", "h:8080", true),
            ("http://h", "h:8080", false),
            ("http://h", "*", true),
            ("http://h", "", false),
            ("http://10.1.2.3", "10.0.0.0/8", true),
            ("http://11.1.2.3", "10.0.0.0/8,192.168.0.0/16", false),
            ("http://127.0.0.1:8", "127.0.0.1", true),
            ("http://1.127.0.0.1", "127.0.0.1/0", false),
            ("http://8.8.8.8", "0.0.0.0/0", true),
            ("http://8.8.8.8", "8.8.8.8/33", false),
            ("http://[fd00::1]", "fd00::/8", true),
            ("http://[fd00::1]:8", "[fd00::1]:8", true),
            ("http://[::1]", "0.0.0.0/0", false),
        ] {
            assert_eq!(exempt(url, list), expected, "{url} {list}");
        }
    }

    #[test]
    fn proxies_of_every_kind_are_used_or_refused() {
        let to = |url: &str, address: &str| {
            let url = Url::parse(url.as_bytes()).unwrap();
            route(&url, &|name| (name == "all_proxy").then(|| address.to_owned()))
        };
        let forward = |url, address| matches!(to(url, address), Ok((Route::Forward(_), Some("all_proxy"))));
        let tunnel = |url, address| matches!(to(url, address), Ok((Route::Tunnel(_), Some("all_proxy"))));
        assert!(forward("http://h", "p:3128") && forward("http://h", "https://u:p@p"));
        for address in ["p:3128", "http://[::1]:8", "https://p", "socks5h://u:p%40@p", "socks4://p:1"] {
            assert!(tunnel("https://h", address), "{address}");
        }
        assert!(tunnel("http://h", "socks5://p"));
        for (address, why) in [
            ("ftp://p", "all_proxy names a proxy of the kind ftp"),
            ("http://", "all_proxy does not name a proxy"),
            ("http://p:port", "all_proxy does not name a proxy"),
        ] {
            let failure = to("https://h", address).unwrap_err();
            assert!(failure.reason.contains(why), "{}", failure.reason);
        }
    }
}
