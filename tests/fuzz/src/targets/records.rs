//! The JSON files of a version: deployment.meta, boot.json, merge.json.

use std::fmt::Debug;
use std::path::Path;

use baserock::boot::BootRecord;
use baserock::etc::Record;
use baserock::meta::DeploymentMeta;
use system::error::Result;

/// Any of them.
pub fn run(bytes: &[u8]) {
    round(bytes, DeploymentMeta::parse, DeploymentMeta::render);
    round(bytes, BootRecord::parse, BootRecord::render);
    round(bytes, Record::parse, Record::to_json);
    if let Ok(meta) = DeploymentMeta::parse(bytes, Path::new("m")) {
        for name in meta.configuration.keys() {
            let _value = meta.get(name);
        }
    }
}

fn round<T: PartialEq + Debug>(
    bytes: &[u8],
    parse: fn(&[u8], &Path) -> Result<T>,
    render: fn(&T) -> Vec<u8>,
) {
    let shown = Path::new("/systems/a/file");
    match parse(bytes, shown) {
        Ok(value) => {
            let written = render(&value);
            assert_eq!(parse(&written, shown).expect("what was written is read"), value);
        }
        Err(error) => assert!(error.to_string().starts_with("/systems/a/file: "), "{error}"),
    }
}
