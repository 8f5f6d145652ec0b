//! The page of a program, and one of each of its commands.

use anyhow::{Result, bail};
use clap::Command;
use clap_mangen::Man;

use super::prose::{Block, Section};
use super::{Page, page, synopsis};
use crate::interface::Interface;

/// The pages of a program. All have the sections that are shared, and the first has those of its own.
pub fn pages(interface: &Interface, shared: &[Section], own: &[Section]) -> Result<Vec<Page>> {
    let mut command = interface.command.clone().disable_help_subcommand(true);
    command.build();
    let name = command.get_name().to_owned();
    let help = of_help(&command)?;
    let says = |heading: &str| help.iter().any(|section| section.heading == heading);
    // A program whose help tells how it ends does not end as others do.
    let shared: Vec<_> = shared.iter().filter(|section| !says(&section.heading)).cloned().collect();
    let first = [&shared[..], &help, own].concat();
    let mut pages = vec![one(&command, interface.section, first)?];
    let also = see_also(&[format!("{name}({})", interface.section)]);
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let status = shared.iter().filter(|section| section.heading == "EXIT STATUS").cloned();
        let sections = status.chain(of_help(subcommand)?).chain([also.clone()]);
        pages.push(one(subcommand, interface.section, sections.collect())?);
    }
    Ok(pages)
}

fn one(command: &Command, section: &'static str, sections: Vec<Section>) -> Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let described = command
        .clone()
        .override_usage(synopsis::of(command))
        .subcommand_help_heading("COMMANDS")
        // The title has the version.
        .version(None::<&str>)
        .long_version(None::<&str>)
        .after_help(None::<&str>);
    let man = Man::new(described).section(section);
    let mut made = Vec::new();
    man.render_name_section(&mut made)?;
    man.render_synopsis_section(&mut made)?;
    man.render_description_section(&mut made)?;
    man.render_options_section(&mut made)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut made)?;
    }
    // Readers find fault with line breaks around an empty line.
    let made = String::from_utf8(made)?.replace(".br\n\n.br\n", ".sp\n");
    let text = page(&name, section, &made, sections)?;
    Ok(Page { name, section, text, also: Vec::new() })
}

/// The sections that the end of a help text makes: examples, and how the program ends.
fn of_help(command: &Command) -> Result<Vec<Section>> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let parts = help.split("\n\n").filter(|part| !part.trim().is_empty());
    parts.map(|part| section(command.get_name(), part)).collect()
}

fn section(program: &str, part: &str) -> Result<Section> {
    let (kind, text) = part.split_once(':').unwrap_or((part, ""));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
    let (heading, block) = match kind {
        "Example" | "Examples" => ("EXAMPLES", Block::Verbatim(lines.collect())),
        "Exit status" => ("EXIT STATUS", Block::Paragraph(lines.collect::<Vec<_>>().join(" "))),
        _ => bail!("the end of the help of {program} has {kind:?}, which has no place in a man page"),
    };
    Ok(Section { heading: heading.to_owned(), blocks: vec![block] })
}

/// The section that names other pages.
pub fn see_also(pages: &[String]) -> Section {
    let text = pages.iter().map(|page| format!("`{page}`")).collect::<Vec<_>>().join(", ");
    Section { heading: "SEE ALSO".to_owned(), blocks: vec![Block::Paragraph(text)] }
}
