//! Pure: what `/health` and `/ready` answer, made of what the executors say.
//!
//! `/health` is for a probe that restarts the process: it is 200 unless a restart is the cure.
//! `/ready` is for who sends clients, or goes on to the next broker: 200 when all is served.

use std::fmt::Write;

use crate::base::WallMs;
use crate::base::faults::{Fault, FaultKind};
use crate::base::life::Stage;

/// Faults that a page names; of more it gives the count.
const LINES_MAX: usize = 50;

/// What is known of the process at one moment.
pub struct Health {
    /// How far it is.
    pub stage: Stage,
    /// What is wrong with the controller.
    pub control: Vec<Fault>,
    /// How the process stands to the controllers of its cluster, where it is part of one.
    pub cluster: Option<String>,
    /// By shard: its node, and what is wrong with it; `None` where it did not answer in time.
    pub shards: Vec<(i32, Option<Vec<Fault>>)>,
    /// Now, by the wall clock.
    pub now: WallMs,
}

impl Health {
    /// `/health`: whether the process is best left alone, and what to say.
    pub fn health(&self) -> (bool, String) {
        let is_stuck = self.stage == Stage::Serving && self.silent().next().is_some();
        let is_dead = self.faults().any(|(_, fault)| fault.kind.wants_restart());
        let is_alive = !is_stuck && !is_dead;
        let first = match (is_alive, self.stage, self.count()) {
            (false, _, _) => "unhealthy: a restart is the cure".to_owned(),
            (true, Stage::Starting, _) => {
                "healthy: starting, logs are opened and checked".to_owned()
            }
            (true, Stage::Stopping, _) => "healthy: stopping".to_owned(),
            (true, Stage::Serving, 0) => "healthy".to_owned(),
            (true, Stage::Serving, count) => {
                format!("healthy, but not all is served ({count} faults)")
            }
        };
        (is_alive, self.page(first))
    }

    /// `/ready`: whether every request can be served, and what to say.
    pub fn ready(&self) -> (bool, String) {
        let silent = self.silent().count();
        let why = match (self.stage, silent, self.count()) {
            (Stage::Serving, 0, 0) => return (true, self.page("ready".to_owned())),
            (Stage::Starting, _, _) => {
                "not ready: starting, logs are opened and checked".to_owned()
            }
            (Stage::Stopping, _, _) => "not ready: stopping".to_owned(),
            (Stage::Serving, 0, count) => format!("not ready: not all is served ({count} faults)"),
            (Stage::Serving, _, _) => "not ready: not every shard answers".to_owned(),
        };
        (false, self.page(why))
    }

    /// The nodes that did not answer.
    fn silent(&self) -> impl Iterator<Item = i32> {
        let silent = self.shards.iter().filter(|(_, faults)| faults.is_none());
        silent.map(|(node, _)| *node)
    }

    /// Every fault, with the node that has it; those of the controller first.
    fn faults(&self) -> impl Iterator<Item = (Option<i32>, &Fault)> {
        let control = self.control.iter().map(|fault| (None, fault));
        let shards = self.shards.iter().flat_map(|(node, faults)| {
            let faults = faults.iter().flatten();
            faults.map(|fault| (Some(*node), fault))
        });
        control.chain(shards)
    }

    fn count(&self) -> usize {
        self.faults().count()
    }

    fn page(&self, first: String) -> String {
        let mut text = first + "\n";
        if let Some(cluster) = &self.cluster {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{cluster}");
        }
        let silent: Vec<String> = self.silent().map(|node| node.to_string()).collect();
        if !silent.is_empty() && self.stage == Stage::Serving {
            let _ = writeln!(
                text,
                "{} of {} shards do not answer: node {}",
                silent.len(),
                self.shards.len(),
                silent.join(", node ")
            );
        }
        for (node, fault) in self.faults().take(LINES_MAX) {
            let place = node.map_or("controller".to_owned(), |node| format!("node {node}"));
            let seconds = (self.now - fault.since_ms).max(0) / 1_000;
            let (kind, with, why) = (fault.kind.name(), &fault.with, one_line(&fault.why));
            let _ = writeln!(text, "{place}: {kind} for {seconds} s: {with}: {why}");
        }
        let more = self.count().saturating_sub(LINES_MAX);
        if more > 0 {
            let _ = writeln!(text, "and {more} more: {}", self.by_kind());
        }
        text
    }

