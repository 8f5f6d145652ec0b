//! The fenced blocks of the project's documents, which suites run as they are printed.

use std::fs;
use std::path::Path;

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The word after the fence: `sh`, or nothing.
    pub language: String,
    /// The lines between the fences.
    pub text: String,
}

/// The text of a document, from its path in the project.
pub fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect("a document")
}

/// The blocks of a text, in their order.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new() });
            }
            (None, Some(Block { language, text })) => {
                open = Some(Block { language, text: format!("{text}{line}\n") });
            }
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block has no end");
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_in_their_order() {
        let block =
            |language: &str, text: &str| Block { language: language.to_owned(), text: text.to_owned() };
        let text = "# A\n```sh\na\n\nb\n```\nprose\n```\nc\n```\n";
        assert_eq!(blocks(text), [block("sh", "a\n\nb\n"), block("", "c\n")]);
    }
}
