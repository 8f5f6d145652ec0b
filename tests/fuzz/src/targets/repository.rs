//! Files of a repository: an index with signatures in front, and the table of a bundle.

use baserock::json;
use baserock_signatures::SignedText;
use delta::codec::Writer;
use repository::bundle::{Names, Table};
use repository::index::Index;

/// An index that begins as one does; or a table before it is packed.
pub fn run(bytes: &[u8]) {
    if bytes.first().is_some_and(|first| b"-{".contains(first)) {
        index(&String::from_utf8_lossy(bytes));
    } else {
        table(bytes);
    }
}

fn index(file: &str) {
    let signed = SignedText::parse(file);
    let whole = signed.signatures.concat() + signed.text;
    assert_eq!(whole, file, "a byte is lost");
    if let Ok(index) = json::read::<Index>(signed.text.as_bytes()) {
        let again = json::read::<Index>(&json::file(&index));
        assert_eq!(again.expect("what was written is read"), index);
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
