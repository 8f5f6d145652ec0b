//! The source that the user gives: a path, a `file:` URL, or a URL on a server.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use system::error::{Error, OrCannot, Result};

use crate::checksum::Checksum;
use crate::download::Download;
use crate::failure::Patience;
use crate::server;
use crate::small::{MOST_TEXT, read_small};
use crate::url::shown;
use crate::waiting::Waiting;

/// The source of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or a directory.
    Path(PathBuf),
    /// A URL on a server, with `http` or `https`.
    Url(String),
    /// The standard input.
    Input,
}

/// The bytes of a source.
pub struct Stream {
    /// The reader of the bytes.
    pub reader: Box<dyn Read + Send>,
    /// Their number, if it is known.
    pub size: Option<u64>,
}

impl Source {
    /// Parses the user's text: a URL with a known scheme, `-` for the standard input, or else a path.
    pub fn parse(text: &OsStr) -> Result<Self> {
        if text == "-" {
            return Ok(Source::Input);
        }
        let Some((scheme, rest)) =
            text.to_str().and_then(|text| text.split_once("://")).filter(|(s, _)| is_scheme(s))
        else {
            return Ok(Source::Path(text.into()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Ok(Source::Url(text.to_string_lossy().into_owned())),
            "file" => local(rest).map(Source::Path),
            _ => Err(Error::refused(format!(
                "{}: cannot fetch by {scheme}; use a path or a URL of http, https or file",
                shown(&text.to_string_lossy())
            ))),
        }
    }

    /// Opens the source, and finds out its size.
    pub fn open(&self, patience: Patience) -> Result<Stream> {
        match self {
            Source::Path(path) => {
                let reader = Waiting::open(path).or_cannot("open", path)?;
                let metadata = reader.file().metadata().or_cannot("examine", path)?;
                let size = metadata.is_file().then_some(metadata.len());
                Ok(Stream { reader: Box::new(reader), size })
            }
            Source::Url(url) => {
                let download = Download::start(url, patience)?;
                Ok(Stream { size: download.size(), reader: Box::new(download) })
            }
            Source::Input => {
                let reader = Waiting::input().or_cannot("open", "the standard input")?;
                Ok(Stream { reader: Box::new(reader), size: None })
            }
        }
    }

    /// The source of the file beside this one whose name has the suffix, such as `.sha256`; `None` for the standard input.
    pub fn beside(&self, suffix: &str) -> Option<Source> {
        match self {
            Source::Path(path) => {
                let mut beside = path.as_os_str().to_owned();
                beside.push(suffix);
                Some(Source::Path(beside.into()))
            }
            Source::Url(url) => Some(Source::Url(with_suffix(url, suffix))),
            Source::Input => None,
        }
    }

    /// The source of a file in the folder that this one is; the standard input has none, and stays.
    #[must_use]
    pub fn within(&self, name: &str) -> Source {
        match self {
            Source::Path(path) => Source::Path(path.join(name)),
            Source::Url(url) => {
                let (path, query) =
                    url.split_once('?').map_or((url.as_str(), ""), |(path, query)| (path, query));
                let mark = if query.is_empty() { "" } else { "?" };
                Source::Url(format!("{}/{name}{mark}{query}", path.trim_end_matches('/')))
            }
            Source::Input => Source::Input,
        }
    }

    /// The content of a small file; `None` where there is no such file. If it is not small, it is an error for a path, and the beginning for
    /// a URL, where it may be a page.
    pub fn small(&self, patience: Patience) -> Result<Option<Vec<u8>>> {
        match self {
            Source::Path(path) => read_small(path),
            Source::Url(url) => server::small_file(url, patience),
            Source::Input => Err(Error::refused("the standard input has the archive and nothing else")),
        }
    }

    /// The checksum in `SOURCE.sha256` beside the source; `None` where there is no such file.
    pub fn checksum_beside(&self, patience: Patience) -> Result<Option<Checksum>> {
        let Some(beside) = self.beside(".sha256") else { return Ok(None) };
        let Some(list) = beside.small(patience)? else { return Ok(None) };
        let too_large = list.len() as u64 > MOST_TEXT;
        let list = String::from_utf8_lossy(&list);
        if beside.may_be_a_page() && !Checksum::is_list(&list) {
            return Ok(None);
        }
        if too_large {
            return Err(Error::TooLarge { path: beside.to_string().into(), most: MOST_TEXT });
        }
        Checksum::in_list(&list, &self.name(), &beside.to_string()).map(Some)
    }

    /// Whether this is on a server. Many servers answer with a page where they have no file.
    pub fn may_be_a_page(&self) -> bool {
        matches!(self, Source::Url(_))
    }

    /// Whether anybody on the way can change what the server sends.
    pub fn is_unprotected(&self) -> bool {
        matches!(self, Source::Url(url) if url.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://")))
    }

    /// The last part of the path, which is the name in lists of checksums.
    fn name(&self) -> String {
        match self {
            Source::Path(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Source::Url(url) => {
                let path = url.split(['?', '#']).next().unwrap_or(url);
                let last = path.rsplit('/').next().unwrap_or_default();
                percent_decode_str(last).decode_utf8_lossy().into_owned()
            }
            Source::Input => "-".to_owned(),
        }
    }
}

impl fmt::Display for Source {
    /// Shows the source without the secrets that a URL may contain: its password and its query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Path(path) => write!(f, "{}", path.display()),
            Source::Url(url) => f.write_str(&shown(url)),
            Source::Input => f.write_str("the standard input"),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn local(rest: &str) -> Result<PathBuf> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(Error::refused(format!("file://{rest} names another machine; use file:///PATH")));
    }
    Ok(OsString::from_vec(percent_decode_str(path).collect()).into())
}

/// The URL of a file beside the file: the suffix is added to the path, before a query.
fn with_suffix(url: &str, suffix: &str) -> String {
    let url = url.split('#').next().unwrap_or(url);
    match url.split_once('?') {
        Some((path, query)) => format!("{path}{suffix}?{query}"),
        None => format!("{url}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn parse(text: &str) -> Result<Source> {
        Source::parse(OsStr::new(text))
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        let path = |text: &str| Source::Path(text.into());
        assert_eq!(parse("a.tar").unwrap(), path("a.tar"));
        assert_eq!(parse("./odd:name://x").unwrap(), path("./odd:name://x"));
        assert_eq!(parse("file:///tmp/a%20b.tar").unwrap(), path("/tmp/a b.tar"));
        assert_eq!(parse("FILE://localhost/a").unwrap(), path("/a"));
        assert_eq!(parse("https://h/a").unwrap(), Source::Url("https://h/a".into()));
        let bytes = OsStr::from_bytes(b"/not\xffutf8");
        assert_eq!(Source::parse(bytes).unwrap(), Source::Path(bytes.into()));
    }

    #[test]
    fn unknown_schemes_and_other_machines_are_refused() {
        for (text, why) in [("ftp://h/a", "cannot fetch by ftp"), ("file://other/a", "another machine")] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn the_list_beside_a_url_keeps_its_query() {
        assert_eq!(with_suffix("http://h/a.tar?key=1#x", ".sig"), "http://h/a.tar.sig?key=1");
        assert_eq!(Source::Url("http://h/d/a%20b.tar?k=1".into()).name(), "a b.tar");
        assert_eq!(Source::Url("http://joe:secret@h/a?token=x".into()).to_string(), "http://joe@h/a");
        assert_eq!(parse("-").unwrap(), Source::Input);
    }

    #[test]
    fn files_in_a_folder_keep_the_query_of_its_url() {
        for (folder, file) in [
            ("http://h/r", "http://h/r/packs/a"),
            ("http://h/r/", "http://h/r/packs/a"),
            ("http://h/r?key=1", "http://h/r/packs/a?key=1"),
            ("/srv/r", "/srv/r/packs/a"),
        ] {
            let source = parse(folder).unwrap().within("packs/a");
            assert_eq!(source, parse(file).unwrap());
        }
    }

    #[test]
    fn a_list_beside_a_file_is_found() {
        let place = tempfile::tempdir().unwrap();
        let archive = place.path().join("a.tar");
        let source = Source::Path(archive.clone());
        assert_eq!(source.checksum_beside(Patience::default()).unwrap(), None);
        let sum = "0".repeat(64);
        std::fs::write(place.path().join("a.tar.sha256"), format!("{sum}  a.tar\n")).unwrap();
        assert_eq!(source.checksum_beside(Patience::default()).unwrap().unwrap().to_string(), sum);
    }
}
