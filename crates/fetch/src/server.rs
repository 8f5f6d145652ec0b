//! Talks to web servers: sends a request, reads the answer, and puts errors into words.

use std::io::Read;

use std::time::Duration;

use system::error::{Error, Result};
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

/// Most bytes of a list of checksums.
pub const MOST_LIST: u64 = 1 << 20;

/// How long a server may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(pub Duration);

impl Default for Patience {
    fn default() -> Self {
        Patience(Duration::from_secs(30))
    }
}

/// Most redirections, as in browsers.
const REDIRECTS: u32 = 20;

/// The message for a failed look-up of a name.
const NO_HOST: &str = "there is no such host, or no name server answers";

/// The failure of a request.
#[derive(Debug)]
pub struct Failure {
    /// The reason in words, without the URL.
    pub reason: String,
    /// Whether trying again may help.
    pub passing: bool,
}

impl Failure {
    /// A failure that trying again does not cure.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Failure { reason: reason.into(), passing: false }
    }

    /// A failure that trying again may cure.
    pub fn passing(reason: impl Into<String>) -> Self {
        Failure { reason: reason.into(), passing: true }
    }

    /// The error for the user.
    pub fn of(self, url: &str) -> Error {
        Error::refused(format!("cannot fetch {}: {}", without_password(url), self.reason))
    }
}

/// An agent for requests. It trusts the certificates that the system trusts, and uses the proxy of the environment.
pub fn agent(url: &str, patience: Patience) -> Result<Agent, Failure> {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let secure = url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let silence = Some(patience.0);
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy(url, secure)?)
        // A redirection must not lead from a protected connection to an unprotected one.
        .https_only(secure)
        .http_status_as_error(false)
        .max_redirects(REDIRECTS)
        .accept_encoding("identity")
        .user_agent(concat!("baserock/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(silence)
        .timeout_resolve(silence)
        .timeout_recv_response(silence)
        .timeout_per_read(silence)
        .build();
    Ok(config.new_agent())
}

/// Asks for the file from byte `from` on, if it still has this `validator`.
pub fn get(agent: &Agent, url: &str, from: u64, validator: Option<&str>) -> Result<Response<Body>, Failure> {
    let mut request = agent.get(url);
    if from > 0 {
        request = request.header("Range", format!("bytes={from}-"));
        if let Some(validator) = validator {
            request = request.header("If-Range", validator);
        }
    }
    request.call().map_err(|error| explain(&error))
}

/// The failure for a status with which the server does not send the file.
pub fn status_failure(status: u16) -> Option<Failure> {
    match status {
        200 | 206 => None,
        404 | 410 => Some(Failure::lasting(format!("the server has no such file ({status})"))),
        401 | 403 | 407 => Some(Failure::lasting(format!("the server does not allow it ({status})"))),
        429 | 500..=599 => {
            Some(Failure::passing(format!("the server has a problem ({status}); try again later")))
        }
        _ => Some(Failure::lasting(format!("the server answers {status}"))),
    }
}

/// Fetches a small file as text; `None` if the server does not have it.
pub fn small_file(url: &str, patience: Patience) -> Result<Option<String>> {
    let fetch = || -> Result<Option<String>, Failure> {
        let answer = get(&agent(url, patience)?, url, 0, None)?;
        if matches!(answer.status().as_u16(), 401 | 403 | 404 | 410) {
            return Ok(None);
        }
        if let Some(failure) = status_failure(answer.status().as_u16()) {
            return Err(failure);
        }
        let mut bytes = Vec::new();
        let read = answer.into_body().into_reader().take(MOST_LIST).read_to_end(&mut bytes);
        read.map_err(|error| explain(&ureq::Error::from(error)))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    };
    fetch().map_err(|failure| failure.of(url))
}

/// The error in words.
pub fn explain(error: &ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::HostNotFound => Failure::passing(NO_HOST),
        E::Io(cause) if cause.to_string().starts_with("failed to lookup address") => {
            Failure::passing(NO_HOST)
        }
        E::ConnectionFailed => Failure::passing("the connection could not be made"),
        E::Timeout(_) => Failure::passing("the server does not answer in time"),
        E::Io(cause) if cause.kind() == std::io::ErrorKind::ConnectionRefused => {
            Failure::passing("the server refuses the connection")
        }
        E::Io(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            Failure::passing("the connection ended early")
        }
        E::Io(cause) if cause.kind() == std::io::ErrorKind::TimedOut => {
            Failure::passing("the server does not answer in time")
        }
        // Errors of encryption arrive like this: an untrusted certificate, or no encryption at all.
        E::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            Failure::lasting(format!("the connection is not safe ({cause})"))
        }
        E::Io(cause) => Failure::passing(cause.to_string()),
        E::Tls(what) => Failure::lasting(format!("the connection is not safe ({what})")),
        E::Rustls(what) => Failure::lasting(format!("the connection is not safe ({what})")),
        E::TooManyRedirects => Failure::lasting(format!("the server redirects more than {REDIRECTS} times")),
        E::RequireHttpsOnly(_) => {
            Failure::lasting("the server redirects to a connection without protection; refused")
        }
        E::BadUri(_) | E::Http(_) => Failure::lasting("this is not a valid URL"),
        other => Failure::lasting(other.to_string()),
    }
}

/// The proxy for the URL in the environment. A host in `no_proxy` has none.
fn proxy(url: &str, secure: bool) -> Result<Option<Proxy>, Failure> {
    let names: [&str; 4] = if secure {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let exempt = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
    if is_exempt(host(url), &exempt) {
        return Ok(None);
    }
    let Some((name, address)) = names.iter().find_map(|name| Some((name, variable(name)?))) else {
        return Ok(None);
    };
    let proxy =
        Proxy::new(&address).map_err(|_| Failure::lasting(format!("{name} does not name a proxy")))?;
    Ok(Some(proxy))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the host or its domain is in the list.
fn is_exempt(host: &str, list: &str) -> bool {
    list.split(',').map(|item| item.trim().trim_start_matches('.')).filter(|item| !item.is_empty()).any(
        |item| {
            let domain = host.len().checked_sub(item.len() + 1).map(|at| &host.as_bytes()[at..]);
            item == "*"
                || host.eq_ignore_ascii_case(item)
                || domain.is_some_and(|end| end[0] == b'.' && end[1..].eq_ignore_ascii_case(item.as_bytes()))
        },
    )
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    match address.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => address.split(':').next().unwrap_or_default(),
    }
}

/// The URL without its password, so that it may be shown.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, address)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{address}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_exempt_by_name_and_domain() {
        for (host, list, exempt) in [
            ("a.example.org", "example.org", true),
            ("a.example.org", ".example.org", true),
            ("badexample.org", "example.org", false),
            ("example.org", "x, EXAMPLE.org", true),
            ("h", "*", true),
            ("h", "", false),
        ] {
            assert_eq!(is_exempt(host, list), exempt, "{host} {list}");
        }
    }

    #[test]
    fn hosts_are_found_in_urls() {
        for (url, found) in [("http://u:p@h:80/x", "h"), ("https://[::1]:8/x", "::1"), ("http://h?x", "h")] {
            assert_eq!(host(url), found);
        }
    }
}
