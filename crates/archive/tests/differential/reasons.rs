//! The differences that are right, each with its reason.

use crate::generate::{End, Mark, Odd};
use crate::tree::{NOW, Tree, shown};
use crate::unpacked::Difference;

/// The name of the reason for a difference. `third` is what bsdtar makes of the archive.
pub fn of(difference: &Difference, odd: &Odd, third: &Tree) -> Option<&'static str> {
    match difference {
        Difference::Refused(why) => refused(why, odd),
        Difference::Failed(why) => failed(why, odd),
        Difference::File { path, ours } => file(path, *ours, odd),
        Difference::Fact { path, fact, ours, theirs } => {
            let third = third.get(path).map(|facts| facts.get(fact).map_or("", String::as_str));
            Fact { path, kind: fact, ours, theirs, third }.reason(odd)
        }
    }
}

/// Only this program refuses: what programs do not agree about, or what may be damage, is not guessed.
fn refused(why: &str, odd: &Odd) -> Option<&'static str> {
    let aside = odd.has(|mark| *mark == Mark::Outward);
    let ends = |ends: &[End]| odd.has(|mark| matches!(mark, Mark::End(end) if ends.contains(end)));
    let said = |text: &str| why.contains(text);
    [
        // A file that was not downloaded completely looks the same.
        (said("cut short") && ends(&[End::Nothing, End::Cut]), "no end"),
        (said("not a tar archive") && ends(&[End::Cut]), "no end"),
        // tar ends at the first of the zeros with a warning; with another option it would go on.
        (said("come zeros, and then others") && ends(&[End::MemberAfterOne]), "a member after zeros"),
        // All members with one name are one member in the end.
        (
            said("a header for all members has the record path") && odd.has(|mark| *mark == Mark::Global),
            "one name for all",
        ),
        // tar takes it for the folder itself, whatever it is.
        (said("entry has empty path"), "no name"),
        // tar makes a folder, and its content is lost.
        (
            said("with the name of a folder") && odd.has(|mark| matches!(mark, Mark::Slashed(_))),
            "a folder with content",
        ),
        // The content would be taken for members, or members for content.
        (
            said("last member is a hard link, and something follows")
                && odd.has(|mark| matches!(mark, Mark::LinkWithSize(_))),
            "a link with content",
        ),
        // tar leaves out the part of the target that leads out, and links to another file.
        (said("leads out of the tree by .."), "leads out"),
        // A member would replace a link that its own name goes through.
        (
            aside
                && ["No such file", "not a folder", "hard link to the folder"].iter().any(|text| said(text)),
            "through a link",
        ),
        // tar reads the digits at the beginning.
        (said("in the place of an octal number"), "digits and letters"),
    ]
    .into_iter()
    .find_map(|(is, reason)| is.then_some(reason))
}

/// Only tar fails.
fn failed(why: &str, odd: &Odd) -> Option<&'static str> {
    let vendor = |name: &[u8]| odd.has(|mark| matches!(mark, Mark::Vendor(other) if other == name));
    let emptied = odd.has(|mark| matches!(mark, Mark::Emptied(name) if vendor(name)));
    let said = |text: &str| why.contains(text);
    [
        // Old programs left fields blank that had no meaning to them, and tar unpacks these members as with zeros, but complains.
        (said("Blanks in header") && odd.has(|mark| *mark == Mark::Blank), "blank numbers"),
        // tar makes links that may lead out at the very end, and nothing goes through them before.
        (
            (said("Not a directory") || said("File exists")) && odd.has(|mark| *mark == Mark::Outward),
            "through a link",
        ),
        // tar wants to give metadata to a folder that was replaced.
        ((said("Cannot change mode") || said("Directory renamed")) && replaced(odd), "a folder replaced"),
        // tar cannot replace the tree itself.
        (said("Cannot open") && vendor(b""), "a vendor's type"),
        // What is not unpacked is not read completely.
        (said("Malformed extended header") && emptied, "a vendor's type"),
        // tar removes the file, and then has nothing to link to.
        (said("Cannot hard link"), "a link to itself"),
    ]
    .into_iter()
    .find_map(|(is, reason)| is.then_some(reason))
}

