//! Failures of requests, in words.

use std::time::Duration;

use system::error::Error;

use crate::url::shown;

/// How long a server may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(pub Duration);

impl Default for Patience {
    fn default() -> Self {
        Patience(Duration::from_secs(30))
    }
}

/// The message for a failed look-up of a name.
const NO_HOST: &str = "there is no such host, or no name server answers";

/// The failure of a request.
#[derive(Debug)]
pub struct Failure {
    /// The reason in words, without the URL.
    pub reason: String,
    /// Whether trying again may help.
    pub passing: bool,
    /// How long the server asks to wait before the next try.
    pub wait: Option<Duration>,
}

impl Failure {
    /// A failure that trying again does not cure.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Failure { reason: reason.into(), passing: false, wait: None }
    }

    /// A failure that trying again may cure.
    pub fn passing(reason: impl Into<String>) -> Self {
        Failure { reason: reason.into(), passing: true, wait: None }
    }

    /// The error for the user.
    pub fn of(self, url: &str) -> Error {
        Error::refused(format!("cannot fetch {}: {}", shown(url), self.reason))
    }
}

/// The failure for a status with which the server does not send the file.
pub fn status_failure(status: u16) -> Option<Failure> {
    match status {
        200 | 206 => None,
        300..=303 | 307 | 308 => {
            Some(Failure::lasting(format!("the server redirects without saying where ({status})")))
        }
        404 | 410 => Some(Failure::lasting(format!("the server has no such file ({status})"))),
        407 => Some(Failure::lasting("the proxy does not allow it (407)")),
        401 | 403 => Some(Failure::lasting(format!("the server does not allow it ({status})"))),
        408 | 425 | 429 | 500..=599 => {
            Some(Failure::passing(format!("the server has a problem ({status}); try again later")))
        }
        _ => Some(Failure::lasting(format!("the server answers {status}"))),
    }
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
        E::BadUri(_) | E::Http(_) => Failure::lasting("this is not a valid URL"),
        other => Failure::lasting(other.to_string()),
    }
}
