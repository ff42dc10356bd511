//! Pure: what runs differ by, with how sure that is.
//!
//! The first side is what the others are compared with. A side is one or more logs; its blocks
//! are what is independent of each other.

mod bootstrap;
mod page;
mod rows;
#[cfg(test)]
mod tests;
mod text;
mod warnings;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::hlog::{Log, merged};
use super::run_report::RunReport;

pub use page::{overview, page};
pub use text::{text, to_json};

/// A log without blocks of its own is cut into so many.
const BLOCKS: f64 = 8.0;

/// One log with what its run told of itself, if that is there.
pub struct Run {
    /// The interval log.
    pub log: Log,
    /// The run's report.
    pub told: Option<RunReport>,
}

/// A stretch of time.
#[derive(Clone)]
pub struct Block {
    /// When it began, in seconds since 1970, where known.
    pub began: Option<f64>,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// What was recorded in it, by tag.
    pub found: BTreeMap<String, Histogram<u64>>,
}

/// One of those compared.
pub struct Side {
    /// What it is called.
    pub name: String,
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// Whether blocks were cut from a single run rather than run apart.
    pub cut: bool,
    /// What its first run told of itself.
    pub told: Option<RunReport>,
    /// How many runs it is of.
    pub runs: usize,
    /// Why runs of it should not be quoted, a reason for each that should not.
    pub unfit: Vec<String>,
}

impl Side {
    /// Blocks of `runs`: those a run names, or each run one, or a lone run cut into pieces of
    /// `block_s` seconds, at least 5 (an eighth of it by default).
    pub fn new(name: String, runs: Vec<Run>, block_s: Option<f64>) -> Side {
        let lone = runs.len() == 1;
        let mut side = Side {
            name,
            blocks: Vec::new(),
            cut: false,
            told: None,
            runs: runs.len(),
            unfit: Vec::new(),
        };
        for run in &runs {
            let end_s = run.log.end_s();
            let own = run.told.as_ref().map_or(Vec::new(), RunReport::spans);
            let spans = if own.len() > 1 {
                own
            } else if lone || block_s.is_some() {
                side.cut = true;
                let length = block_s.unwrap_or((end_s / BLOCKS).floor()).max(5.0);
                let whole = (end_s / length).floor().max(1.0) as usize;
                let span = |n: usize| (n as f64 * length, (n + 1) as f64 * length);
                (0..whole).map(span).collect()
            } else {
                vec![(0.0, end_s)]
            };
            let whole = spans.len() == 1;
            for (from, to) in spans {
                side.blocks.push(block(&run.log, from, to));
            }
            // The log's last second is only a part of one; the run's report has the exact length.
            let measured = run.told.as_ref().and_then(|told| told.measured_s);
            let measured = measured.filter(|_| whole);
            if let (Some(block), Some(measured)) = (side.blocks.last_mut(), measured) {
                block.length_s = measured;
            }
            let reasons = run.told.iter().flat_map(|told| &told.unfit);
            side.unfit.extend(reasons.take(1).cloned());
        }
        side.told = runs.into_iter().next().and_then(|run| run.told);
        side
    }

    /// All of a tag's durations.
    pub fn total(&self, tag: &str) -> Histogram<u64> {
        merged(self.blocks.iter().filter_map(|block| block.found.get(tag)))
    }

    fn began(&self) -> Option<(f64, f64)> {
        let all: Option<Vec<f64>> = self.blocks.iter().map(|block| block.began).collect();
        let all = all.filter(|all| !all.is_empty())?;
        let first = all.iter().copied().fold(f64::INFINITY, f64::min);
        Some((first, all.into_iter().fold(0.0, f64::max)))
    }
}

fn block(log: &Log, from: f64, to: f64) -> Block {
    let tags = log.tags();
    let found = tags
        .into_iter()
        .map(|tag| (tag.to_owned(), log.between(tag, from, to)))
        .filter(|(_, found)| !found.is_empty());
    Block {
        began: log.started_s.map(|started| started + from),
        length_s: to.min(log.end_s()) - from,
        found: found.collect(),
    }
}
