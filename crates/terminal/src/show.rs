//! Events as lines, as a bar, or as JSON.

use std::cell::RefCell;
use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};
use system::observer::{Event, Finding, Level, Observer};

use crate::log::SHOWN;
use crate::{complain, say};

/// Where the lines about phases go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Phases and findings to standard error, for programs whose standard output is their result.
    Errors,
    /// Phases to standard output, as the extension protocol has it; findings to standard error.
    Lines,
    /// Everything as one JSON object a line to standard error.
    Json,
}

/// Shows the events of an operation.
pub struct Show {
    output: Output,
    bar: RefCell<Option<ProgressBar>>,
}

impl Show {
    /// Shows events that way.
    pub fn new(output: Output) -> Self {
        Show { output, bar: RefCell::new(None) }
    }

    fn text(&self, event: &Event) {
        match event {
            Event::Phase { text } => {
                self.finish();
                if self.output == Output::Lines { say(text) } else { complain(text) }
            }
            Event::Progress { done, total } => self.progress(*done, *total),
            Event::Finding(Finding { level, text }) => {
                let prefix = if *level == Level::Warning { "warning: " } else { "note: " };
                self.suspended(|| complain(&format!("{prefix}{text}")));
            }
        }
    }

    /// A bar with bytes, rate and time left, where somebody looks at it.
    fn progress(&self, done: u64, total: Option<u64>) {
        if !io::stderr().is_terminal() {
            return;
        }
        let mut bar = self.bar.borrow_mut();
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total.unwrap_or(0));
            let template = "  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
            bar.with_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        bar.set_position(done);
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    fn suspended(&self, show: impl FnOnce()) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(show),
            None => show(),
        }
    }
}

/// The file of the log gets everything that the user sees but the bar.
fn log(event: &Event) {
    match event {
        Event::Phase { text } => tracing::info!(target: SHOWN, "{text}"),
        Event::Finding(Finding { level: Level::Warning, text }) => tracing::warn!(target: SHOWN, "{text}"),
        Event::Finding(Finding { level: Level::Note, text }) => tracing::info!(target: SHOWN, "note: {text}"),
        Event::Progress { .. } => {}
    }
}

impl Observer for Show {
    fn event(&self, event: Event) {
        log(&event);
        if self.output != Output::Json {
            return self.text(&event);
        }
        if let Ok(json) = serde_json::to_string(&event) {
            complain(&json);
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.finish();
    }
}
