//! The page of an extension, made of its help.

use anyhow::{Context, Result, bail};

use super::prose::{Block, Section, blocks};
use super::{FOR_ROOT, Page, page};
use crate::extension::arguments;

/// The lines of a help below which examples stand.
const EXAMPLES: [&str; 2] = ["Example:", "Examples:"];

/// The page of an extension, and of the extensions beside it that look at its location.
pub fn page_of(name: &str, beside: Vec<String>, help: &str, shared: &[Section]) -> Result<Page> {
    let [description, environment, examples] = parts(blocks(help));
    let Some(Block::Paragraph(first)) = description.first() else {
        bail!("{name}.help does not begin with a sentence");
    };
    let summary = first.split(". ").next().unwrap_or(first).trim_end_matches('.');
    let names: Vec<_> = [name.to_owned()].into_iter().chain(beside.clone()).collect();
    let synopsis = names.iter().map(|name| synopsis(name)).collect::<Result<Vec<_>>>()?;
    let own = [
        ("NAME", vec![Block::Paragraph(format!("{} - {summary}", names.join(", ")))]),
        ("SYNOPSIS", synopsis),
        ("DESCRIPTION", description),
        ("ENVIRONMENT", environment),
        ("EXAMPLES", examples),
    ];
    let own = own.map(|(heading, blocks)| Section { heading: heading.to_owned(), blocks });
    let text = page(name, FOR_ROOT, "", [&own, shared].concat())?;
    Ok(Page { text, also: beside, ..Page::empty(name) })
}

fn synopsis(name: &str) -> Result<Block> {
    let arguments = name.rsplit_once('.').and_then(|(_, kind)| arguments(kind));
    let arguments = arguments.with_context(|| format!("{name} is no kind of extension"))?;
    Ok(Block::Paragraph(format!("[PARAMETER=VALUE]... `{name}` {arguments}")))
}

/// What an extension does, its parameters with what is said about them, and examples. A paragraph before the parameters that ends with a colon
/// belongs to them.
fn parts(mut blocks: Vec<Block>) -> [Vec<Block>; 3] {
    let is_examples =
        |block: &Block| matches!(block, Block::Paragraph(text) if EXAMPLES.contains(&text.as_str()));
    let examples = match blocks.iter().position(is_examples) {
        Some(at) => blocks.split_off(at).split_off(1),
        None => Vec::new(),
    };
    let is_item = |block: &Block| matches!(block, Block::Item(..));
    let first = blocks.iter().position(is_item).unwrap_or(blocks.len());
    let leads = first > 1 && matches!(&blocks[first - 1], Block::Paragraph(text) if text.ends_with(':'));
    let environment = blocks.split_off(if leads { first - 1 } else { first });
    [blocks, environment, examples]
}
