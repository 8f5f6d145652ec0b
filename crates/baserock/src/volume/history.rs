//! What was done to the versions of a volume.

use std::path::Path;

use system::error::Result;

use super::Volume;
use crate::history::{self, Event, MOST};
use crate::layout::{HISTORY, PRIVATE};

impl Volume {
    /// What was done to its versions, the oldest first.
    pub fn history(&self) -> Result<Vec<Event>> {
        // One more event may have been added before the older half was dropped.
        let bytes = self.top().read_if_exists(Path::new(PRIVATE).join(HISTORY), 2 * MOST)?;
        Ok(history::parse(&bytes.unwrap_or_default()))
    }
}
