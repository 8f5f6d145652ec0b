//! Talks to web servers: sends a request, reads the answer, and puts errors into words.

use std::io::{ErrorKind, Read};

use base64::prelude::{BASE64_STANDARD, Engine};
use system::error::Result;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Proxy};

use crate::attempts::Attempts;
use crate::failure::{Failure, Patience, explain, status_failure};
use crate::forward::WholeUrls;
use crate::netrc;
use crate::proxy::{self, Route};
use crate::small::MOST_TEXT;
use crate::url::Url;

/// Most redirections, as in browsers.
const REDIRECTS: u32 = 20;

/// Most bytes of the header of an answer.
const MOST_HEADER: usize = 64 << 10;

/// A part of a file.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its first byte.
    pub from: u64,
    /// The byte after the last one; `None` for all that follows.
    pub end: Option<u64>,
    /// If it is given, the part is wanted only if the file still has this validator, else the whole file.
    pub validator: Option<String>,
}

/// Asks for a file, or for a part of it. Redirections are followed, but not from a protected connection to an unprotected one.
pub fn get(text: &str, patience: Patience, part: Option<&Part>) -> Result<Response<Body>, Failure> {
    let first = web(Url::parse(text.as_bytes()))?;
    let mut url = first.clone();
    for _ in 0..=REDIRECTS {
        let response = ask(&url, patience, part)?;
        let location = response.headers().get("location").filter(|_| redirects(response.status().as_u16()));
        let Some(location) = location else { return Ok(response) };
        let mut next = web(url.join(location.as_bytes()))?;
        if url.is_secure() && !next.is_secure() {
            return Err(Failure::lasting("the server redirects to a connection without protection; refused"));
        }
        // The user's password is for the user's server only.
        if next.user.is_none() && next.same_server(&first) {
            next.user.clone_from(&first.user);
        }
        url = next;
    }
    Err(Failure::lasting(format!("the server redirects more than {REDIRECTS} times")))
}

fn web(url: Option<Url>) -> Result<Url, Failure> {
    let url = url.ok_or_else(|| Failure::lasting("this is not a valid URL"))?;
    match url.scheme.as_str() {
        "http" | "https" => Ok(url),
        other => Err(Failure::lasting(format!("the server redirects to a URL of {other}; refused"))),
    }
}

fn redirects(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Sends one request.
fn ask(url: &Url, patience: Patience, part: Option<&Part>) -> Result<Response<Body>, Failure> {
    let (route, name) = proxy::route(url, &variable)?;
    let by = |failure: Failure| match name {
        Some(name) => Failure { reason: format!("{} (by the proxy in {name})", failure.reason), ..failure },
        None => failure,
    };
    let (tunnel, forward) = match route {
        Route::Direct => (None, None),
        Route::Tunnel(proxy) => (Some(proxy), None),
        Route::Forward(proxy) => (None, Some(proxy)),
    };
    let address = forward.as_ref().unwrap_or(url);
    let whole_urls = WholeUrls(forward.as_ref().map(|_| url.server()));
    let mut request = agent(patience, tunnel, whole_urls).get(address.server() + url.target());
    if let Some(proxy) = &forward {
        request = request.header("Host", url.authority());
        if let Some((user, password)) = &proxy.user {
            request =
                request.header("Proxy-Authorization", basic(user, password.as_deref().unwrap_or_default()));
        }
    }
    if let Some((user, password)) = credentials(url)? {
        request = request.header("Authorization", basic(&user, &password));
    }
    if let Some(Part { from, end, validator }) = part {
        let last = end.map(|end| end.saturating_sub(1).to_string()).unwrap_or_default();
        request = request.header("Range", format!("bytes={from}-{last}"));
        if let Some(validator) = validator {
            request = request.header("If-Range", validator);
        }
    }
    request.call().map_err(|error| by(without_answer(&error)))
}

/// The failure of a request that brought no answer.
fn without_answer(error: &ureq::Error) -> Failure {
    match error {
        // A header that fills the buffer looks the same as an end.
        ureq::Error::Io(cause) if cause.kind() == ErrorKind::UnexpectedEof => {
            let most = MOST_HEADER >> 10;
            Failure::passing(format!(
                "the connection ended before the header of the answer, or the header has more than {most} KiB"
            ))
        }
        error => explain(error),
    }
}

/// An agent for one request. It trusts the certificates that the system trusts.
fn agent(patience: Patience, tunnel: Option<Proxy>, whole_urls: WholeUrls) -> Agent {
    let silence = Some(patience.0);
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .proxy(tunnel)
        .http_status_as_error(false)
        .max_redirects(0)
        // What follows an interim answer, such as 103, counts as a header until it is read again. So no more than a header may wait.
        .max_response_header_size(MOST_HEADER)
        .input_buffer_size(MOST_HEADER)
        .accept_encoding("identity")
        .user_agent(concat!("baserock/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(silence)
        .timeout_resolve(silence)
        .timeout_recv_response(silence)
        .timeout_per_read(silence)
        .build();
    Agent::with_parts(config, DefaultConnector::default().chain(whole_urls), DefaultResolver::default())
}

/// User and password for the server: those of the URL, or else those of `.netrc`.
fn credentials(url: &Url) -> Result<Option<(String, String)>, Failure> {
    let user = match &url.user {
        Some((user, Some(password))) => return Ok(Some((user.clone(), password.clone()))),
        Some((user, None)) => Some(user),
        None => None,
    };
    let known = netrc::find(&url.host, user.map(String::as_str))
        .map_err(|error| Failure::lasting(error.to_string()))?;
    // An entry that only names the host has nothing to say to it.
    let known = known.filter(|(user, password)| !user.is_empty() || !password.is_empty());
    Ok(known.or_else(|| Some((user?.clone(), String::new()))))
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Fetches a small file that may be beside another one; `None` if the server does not have it. Of a file that is not small, one byte more
/// than such a file may have.
pub fn small_file(url: &str, patience: Patience) -> Result<Option<Vec<u8>>> {
    let fetch = || -> Result<Option<Vec<u8>>, Failure> {
        let answer = get(url, patience, None)?;
        let status = answer.status().as_u16();
        match status_failure(status) {
            Some(failure) if failure.passing && status != 500 => return Err(failure),
            Some(_) => return Ok(None),
            None => {}
        }
        let mut bytes = Vec::new();
        let read = answer.into_body().into_reader().take(MOST_TEXT + 1).read_to_end(&mut bytes);
        read.map_err(|error| explain(&ureq::Error::from(error)))?;
        Ok(Some(bytes))
    };
    let mut attempts = Attempts::default();
    loop {
        match fetch() {
            Ok(bytes) => return Ok(bytes),
            Err(failure) if failure.passing && attempts.left() => attempts.pause(&failure, patience)?,
            Err(failure) => return Err(failure.of(url)),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
