//! The report on pushes: a table, the ratios with their bars, and a plot.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use super::measure::Usage;
use super::watch::Observation;

/// The measurement of one way of upgrading over one link.
pub struct Row {
    /// The link.
    pub link: &'static str,
    /// The way of upgrading.
    pub name: &'static str,
    /// Time, and memory on this side.
    pub taken: Usage,
    /// Time until the tree is the default version on the disk. It includes the deployment, even if another command does that.
    pub deployed: Duration,
    /// Memory on the other side.
    pub watched: Observation,
    /// Processor time on the other side, including that of ssh.
    pub processor_there: Duration,
    /// Bytes on the wire to the other side.
    pub to: u64,
    /// Bytes on the wire from the other side.
    pub from: u64,
    /// Bytes that were newly used on the disk.
    pub disk: u64,
}

/// The links.
pub const SLOW: &str = "20 Mbit/s";
/// A faster one.
pub const MIDDLE: &str = "100 Mbit/s";
/// Without a limit.
pub const FAST: &str = "no limit";
/// The ways of upgrading.
pub const RSYNC: &str = "rsync";
/// The peer of the ratios.
pub const PEER: &str = "rsync -z";
/// `ssh-rsync.write` without any old content on this side.
pub const OURS: &str = "ssh-rsync.write";
/// `ssh-rsync.write` with the old tree.
pub const WITH_BASE: &str = "ssh-rsync.write, BASE_ROOT";
/// The peer, if nothing has changed.
pub const PEER_UNCHANGED: &str = "rsync -z, unchanged";
/// `ssh-rsync.write`, if nothing has changed.
pub const OURS_UNCHANGED: &str = "ssh-rsync.write, unchanged";

/// The limit of a ratio.
struct Bar {
    what: &'static str,
    link: &'static str,
    ours: &'static str,
    peer: &'static str,
    value: fn(&Row) -> f64,
    most: f64,
}

const fn bar(
    what: &'static str,
    link: &'static str,
    [ours, peer]: [&'static str; 2],
    value: fn(&Row) -> f64,
    most: f64,
) -> Bar {
    Bar { what, link, ours, peer, value, most }
}

static BARS: [Bar; 10] = [
    bar("bytes on the wire", SLOW, [OURS, PEER], Row::wire, 0.31),
    bar("bytes on the wire, BASE_ROOT", SLOW, [WITH_BASE, PEER], Row::wire, 0.16),
    bar("time", SLOW, [OURS, PEER], Row::seconds, 0.40),
    bar("time, BASE_ROOT", SLOW, [WITH_BASE, PEER], Row::seconds, 0.30),
    bar("time", MIDDLE, [OURS, PEER], Row::seconds, 0.8),
    bar("time, BASE_ROOT", MIDDLE, [WITH_BASE, PEER], Row::seconds, 0.8),
    bar("time, with rsync's deployment", FAST, [OURS, PEER], Row::until_deployed, 0.75),
    bar("time, BASE_ROOT, with rsync's deployment", FAST, [WITH_BASE, PEER], Row::until_deployed, 0.75),
    bar("time, unchanged", FAST, [OURS_UNCHANGED, PEER_UNCHANGED], Row::seconds, 0.37),
    bar("bytes on the disk", SLOW, [OURS, PEER], Row::on_disk, 0.88),
];
/// The most memory that a process of `ssh-rsync.write` may take, MiB.
const MEMORY: u64 = 128;

impl Row {
    fn wire(&self) -> f64 {
        mebibytes(self.to + self.from)
    }

    fn seconds(&self) -> f64 {
        self.taken.wall.as_secs_f64()
    }

    fn until_deployed(&self) -> f64 {
        self.deployed.as_secs_f64()
    }

    fn on_disk(&self) -> f64 {
        mebibytes(self.disk)
    }

    /// The row of a table, with ratios if there is a peer.
    pub fn line(&self, peer: Option<&Row>) -> String {
        let against = |value: fn(&Row) -> f64| match peer {
            Some(peer) => format!(" ({:.2})", value(self) / value(peer)),
            None => String::new(),
        };
        format!(
            "| {} | {} | {:.1}{} | {:.1}{} | {:.1} / {:.1} | {:.1} / {:.1}{} | {:.0}{} | {} / {} |",
            self.link,
            self.name,
            self.seconds(),
            against(Row::seconds),
            self.until_deployed(),
            against(Row::until_deployed),
            self.taken.processor.as_secs_f64(),
            self.processor_there.as_secs_f64(),
            mebibytes(self.to),
            mebibytes(self.from),
            against(Row::wire),
            self.on_disk(),
            against(Row::on_disk),
            self.taken.peak.div_ceil(1024),
            self.watched.peak.div_ceil(1024),
        )
    }
}

fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

/// The row, if it was measured.
fn find<'a>(rows: &'a [Row], link: &str, name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.link == link && row.name == name)
}

