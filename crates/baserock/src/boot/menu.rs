//! The boot menu as text: lines of `key value`. extlinux, U-Boot and the original tools read it.

use std::fmt;

/// A menu: directives, then entries. Unknown directives are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Menu {
    /// The lines before the first entry.
    pub head: Vec<Directive>,
    /// The entries, in order.
    pub entries: Vec<Entry>,
}

/// One entry: a `label` line and the lines before the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its label.
    pub label: String,
    /// Its other lines.
    pub lines: Vec<Directive>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The first word, lower case except in comments and help texts.
    pub key: String,
    /// The rest, without spaces around it. It may be empty.
    pub value: String,
}

impl Directive {
    /// A line of this key and value.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Directive { key: key.into(), value: value.into() }
    }
}

impl Menu {
    /// Parses a menu. Every text is a menu, but one without entries boots nothing.
    pub fn parse(text: &str) -> Self {
        let mut menu = Menu::default();
        let mut in_help = false;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (word, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let key = word.to_ascii_lowercase();
            in_help &= key != "endtext";
            let is_text = in_help || word.starts_with('#');
            let directive = Directive::new(if is_text { word } else { &key }, value.trim());
            match menu.entries.last_mut() {
                Some(entry) if is_text => entry.lines.push(directive),
                None if is_text => menu.head.push(directive),
                _ if directive.key == "label" => {
                    menu.entries.push(Entry { label: directive.value, lines: Vec::new() });
                }
                // Syslinux accepts this directive anywhere, and it concerns the whole menu.
                _ if directive.key == "ontimeout" => menu.head.push(directive),
                Some(entry) => entry.lines.push(directive),
                None => menu.head.push(directive),
            }
            in_help |= key == "text" && value.trim().eq_ignore_ascii_case("help");
        }
        menu
    }

    /// The last value of a directive in the head.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.head.iter().rev().find(|line| line.key == key).map(|line| line.value.as_str())
    }

    /// Sets a directive in the head. It replaces the directive of this key, or comes at the end. Others of this key are removed.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        let new = Directive::new(key, value);
        match self.head.iter().position(|line| line.key == key) {
            Some(place) => {
                self.head.retain(|line| line.key != key);
                self.head.insert(place.min(self.head.len()), new);
            }
            None => self.head.push(new),
        }
    }

    /// The entry of this label.
    pub fn entry(&self, label: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.label == label)
    }

    /// The entry that boots by default: that of `ontimeout`, else that of `default`.
    pub fn default_entry(&self) -> Option<&Entry> {
        let named = |key| self.get(key).and_then(|label| self.entry(label));
        named("ontimeout").or_else(|| named("default"))
    }
}

impl Entry {
    /// The value of a directive of the entry.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.lines.iter().find(|line| line.key == key).map(|line| line.value.as_str())
    }

    /// The file that it boots. Syslinux and U-Boot have two words for it.
    pub fn kernel(&self) -> Option<&str> {
        ["kernel", "linux"].iter().find_map(|key| self.get(key))
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            writeln!(f, "{}", self.key)
        } else {
            writeln!(f, "{} {}", self.key, self.value)
        }
    }
}

impl fmt::Display for Menu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.iter().try_for_each(|line| line.fmt(f))?;
        for entry in &self.entries {
            Directive::new("label", &entry.label).fmt(f)?;
            entry.lines.iter().try_for_each(|line| line.fmt(f))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parsed_and_rendered() {
        let text = "default menu.c32\ntimeout 50\nontimeout a\nlabel a\nkernel /systems/a/kernel\nappend x y\nlabel b\n";
        let menu = Menu::parse(text);
        assert_eq!(menu.to_string(), text);
        assert_eq!(menu.default_entry().unwrap().kernel(), Some("/systems/a/kernel"));
        assert_eq!(menu.get("timeout"), Some("50"));
    }

    #[test]
    fn default_without_ontimeout_names_the_entry() {
        let menu = Menu::parse("DEFAULT linux\n\nTIMEOUT 1\nLABEL linux\n  LINUX /systems/default/kernel\n");
        assert_eq!(menu.default_entry().unwrap().kernel(), Some("/systems/default/kernel"));
        assert!(Menu::parse("default menu.c32\nlabel a\n").default_entry().is_none());
    }

    #[test]
    fn comments_and_help_texts_stay_as_they_are() {
        let text = "#Mine\nlabel a\n# Not This\ntext help\nLabel it as You like\nontimeout b\nendtext\nmenu label Mine\n";
        let menu = Menu::parse(text);
        assert_eq!(menu.to_string(), text);
        assert_eq!((menu.entries.len(), menu.get("ontimeout")), (1, None));
    }

    #[test]
    fn setting_keeps_the_place() {
        let mut menu = Menu::parse("ontimeout a\ntimeout 5\nontimeout b\nlabel a\n");
        menu.set("ontimeout", "c");
        menu.set("prompt", "0");
        assert_eq!(menu.to_string(), "ontimeout c\ntimeout 5\nprompt 0\nlabel a\n");
    }

    proptest! {
        #[test]
        fn rendering_is_stable(text in "([a-z]{1,8}( [a-z/=.]{0,9})?\n|label [a-z]{1,3}\n|\n){0,20}") {
            let menu = Menu::parse(&text);
            prop_assert_eq!(Menu::parse(&menu.to_string()), menu);
        }
    }
}
