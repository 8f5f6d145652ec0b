//! The form of gzip files, both ways.

use delta::form::Form;

use crate::parts::choice;

/// The size of the file and its form; or a file as it comes.
pub fn run(bytes: &[u8]) {
    if let Some(form) = Form::Gzip.encode(bytes) {
        let file = Form::Gzip.decode(&form, bytes.len()).expect("what was made is read");
        assert_eq!(file, bytes, "another file came back");
        assert!(Form::Gzip.reference(bytes).is_some(), "a file with a form and without a reference");
    }
    let Some((size, form)) = choice(bytes) else { return };
    let size = usize::from(size) * 16;
    if let Ok(file) = Form::Gzip.decode(form, size) {
        assert_eq!(file.len(), size);
    }
}
