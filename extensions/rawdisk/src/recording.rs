//! Makes the manifest of a tree while the tree is copied, because both read the same files, which are then in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use delta::Manifest;
use delta::scan::{ReadAll, scan};
use system::dir::Dir;
use system::error::{Error, Result};

/// Makes the manifest of the tree in a thread of its own while `copy` runs. Fails if either of them fails.
pub fn beside(tree: &Dir, copy: impl FnOnce() -> Result<()>) -> Result<Manifest> {
    let unwanted = AtomicBool::new(false);
    let go_on = |_| {
        let unwanted = unwanted.load(Ordering::Relaxed);
        if unwanted { Err(Error::refused("the manifest is not wanted any more")) } else { Ok(()) }
    };
    thread::scope(|scope| {
        let reader = scope.spawn(|| scan(tree, &mut ReadAll, &go_on));
        let copied = copy();
        unwanted.store(copied.is_err(), Ordering::Relaxed);
        let manifest =
            reader.join().map_err(|_| Error::refused("the thread that makes the manifest has failed"))?;
        copied.and(manifest)
    })
}
