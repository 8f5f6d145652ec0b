//! Contents through their forms and back, and forms that nobody meant well.

use delta::form::Form;

use crate::parts::choice;

/// A choice: a form to decode, after the size of its content in two bytes; or a content.
pub fn run(bytes: &[u8]) {
    let Some((choice, rest)) = choice(bytes) else { return };
    match (choice, rest) {
        (b'D', [low, high, encoded @ ..]) => decode(encoded, u16::from_le_bytes([*low, *high]).into()),
        (b'D', _) => {}
        (_, content) => through(content),
    }
}

fn decode(encoded: &[u8], size: usize) {
    for form in Form::ALL {
        if let Ok(content) = form.decode(encoded, size) {
            assert_eq!(content.len(), size, "{form:?}");
            through(&content);
        }
    }
}

fn through(content: &[u8]) {
    for form in Form::ALL {
        assert_eq!(Form::from_code(form.code()), Some(form));
        let Some(encoded) = form.encode(content) else { continue };
        let back = form.decode(&encoded, content.len()).expect("what was encoded is decoded");
        assert!(back == content, "another content comes back from {form:?}");
        for size in [content.len() + 1, content.len().saturating_sub(1)]
            .into_iter()
            .filter(|&size| size != content.len())
        {
            assert!(form.decode(&encoded, size).is_err(), "{form:?} of another size");
        }
    }
}
