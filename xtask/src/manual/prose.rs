//! Plain text, as help is written, turned into the macros of man pages.
//!
//! A line of capitals by itself is a heading. `* TERM: text` and `TERM   text` are items of a list, whose text goes on in lines that are
//! indented. Other lines that are indented by four columns or more are shown as they are. Everything else is paragraphs. What stands in
//! backquotes is bold.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// A section of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading, in capitals.
    pub heading: String,
    /// What stands below it.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Text that is filled.
    Paragraph(String),
    /// Lines that are shown as they are.
    Verbatim(Vec<String>),
    /// An item of a list, and what it means.
    Item(String, String),
}

/// The columns by which lines are indented that are shown as they are.
const INDENTATION: usize = 4;
/// The longest term of an item.
const LONGEST_TERM: usize = 60;

/// The sections of a text. What stands before the first heading is left out.
pub fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match sections.last_mut() {
            _ if is_heading(line) => sections.push((line.to_owned(), Vec::new())),
            Some((_, lines)) => lines.push(line),
            None => {}
        }
    }
    let section =
        |(heading, lines): (String, Vec<&str>)| Section { heading, blocks: blocks(&lines.join("\n")) };
    sections.into_iter().map(section).collect()
}

fn is_heading(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_uppercase())
        && line.chars().all(|c| c.is_ascii_uppercase() || c == ' ')
        && line.len() > 3
}

/// The blocks of a text without headings.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut blank = true;
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() {
            blank = true;
            continue;
        }
        let indentation = line.len() - line.trim_start().len();
        let kept = || line[indentation.min(INDENTATION)..].trim_end().to_owned();
        match blocks.last_mut() {
            Some(Block::Verbatim(lines)) if indentation >= INDENTATION => {
                if blank {
                    lines.push(String::new());
                }
                lines.push(kept());
            }
            Some(Block::Item(_, text)) if !blank && indentation > 0 => extend(text, bare),
            _ if indentation >= INDENTATION => blocks.push(Block::Verbatim(vec![kept()])),
            last => match (item(line), last) {
                (Some((term, text)), _) => blocks.push(Block::Item(term.to_owned(), text.to_owned())),
                (None, Some(Block::Paragraph(text))) if !blank => extend(text, bare),
                (None, _) => blocks.push(Block::Paragraph(bare.to_owned())),
            },
        }
        blank = false;
    }
    blocks
}

fn extend(text: &mut String, line: &str) {
    text.push(' ');
    text.push_str(line);
}

/// Term and text of the first line of an item.
fn item(line: &str) -> Option<(&str, &str)> {
    let (term, text) = match line.strip_prefix("* ") {
        Some(rest) => rest.split_once(": ")?,
        None => line.split_once("  ")?,
    };
    let (term, text) = (term.trim(), text.trim());
    (!term.is_empty() && term.len() <= LONGEST_TERM).then_some((term, text))
}

/// Writes sections, each below its heading.
pub fn render(roff: &mut Roff, sections: &[Section]) {
    for section in sections {
        roff.control("SH", [section.heading.as_str()]);
        for (number, block) in section.blocks.iter().enumerate() {
            // The macro for a heading begins a paragraph already, and that for an item begins one of its own.
            if number > 0 && !matches!(block, Block::Item(..)) {
                roff.control("PP", []);
            }
            match block {
                Block::Paragraph(text) => {
                    roff.text(inlines(text));
                }
                Block::Verbatim(lines) => {
                    roff.control("RS", ["4"]).control("EX", []);
                    for line in lines {
                        roff.text([roman(line.as_str())]);
                    }
                    roff.control("EE", []).control("RE", []);
                }
                Block::Item(term, text) => {
                    roff.control("TP", []);
                    roff.text([bold(term.replace('`', ""))]);
                    roff.text(inlines(text));
                }
            }
        }
    }
}

/// Text with what stands in backquotes in bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts: Vec<_> = text.split('`').collect();
    if parts.len() % 2 == 0 {
        return vec![roman(text)];
    }
    let parts = parts.into_iter().enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(number, part)| if number % 2 == 0 { roman(part) } else { bold(part) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paragraph(text: &str) -> Block {
        Block::Paragraph(text.to_owned())
    }

    fn term(term: &str, text: &str) -> Block {
        Block::Item(term.to_owned(), text.to_owned())
    }

    #[test]
    fn text_has_paragraphs_items_and_lines_as_they_are() {
        let text = "Two lines of\none paragraph.\n\nNAME, B   a name\n         that goes on\n* SIZE=N: a size,\n  in bytes\n\n    \
                    a: b\n\n      c\n\nThe end.\n";
        let expected = [
            paragraph("Two lines of one paragraph."),
            term("NAME, B", "a name that goes on"),
            term("SIZE=N", "a size, in bytes"),
            Block::Verbatim(["a: b", "", "  c"].map(str::to_owned).into()),
            paragraph("The end."),
        ];
        assert_eq!(blocks(text), expected);
    }

    #[test]
    fn capitals_are_headings() {
        let expected = [
            Section { heading: "EXIT STATUS".to_owned(), blocks: vec![term("0", "done")] },
            Section { heading: "FILES".to_owned(), blocks: vec![paragraph("None.")] },
        ];
        assert_eq!(sections("EXIT STATUS\n\n0   done\n\nFILES\n\nNone.\n"), expected);
    }

    #[test]
    fn nothing_of_a_text_is_taken_for_macros() {
        let mut roff = Roff::new();
        let text = ".SH is `.SH`, and 'a' is\n\n    .not\\e a macro\n";
        let section = Section { heading: "A B".to_owned(), blocks: blocks(text) };
        render(&mut roff, &[section]);
        let expected = ".SH \"A B\"\n\\&.SH is \\fB.SH\\fR, and \\*(Aqa\\*(Aq is\n.PP\n.RS 4\n.EX\n\\&.not\\\\e a macro\n.EE\n.RE\n";
        assert!(roff.render().ends_with(expected), "{}", roff.render());
    }
}
