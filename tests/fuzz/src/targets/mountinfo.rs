//! What the kernel says is mounted, with names in it that anybody may have chosen.

use std::path::Path;

use baserock::label::{ExistingLabel, Label};
use baserock::layout::{self, ORIG};
use system::mountinfo;

/// A whole mountinfo.
pub fn run(bytes: &[u8]) {
    let mounts = mountinfo::parse(bytes);
    assert!(mounts.len() <= bytes.split(|&byte| byte == b'\n').count());
    for mount in &mounts {
        if let Some(label) = layout::mounted_version(mount) {
            assert_eq!(ExistingLabel::of_file(label.as_str().as_ref()), Some(label.clone()));
            assert_eq!(mount.root, Path::new("/").join(layout::in_version(&label, layout::RUN)));
        }
    }
    let root = mountinfo::root(&mounts);
    assert!(root.is_none_or(|mount| mount.target == Path::new("/")));
    let text = String::from_utf8_lossy(bytes);
    if let Ok(label) = text.parse::<Label>() {
        assert_eq!(ExistingLabel::of_file(text.as_ref().as_ref()), Some(label.clone().into()));
        let path = layout::in_version(&label, ORIG);
        assert_eq!(path.components().count(), 3, "{}", path.display());
        assert_eq!(layout::label_of(&format!("/{}", path.display()), ORIG), Some(label.as_str()));
    }
}
