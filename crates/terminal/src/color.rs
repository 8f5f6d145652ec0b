//! Colours, by what words mean.

use std::borrow::Cow;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// What words mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Something failed, or is gone.
    Bad,
    /// Somebody should look at this.
    Warning,
    /// What is good to know.
    Note,
    /// All is well, or new.
    Good,
    /// What stands above other words.
    Heading,
}

impl Meaning {
    fn style(self) -> Style {
        match self {
            Meaning::Bad => AnsiColor::Red.on_default(),
            Meaning::Warning => AnsiColor::Yellow.on_default(),
            Meaning::Note => AnsiColor::Cyan.on_default(),
            Meaning::Good => AnsiColor::Green.on_default(),
            Meaning::Heading => Style::new().bold(),
        }
    }

    /// The words in their colour.
    pub fn paint(self, words: &str) -> String {
        let style = self.style();
        format!("{style}{words}{style:#}")
    }
}

/// Whether what goes to this stream has colours: as the user has chosen, else if it is a terminal and no variable forbids it.
pub fn is_wanted(stream: &impl anstream::stream::RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

/// The words with which lines begin that mean something.
const BEGINNINGS: [(&str, Meaning); 6] = [
    ("warning:", Meaning::Warning),
    ("note:", Meaning::Note),
    ("ERROR:", Meaning::Bad),
    ("failed:", Meaning::Bad),
    ("conflict ", Meaning::Warning),
    ("attention", Meaning::Warning),
];

/// A line whose first words are painted by what they mean. A name with a colon may stand before them, as in the lines of several deployments.
pub fn line(text: &str) -> Cow<'_, str> {
    let after_name = text.find(": ").filter(|&colon| !text[..colon].contains(' ')).map(|colon| colon + 2);
    for at in [Some(0), after_name].into_iter().flatten() {
        let (before, rest) = text.split_at(at);
        if let Some((word, meaning)) = BEGINNINGS.iter().find(|(word, _)| rest.starts_with(word)) {
            return Cow::Owned(format!("{before}{}{}", meaning.paint(word), &rest[word.len()..]));
        }
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_are_painted() {
        for (text, shown) in [
            ("warning: x", "^[33mwarning:^[0m x"),
            ("web: warning: conflict x", "web: ^[33mwarning:^[0m conflict x"),
            ("web: failed: x", "web: ^[31mfailed:^[0m x"),
            ("all is well: warning: not", "all is well: warning: not"),
            ("web: deployed", "web: deployed"),
            ("", ""),
        ] {
            assert_eq!(line(text).replace('\x1b', "^"), shown);
        }
    }
}
