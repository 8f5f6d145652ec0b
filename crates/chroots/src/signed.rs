//! Archives that count only with a signature. The bytes are kept as they arrive, and unpacked after the signature was verified over them.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use baserock_fetch::{Patience, Source, Stream};
use baserock_signatures::{FILE, Keyring, Signature, Signer};
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::observer::Observer;
use system::signal;
use system::step::change;

use crate::refusal::Refusal;

/// Whose signature an archive must have.
pub struct Signed<'a> {
    /// The keys whose signatures count.
    pub keyring: &'a Keyring,
    /// The signature, if the user names it; else it is beside the archive.
    pub signature: Option<&'a Source>,
}

/// The names of signatures, behind the name of the archive: those of minisign, and those of ssh, signify and some others.
const SUFFIXES: [&str; 2] = [".minisig", ".sig"];

/// The name of the archive's copy in the folder of a chroot that is being made. The name is gone before the copy has any content.
const COPY: &str = "archive";

impl Signed<'_> {
    /// Opens the source after its signature was verified. Nobody can change the bytes meanwhile: they come from a copy without a name.
    pub(crate) fn open(
        &self,
        source: &Source,
        staging: &Dir,
        patience: Patience,
        observer: &dyn Observer,
    ) -> Result<(Stream, Signer)> {
        let signature = self.find(source, patience)?;
        let check = signature.check(self.keyring, FILE, SystemTime::now())?;
        let mut stream = source.open(patience)?;
        observer.phase(format!("reading {source} for its signature"));
        let path = staging.shown(COPY);
        let file = staging.create(COPY, 0o600)?;
        staging.remove_file(COPY)?;
        let mut copy = Copying { reader: &mut stream.reader, file, path };
        let signer = check.verify(&mut copy, &source.to_string())?;
        let Copying { mut file, path, .. } = copy;
        file.rewind().or_cannot("read", &path)?;
        let size = file.metadata().or_cannot("examine", &path)?.len();
        Ok((Stream { reader: Box::new(file), size: Some(size) }, signer))
    }

    /// The signature that the user names, or that is beside the source.
    fn find(&self, source: &Source, patience: Patience) -> Result<Signature> {
        if let Some(named) = self.signature {
            let shown = named.to_string();
            return match named.small(patience)? {
                Some(bytes) => Signature::parse(&bytes, &shown),
                None => Err(missing(source, format!("{shown} does not exist"))),
            };
        }
        let beside: Vec<Source> = SUFFIXES.iter().filter_map(|suffix| source.beside(suffix)).collect();
        let mut unsuitable = None;
        for file in &beside {
            let Some(bytes) = file.small(patience)? else { continue };
            match Signature::parse(&bytes, &file.to_string()) {
                Ok(signature) if signature.suits(self.keyring) => return Ok(signature),
                Err(error) if file.may_be_a_page() && is_page(&error) => {}
                other => unsuitable = unsuitable.or(Some(other)),
            }
        }
        unsuitable.unwrap_or_else(|| Err(missing(source, places(&beside))))
    }
}

/// Whether the file is nothing that belongs to signatures.
fn is_page(error: &system::Error) -> bool {
    matches!(error.kind(), Some(baserock_signatures::Refusal::NoSignature { .. }))
}

fn missing(source: &Source, looked: String) -> system::Error {
    Refusal::NoSignature { source_name: source.to_string(), looked }.into()
}

fn places(beside: &[Source]) -> String {
    let shown: Vec<String> = beside.iter().map(ToString::to_string).collect();
    match shown.as_slice() {
        [] => "nothing is beside it".to_owned(),
        all => format!("neither {} exists", all.join(" nor ")),
    }
}

/// A reader that keeps in a file what it reads.
struct Copying<'a> {
    reader: &'a mut dyn Read,
    file: File,
    path: PathBuf,
}

impl Read for Copying<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        signal::check().map_err(io::Error::other)?;
        let count = self.reader.read(buffer)?;
        change("write", &self.path, || self.file.write_all(&buffer[..count])).map_err(io::Error::other)?;
        Ok(count)
    }
}
