//! Words of the target. They come from a machine that may be hostile: they are shortened, and cannot pass for words of this program.
//! Control characters are made harmless where lines are shown.

use baserock::json::Format;
use delta::frame::Frame;
use serde::de::DeserializeOwned;
use system::error::{Error, OrCannot, Result};
use system::observer::{Event, Finding};

/// The longest text that is shown, in bytes.
const LONGEST: usize = 2000;
/// The last lines of other programs on the target that are shown.
const LINES: usize = 3;
/// What programs begin their own errors and findings with.
const OWN: [&str; 3] = ["ERROR:", "warning:", "note:"];

/// Parses the value in a frame.
pub fn json<T: Format + DeserializeOwned>(frame: &Frame) -> Result<T> {
    baserock::json::read(&frame.content).map_err(std::io::Error::from).or_cannot("read from", "the target")
}

/// The event in a frame.
pub fn event(frame: &Frame) -> Result<Event> {
    Ok(match json::<Event>(frame)? {
        Event::Phase { text } => {
            let is_own = OWN.iter().any(|own| text.trim_start().starts_with(own));
            let from = if is_own { "the target: " } else { "" };
            Event::Phase { text: format!("{from}{}", shortened(&text)) }
        }
        Event::Finding(Finding { level, text }) => {
            Event::Finding(Finding { level, text: shortened(&text).to_owned() })
        }
        progress @ Event::Progress { .. } => progress,
    })
}

/// The failure in a frame.
pub fn failure(frame: &Frame) -> Error {
    Error::refused(text(frame))
}

/// The text in a frame.
pub fn text(frame: &Frame) -> String {
    shortened(&String::from_utf8_lossy(&frame.content)).to_owned()
}

/// The last lines of these streams, in one line; `None` if they are empty.
pub fn last_lines<'a>(streams: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut all = Vec::new();
    for stream in streams {
        let text = String::from_utf8_lossy(stream);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_of_ssh(line));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        all.extend_from_slice(&lines[lines.len().saturating_sub(LINES)..]);
    }
    let whole = all.join(" / ");
    (!whole.is_empty()).then(|| shortened(&whole).to_owned())
}

/// Whether ssh says this of every machine that it meets for the first time.
fn is_of_ssh(line: &str) -> bool {
    line.starts_with("Warning: Permanently added ")
}

fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(LONGEST)).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use baserock::json;
    use system::observer::Level;

    use super::*;

    #[test]
    fn words_of_the_target_are_bounded_and_no_words_of_this_program() {
        let shown = |event: &Event| {
            let frame = Frame { kind: 8, content: json::line(event).unwrap().into_bytes() };
            super::event(&frame).unwrap()
        };
        let spoofed = Event::Phase { text: "ERROR: spoofed".into() };
        assert_eq!(shown(&spoofed), Event::Phase { text: "the target: ERROR: spoofed".into() });
        let plain = Event::Phase { text: "merging".into() };
        assert_eq!(shown(&plain), plain);
        let long = Event::Finding(Finding { level: Level::Note, text: "ü".repeat(LONGEST) });
        assert!(matches!(shown(&long), Event::Finding(Finding { text, .. }) if text.len() == LONGEST));
        let failed = Frame { kind: 10, content: vec![b'x'; LONGEST * 2] };
        assert_eq!(failure(&failed).to_string().len(), LONGEST);
    }

    #[test]
    fn the_last_lines_of_other_programs_stand_in_one() {
        let stdout = b"1\n2\n\n 3\r\n4".as_slice();
        let stderr = b"Warning: Permanently added 'x' to the list of known hosts.\r\nno\n".as_slice();
        assert_eq!(last_lines([stdout, stderr]).as_deref(), Some("2 / 3 / 4 / no"));
        assert_eq!(last_lines([b"\n".as_slice()]), None);
    }
}