fn file(path: &str, ours: bool, odd: &Odd) -> Option<&'static str> {
    // Nobody but its vendor knows what such a member is; it is named in a warning.
    let vendor = !ours && odd.has(|mark| matches!(mark, Mark::Vendor(name) if shown(name) == path));
    vendor.then_some("a vendor's type")
}

/// Whether the archive has a folder of which another member makes something else.
fn replaced(odd: &Odd) -> bool {
    odd.has(|mark| {
        let Mark::Member { name, folder: true } = mark else { return false };
        odd.has(|other| matches!(other, Mark::Member { name: same, folder: false } if same == name))
    })
}

struct Fact<'a> {
    path: &'a str,
    kind: &'a str,
    ours: &'a str,
    theirs: &'a str,
    /// The same of bsdtar, if it made the file.
    third: Option<&'a str>,
}

impl Fact<'_> {
    fn reason(&self, odd: &Odd) -> Option<&'static str> {
        let is = |fact: &str| self.kind == fact;
        let agreed = self.third == Some(self.ours);
        let named = |wanted: bool| {
            odd.has(|mark| matches!(mark, Mark::Member { name, folder } if *folder == wanted && shown(name) == self.path))
        };
        let without = |attribute: &str| self.ours.replacen(attribute, "", 1) == self.theirs;
        let twice = odd
            .marks
            .iter()
            .filter(|mark| matches!(mark, Mark::Member { name, folder: true } if shown(name) == self.path))
            .count()
            > 1;
        // Something in the folder, under another name.
        let inside = odd.has(|mark| {
            matches!(mark, Mark::Member { name, .. } if shown(name).strip_prefix(self.path).is_some_and(|rest| rest.starts_with('/')))
        });
        let metadata = ["owner", "mode", "mtime", "attributes"].contains(&self.kind);
        let wide = odd.has(|mark| matches!(mark, Mark::WideDevice(name) if shown(name) == self.path));
        let all = self.ours.replacen("trusted.all=x ", "", 1);
        [
            // tar knows nothing of these attributes, and says so.
            (is("attributes") && without("trusted.two=hi "), "an attribute of libarchive"),
            // tar ignores attributes for all members.
            (
                is("attributes")
                    && (all == self.theirs || all.replacen("trusted.two=hi ", "", 1) == self.theirs),
                "an attribute for all",
            ),
            // tar ignores values for all members where a member has no extended header of its own.
            (
                odd.has(|mark| *mark == Mark::Global)
                    && ((is("mtime") && self.ours == "7.500000000")
                        || (is("owner") && self.ours.starts_with("12:"))),
                "a value for all",
            ),
            // tar gives a folder metadata of its first member, if the second one spells the name in another way. Both others add up the
            // attributes, and here the last member alone has a say.
            (twice && metadata, "a folder named twice"),
            // The time here is the archive's. tar sets that of a folder when it leaves it, and then comes back.
            (is("mtime") && self.theirs == NOW && named(true) && (agreed || inside), "the time of a folder"),
            // tar gives what replaced a folder what the folder should have got.
            (
                (agreed || odd.has(|mark| *mark == Mark::Dump))
                    && ((named(true) && named(false)) || (replaced(odd) && named(false) && metadata)),
                "a folder replaced",
            ),
            // tar ignores numbers of devices that are too large for the header.
            (is("device") && wide, "a wide device"),
            // tar gives a folder that it made for its contents, and that is named later, not all of its mode, and no attributes.
            ((is("mode") || is("attributes")) && named(true) && agreed, "a folder named after its contents"),
            // tar makes such links at the end, and forgets the later one.
            (named(false) && (agreed || odd.has(|mark| *mark == Mark::Outward)), "a link replaced"),
            // In tar, folders that the archive does not name inherit a group.
            (!named(true) && !named(false) && (is("mode") || is("owner")), "an inherited group"),
        ]
        .into_iter()
        .find_map(|(is, reason)| is.then_some(reason))
    }
}
