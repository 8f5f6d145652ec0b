//! The location of an archive. Its name decides the compression.

use std::path::Path;

use system::{Error, Result};

/// Endings of archives, and the option of GNU tar for each.
const ENDINGS: [(&str, Option<&str>); 9] = [
    (".tar", None),
    (".tar.gz", Some("--gzip")),
    (".tgz", Some("--gzip")),
    (".tar.xz", Some("--xz")),
    (".txz", Some("--xz")),
    (".tar.zst", Some("--zstd")),
    (".tzst", Some("--zstd")),
    (".tar.bz2", Some("--bzip2")),
    (".tbz2", Some("--bzip2")),
];

/// The option of GNU tar for the compression that the name of the location asks for; `None` for no compression.
pub fn compression(location: &Path) -> Result<Option<&'static str>> {
    let name = location.file_name().unwrap_or_default().to_string_lossy();
    let known = ENDINGS.into_iter().find(|(ending, _)| name.ends_with(ending) && name.len() > ending.len());
    known.map(|(_, option)| option).ok_or_else(|| {
        let endings = ENDINGS.map(|(ending, _)| ending).join(" ");
        Error::refused(format!("{}: an archive's name ends with one of {endings}", location.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_compression() {
        for (name, option) in [
            ("a.tar", None),
            ("dir/a.tar.gz", Some("--gzip")),
            ("a.tgz", Some("--gzip")),
            ("a.b.tar.zst", Some("--zstd")),
        ] {
            assert_eq!(compression(Path::new(name)).unwrap(), option, "{name}");
        }
        for name in ["a", "a.img", ".tar", "a.tar/", "a.tar.lz4"].map(Path::new) {
            let good = compression(name).is_ok();
            assert_eq!(good, name == Path::new("a.tar/"), "{}", name.display());
        }
    }
}
