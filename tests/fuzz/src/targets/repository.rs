//! Files of a repository: an index, a statement and a rotation of keys, with signatures in front, and the table of a bundle.

use std::fmt::Debug;

use baserock::json::{self, Format};
use baserock::operations::trust::Statement;
use baserock_signatures::SignedText;
use delta::codec::Writer;
use repository::bundle::{Names, Table};
use repository::index::Index;
use repository::rotation::Rotation;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A signed text that begins as one does; or a table before it is packed.
pub fn run(bytes: &[u8]) {
    if bytes.first().is_some_and(|first| b"-{".contains(first)) {
        signed(&String::from_utf8_lossy(bytes));
    } else {
        table(bytes);
    }
}

fn signed(file: &str) {
    let signed = SignedText::parse(file);
    let whole = signed.signatures.concat() + signed.text;
    assert_eq!(whole, file, "a byte is lost");
    comes_back::<Index>(signed.text);
    comes_back::<Statement>(signed.text);
    comes_back::<Rotation>(signed.text);
}

fn comes_back<T: Format + Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) {
    if let Ok(read) = json::read::<T>(text.as_bytes()) {
        let again = json::read::<T>(&json::file(&read));
        assert_eq!(again.expect("what was written is read"), read);
    }
}

fn table(bytes: &[u8]) {
    let _none = Table::read(bytes, Names::Hashes);
    let mut head = Writer(b"BRBUNDL\x01".to_vec());
    head.bytes(&zstd::bulk::compress(bytes, 1).expect("memory can be written to"));
    if let Ok(table) = Table::read(&head.0, Names::Hashes) {
        let again = table.to_head(Names::Hashes).expect("memory can be written to");
        assert_eq!(Table::read(&again, Names::Hashes).expect("what was written is read"), table);
    }
}
