//! What sender and agent say to each other: frames as they come, and frames that are valid around something that nobody meant well.

use baserock::json;
use baserock::label::Label;
use delta::codec::{Reader, Writer};
use delta::difference::{Decoder, Encoder, Old};
use delta::formed::Forms;
use delta::frame::{self, Frame};
use delta::matches;
use delta::{format, frame::MAX_CONTENT};
use ssh_rsync::protocol::{Amount, Ask, Finished, Hello, Request, kind};

use crate::parts::choice;

/// A choice: a stream as it comes; or messages, each a kind, a length and a content.
pub fn run(bytes: &[u8]) {
    let Some((choice, rest)) = choice(bytes) else { return };
    if choice != b'M' {
        return listen(rest);
    }
    let mut stream = Vec::new();
    let mut said = Vec::new();
    let mut rest = rest;
    while let [kind, low, high, content @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(content.len());
        frame::write(&mut stream, *kind, &content[..length]).expect("memory can be written to");
        said.push(Frame { kind: *kind, content: content[..length].to_vec() });
        rest = &content[length..];
    }
    let mut from = &*stream;
    for frame in &said {
        assert_eq!(&frame::read(&mut from).expect("what was written is read"), frame);
    }
    assert!(frame::read(&mut from).is_err(), "a message too many");
    let mut previous: &[u8] = &[];
    for frame in &said {
        understand(frame, previous);
        previous = &frame.content;
    }
}

fn listen(mut stream: &[u8]) {
    while let Ok(frame) = frame::read(&mut stream) {
        assert!(frame.content.len() <= MAX_CONTENT);
        understand(&frame, &[]);
    }
}

/// What the one side or the other does with the content. `previous` is an old file to a difference.
fn understand(frame: &Frame, previous: &[u8]) {
    let content = &*frame.content;
    match frame.kind {
        kind::HELLO => {
            let hello: Result<Hello, _> = json::read(content);
            let _label: Option<Label> = hello.ok().and_then(|hello| hello.label.parse().ok());
        }
        kind::CONTENTS => drop(json::read::<Amount>(content)),
        kind::FINISHED => drop(json::read::<Finished>(content)),
        kind::MANIFEST => drop(format::read(content)),
        kind::REQUEST => request(content),
        kind::ASK => {
            if let Ok(ask) = Ask::read(content) {
                assert_eq!(ask.to_bytes(), content);
            }
        }
        kind::ANSWER => answer(content, previous),
        _ => {}
    }
}

fn request(content: &[u8]) {
    let Ok(request) = Request::read(content) else { return };
    let again = Request::read(&request.to_bytes()).expect("what was written is read");
    assert_eq!(again, request);
    let new = b"something that an old file may have had".repeat(100);
    // As it came, and as what is in the frame of a signature.
    let packed = zstd::encode_all(&*request.signature, 1).expect("memory can be written to");
    for signature in [&request.signature, &packed] {
        let _damaged = Encoder::default().encode(&new, &Old::Signature(signature), 1);
    }
}

/// Forms as they come; and after a byte that says how long the new content is, a difference of which what follows the method may have to be
/// compressed first.
fn answer(content: &[u8], old: &[u8]) {
    forms(content, old);
    let Some((size, difference)) = choice(content) else { return };
    let size = usize::from(size) * 64;
    decode(difference, old, size);
    if let Some((method, rest)) = choice(difference) {
        let mut made = vec![method];
        made.extend(zstd::encode_all(rest, 1).expect("memory can be written to"));
        decode(&made, old, size);
        decode(&made, old, rest.len());
    }
}

/// The forms of three pieces, which are in `formed`.
fn forms(content: &[u8], formed: &[u8]) {
    let lengths = || [3000, 200, 1].into_iter();
    let mut from = Reader(content);
    let Ok(Some(forms)) = Forms::read(&mut from, lengths()) else { return };
    let mut new = Vec::new();
    if forms.decode(formed, lengths(), &mut new).is_ok() && forms.size() == formed.len() {
        assert_eq!(new.len(), 5 * 1024);
    }
    let mut written = Writer::default();
    Forms::write(Some(&forms), &mut written);
    let again = Forms::read(&mut Reader(&*written.0), lengths()).expect("what was written is read");
    assert_eq!(again, Some(forms));
}

fn decode(difference: &[u8], old: &[u8], size: usize) {
    let mut new = Vec::new();
    if Decoder::default().decode(difference, old, size, &mut new).is_ok() {
        assert_eq!(new.len(), size);
        let made = Encoder::default().encode(
            &new,
            &Old::Signature(&matches::signature(old).expect("memory can be written to")),
            1,
        );
        let (made, mut again) = (made.expect("the signature is a good one"), Vec::new());
        Decoder::default().decode(&made, old, size, &mut again).expect("what was written is read");
        assert_eq!(again, new);
    }
}
