//! `manage-baserock list`.

use anyhow::Result;
use baserock::json;
use baserock_chroots::{Checked, Listed, Store, list};
use baserock_terminal::{Output, Show, harmless};
use clap::Args;

/// List the chroots: label, default, in use or not, size, date, what it was checked against, source
#[derive(Debug, Args)]
pub struct List {
    /// Print the list as JSON, for programs
    #[arg(long)]
    json: bool,
}

impl List {
    /// Prints the list. It is empty if there is no store.
    pub fn run(&self, store: Option<&Store>) -> Result<()> {
        let listed = store.map_or(Ok(Vec::new()), |store| list(store, &Show::new(Output::Errors)))?;
        if self.json {
            return baserock_terminal::print(&json::array(&listed)?);
        }
        let width = listed.iter().map(|chroot| chroot.label.as_str().len()).max().unwrap_or(0);
        let lines: String = listed.iter().map(|chroot| line(chroot, width)).collect();
        baserock_terminal::print(&lines)
    }
}

fn line(chroot: &Listed, width: usize) -> String {
    let Listed { label, default, in_use_by, size, record } = chroot;
    let default = if *default { "default" } else { "" };
    let in_use = if in_use_by.is_empty() { "" } else { "in use" };
    let date = record.added.split('T').next().unwrap_or_default();
    let checked = match record.checked {
        None => "",
        Some(Checked::Nothing) => "unchecked",
        Some(Checked::GivenSum) => "sum given",
        Some(Checked::SumBeside) => "sum beside",
        Some(Checked::UnprotectedSum) => "sum by http",
        Some(Checked::Signature) => "signed",
    };
    let signer = record.signed_by.as_ref().map(|signer| format!(", signed by the {}", harmless(signer)));
    format!(
        "{label:width$}  {default:7}  {in_use:6}  {:>9}  {date:10}  {checked:11}  {}{}\n",
        mebibytes(*size),
        harmless(&record.source),
        signer.unwrap_or_default()
    )
}

/// The size, rounded up, so that a small one is not shown as 0.
fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