/// Everything as Markdown.
pub fn table(rows: &[Row]) -> Result<String> {
    let mut text = String::from(
        "| link | how | seconds | until deployed | processor seconds here / there | MiB there / back | MiB on disk | peak MiB here / there |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let peer = if row.name.ends_with("unchanged") { PEER_UNCHANGED } else { PEER };
        writeln!(text, "{}", row.line(find(rows, row.link, peer)))?;
    }
    text.push_str("\nIn brackets: ratios to `rsync -z` of the same link.\n\n");
    for (bar, ratio) in ratios(rows) {
        writeln!(
            text,
            "- {} over {}: {ratio:.2} (bar: {:.2}){}",
            bar.what,
            bar.link,
            bar.most,
            missed(ratio > bar.most)
        )?;
    }
    let ours = rows.iter().filter(|row| row.name.starts_with(OURS));
    let peak = ours.map(|row| row.taken.peak.max(row.watched.peak)).max().unwrap_or(0).div_ceil(1024);
    writeln!(
        text,
        "- peak memory of a process of ssh-rsync.write: {peak} MiB (bar: {MEMORY}){}",
        missed(peak > MEMORY)
    )?;
    Ok(text)
}

fn missed(is_missed: bool) -> &'static str {
    if is_missed { " MISSED" } else { "" }
}

/// The bars of the links that were measured.
fn ratios(rows: &[Row]) -> Vec<(&'static Bar, f64)> {
    let value = |bar: &Bar, name| find(rows, bar.link, name).map(bar.value);
    let ratio = |bar: &'static Bar| Some((bar, value(bar, bar.ours)? / value(bar, bar.peer)?));
    BARS.iter().filter_map(ratio).collect()
}

/// For each way, the round with the median of its seconds.
pub fn middle(rounds: Vec<Vec<Row>>) -> Vec<Row> {
    let mut ways: Vec<Vec<Row>> = Vec::new();
    for round in rounds {
        ways.resize_with(round.len(), Vec::new);
        ways.iter_mut().zip(round).for_each(|(way, row)| way.push(row));
    }
    let middle_of = |mut way: Vec<Row>| {
        way.sort_by_key(|row| row.taken.wall);
        let middle = way.len() / 2;
        way.into_iter().nth(middle)
    };
    ways.into_iter().filter_map(middle_of).collect()
}

/// The ratios as horizontal bars. The bar of the peer is 1.
pub fn plot(rows: &[Row]) -> Result<String> {
    const LEFT: u32 = 320;
    const UNIT: f64 = 300.0;
    const STEP: usize = 34;
    let ratios = ratios(rows);
    let height = 60 + ratios.len() * STEP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"16\">ssh-rsync.write against rsync -z (1.0); less is better</text>\n"
    );
    for (number, (bar, ratio)) in ratios.into_iter().enumerate() {
        let y = 40 + number * STEP;
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}, {}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.0}\" height=\"22\" fill=\"#3b7dd8\"/>\n\
             <line x1=\"{:.0}\" x2=\"{:.0}\" y1=\"{}\" y2=\"{}\" stroke=\"#c33\" stroke-width=\"2\"/>\n\
             <text x=\"{:.0}\" y=\"{}\">{ratio:.2}</text>",
            LEFT - 10,
            y + 16,
            bar.what,
            bar.link,
            ratio * UNIT,
            f64::from(LEFT) + bar.most * UNIT,
            f64::from(LEFT) + bar.most * UNIT,
            y - 3,
            y + 25,
            f64::from(LEFT) + ratio.max(bar.most) * UNIT + 8.0,
            y + 16,
        )?;
    }
    let one = f64::from(LEFT) + UNIT;
    writeln!(
        svg,
        "<line x1=\"{one:.0}\" x2=\"{one:.0}\" y1=\"34\" y2=\"{}\" stroke=\"#888\" stroke-dasharray=\"4\"/>\n\
         <text x=\"10\" y=\"{}\" font-size=\"12\" fill=\"#c33\">red: the bar that has to be kept</text>\n</svg>",
        height - 20,
        height - 8,
    )?;
    Ok(svg)
}