    /// How many faults of each kind there are in all.
    fn by_kind(&self) -> String {
        let count = |kind| self.faults().filter(|(_, it)| it.kind == kind).count();
        let counts = FaultKind::ALL.into_iter().map(|kind| (kind, count(kind)));
        let some = counts.filter(|(_, count)| *count > 0);
        let words: Vec<String> = some
            .map(|(kind, count)| format!("{count} x {}", kind.name()))
            .collect();
        words.join(", ")
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind, with: &str) -> Fault {
        Fault {
            kind,
            with: with.to_owned(),
            why: "because".to_owned(),
            since_ms: 1_000,
        }
    }

    fn health(stage: Stage, control: Vec<Fault>, shards: Vec<Option<Vec<Fault>>>) -> Health {
        Health {
            stage,
            control,
            cluster: None,
            shards: (1..).zip(shards).collect(),
            now: 13_500,
        }
    }

    #[test]
    fn a_probe_that_kills_hears_only_of_what_a_restart_cures() {
        use FaultKind::*;
        use Stage::*;
        let ok = || Some(Vec::new());
        for (stage, control, shards, alive, ready) in [
            (Serving, vec![], vec![ok(), ok()], true, true),
            (Starting, vec![], vec![None, ok()], true, false),
            (Stopping, vec![], vec![None, None], true, false),
            (Serving, vec![], vec![ok(), None], false, false),
            (
                Serving,
                vec![fault(MetadataFailed, "m")],
                vec![ok()],
                false,
                false,
            ),
            (
                Serving,
                vec![fault(MetadataWaits, "m")],
                vec![ok()],
                true,
                false,
            ),
            (
                Serving,
                vec![],
                vec![Some(vec![fault(DiskFull, "t-0")])],
                true,
                false,
            ),
            (
                Serving,
                vec![],
                vec![Some(vec![fault(FolderOffline, "/d")])],
                true,
                false,
            ),
            (
                Serving,
                vec![],
                vec![Some(vec![fault(PartitionFailed, "t-0")])],
                true,
                false,
            ),
        ] {
            let health = health(stage, control, shards);
            let both = (health.health().0, health.ready().0);
            assert_eq!(both, (alive, ready), "{}", health.health().1);
        }
    }

    #[test]
    fn the_pages_say_what_is_wrong_where_and_since_when() {
        let full = fault(FaultKind::DiskFull, "t-0");
        let some = health(Stage::Serving, vec![], vec![Some(vec![full]), None]);
        assert_eq!(
            some.health().1,
            "unhealthy: a restart is the cure\n\
             1 of 2 shards do not answer: node 2\n\
             node 1: disk full for 12 s: t-0: because\n"
        );
        let mut none = health(Stage::Serving, vec![], vec![Some(Vec::new())]);
        assert_eq!(
            (none.health().1, none.ready().1),
            ("healthy\n".into(), "ready\n".into())
        );
        none.cluster = Some("cluster: all is well".to_owned());
        assert_eq!(none.ready().1, "ready\ncluster: all is well\n");
    }

    #[test]
    fn a_page_is_bounded() {
        let many = (0..10_000).map(|it| fault(FaultKind::PartitionOffline, &format!("t-{it}")));
        let page = health(Stage::Serving, vec![], vec![Some(many.collect())])
            .ready()
            .1;
        assert_eq!(page.lines().count(), LINES_MAX + 2);
        assert!(
            page.ends_with("and 9950 more: 10000 x partition offline\n"),
            "{page}"
        );
    }
}
