//! Pure: which partition is to go from a busy shard to one that is less so, if any.
//!
//! Time is counted in *looks*: one for each period in which the shards were asked how busy they
//! were. Nothing is decided but on [`LOOKS`] of them in a row, none of which may be from before
//! the last move, so that a move is followed by as many looks at what it led to.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::{Instant, NodeId, PartitionIndex, TopicId};
use crate::metadata::image::Image;
use crate::shard::load::Load;

/// Looks in a row that must say the same.
pub const LOOKS: usize = 3;
/// How much busier than another a shard must be, as a share of a core, in each of them.
pub const APART: f64 = 0.2;
/// By how much a move may make the other shard the busier one. Twice that is less than [`APART`],
/// so that no move calls for another one back.
const OVERSHOOT: f64 = 0.05;
/// A partition that takes less of a core stays: its producers would wait for nothing.
const COST_MIN: f64 = 0.01;
/// For so many looks a partition stays where it has come to.
pub const STAYS: u64 = 60;
/// For so many looks no partition goes after moves that did not help.
pub const REST: u64 = 60;
/// The same, after it has happened again and again.
const REST_MAX: u64 = 16 * REST;

/// A partition.
pub type Key = (TopicId, PartitionIndex);

/// A partition that is to go to another shard, and what speaks for it. Shares are of a core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// The partition.
    pub key: Key,
    /// The node that has it.
    pub from: NodeId,
    /// The node that it is to go to.
    pub to: NodeId,
    /// How busy the one is.
    pub from_busy: f64,
    /// How busy the other is.
    pub to_busy: f64,
    /// How much of that the partition is.
    pub cost: f64,
}

/// What comes of a look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Something is in the way: a move is under way, a shard is silent, something has failed.
    Hindered,
    /// There were too few looks yet.
    Measuring,
    /// The shards are about as busy as each other.
    Even,
    /// They are not, and no partition would make it better.
    NoneFits,
    /// They are not, and the last moves did not make it better.
    Resting,
    /// They are not, and this would make it better.
    Moves(Wanted),
}

/// What is known from the looks before.
#[derive(Debug)]
pub struct Balancer {
    /// Looks so far.
    now: u64,
    /// How long each shard had been at work, and when that was.
    last: Vec<(Duration, Instant)>,
    /// The newest looks, at most [`LOOKS`].
    looks: VecDeque<Look>,
    /// The look at which partitions came to where they are, of those that have gone lately.
    moved: BTreeMap<Key, u64>,
    account: Option<Account>,
    /// No partition goes before this look.
    rests_until: u64,
    /// How long the next rest is.
    rest: u64,
}

/// How busy the shards were in one period.
#[derive(Debug)]
struct Look {
    /// Each shard's share of its core.
    busy: Vec<f64>,
    /// What some partitions were of that, and on which shard.
    costs: BTreeMap<Key, (usize, f64)>,
}

/// What moves should have done, to be compared with what they did.
#[derive(Debug)]
struct Account {
    /// How uneven the shards were before them.
    before: f64,
    /// How much less so they should be now.
    promised: f64,
}

impl Default for Balancer {
    fn default() -> Balancer {
        Balancer {
            now: 0,
            last: Vec::new(),
            looks: VecDeque::new(),
            moved: BTreeMap::new(),
            account: None,
            rests_until: 0,
            rest: REST,
        }
    }
}

impl Balancer {
    /// A partition has come to another shard, also where an operator wanted that: it stays there
    /// for a while.
    pub fn has_moved(&mut self, key: Key) {
        self.moved.insert(key, self.now);
    }

    /// To be called in place of [`Balancer::look`] where nothing may move. What was seen before
    /// counts no more.
    pub fn hindered(&mut self) -> Verdict {
        self.begin_look();
        self.begin_anew();
        Verdict::Hindered
    }

    /// What to do about the shards, which are as busy as `loads` says, in the order of the nodes
    /// of `image`.
    pub fn look(&mut self, loads: &[Load], image: &Image) -> Verdict {
        self.begin_look();
        let Some(look) = self.take_in(loads) else {
            return Verdict::Measuring;
        };
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(look);
        if self.looks.len() < LOOKS {
            return Verdict::Measuring;
        }
        let verdict = self.decide(image);
        if let Verdict::Moves(wanted) = verdict {
            self.has_moved(wanted.key);
            self.begin_anew();
        }
        verdict
    }

    /// How much busier the busiest shard was than the least busy one, over the last looks, as a
    /// share of a core; 0 where that is not known.
    pub fn apart(&self) -> f64 {
        let busy = self.mean_busy();
        let most = busy.iter().copied().fold(0.0, f64::max);
        let least = busy.iter().copied().fold(1.0, f64::min);
        (most - least).max(0.0)
    }

    fn begin_look(&mut self) {
        self.now += 1;
        let now = self.now;
        self.moved.retain(|_, then| *then + STAYS > now);
    }

    fn begin_anew(&mut self) {
        self.looks.clear();
        self.last.clear();
    }

    /// How busy the shards were since the last look; `None` where there is none to compare with.
    fn take_in(&mut self, loads: &[Load]) -> Option<Look> {
        let now = loads.iter().map(|load| (load.busy, load.at));
        let last = std::mem::replace(&mut self.last, now.collect());
        if last.len() != loads.len() {
            return None;
        }
        let mut look = Look {
            busy: Vec::with_capacity(loads.len()),
            costs: BTreeMap::new(),
        };
        for (shard, (load, (busy, at))) in loads.iter().zip(last).enumerate() {
            let lasted = load.at.since(at).as_secs_f64();
            let share = load.busy.saturating_sub(busy).as_secs_f64() / lasted;
            // Not a number where no time has passed.
            if !share.is_finite() {
                return None;
            }
            let share = share.min(1.0);
            look.busy.push(share);
            for one in &load.partitions {
                let cost = share * one.work as f64 / load.work.max(1) as f64;
                look.costs.insert((one.topic_id, one.index), (shard, cost));
            }
        }
        Some(look)
    }

    fn decide(&mut self, image: &Image) -> Verdict {
        let busy = self.mean_busy();
        self.settle(unevenness(&busy));
        let mut shards: Vec<usize> = (0..busy.len()).collect();
        shards.sort_by(|a, b| busy[*b].total_cmp(&busy[*a]));
        let Some(to) = shards.pop() else {
            return Verdict::Even;
        };
        let are_apart = |from: usize| {
            let apart = |look: &Look| look.busy[from] - look.busy[to] > APART;
            self.looks.iter().all(apart)
        };
        shards.retain(|from| are_apart(*from));
        if shards.is_empty() {
            self.account = None;
            return Verdict::Even;
        }
        if self.now < self.rests_until {
            return Verdict::Resting;
        }
        let found = shards
            .iter()
            .find_map(|from| self.choose(image, &busy, *from, to));
        let Some(wanted) = found else {
            return Verdict::NoneFits;
        };
        self.promise(&busy, &wanted);
        Verdict::Moves(wanted)
    }

    /// How busy each shard was over the last looks.
    fn mean_busy(&self) -> Vec<f64> {
        let count = self.looks.len() as f64;
        let shards = self.looks.front().map_or(0, |look| look.busy.len());
        let mean = |shard: usize| {
            let sum: f64 = self.looks.iter().map(|look| look.busy[shard]).sum();
            sum / count
        };
        (0..shards).map(mean).collect()
    }

    /// The partition of the shard `from` that makes it most like the shard `to` by going there.
    fn choose(&self, image: &Image, busy: &[f64], from: usize, to: usize) -> Option<Wanted> {
        let node = |shard| image.brokers.iter().nth(shard).map(|broker| broker.id);
        let (from_node, to_node) = (node(from)?, node(to)?);
        let apart = busy[from] - busy[to];
        let mut best: Option<Wanted> = None;
        for key in self.looks.back()?.costs.keys() {
            let cost = self.mean_cost(key, from);
            let fits = cost >= COST_MIN && cost <= apart / 2.0 + OVERSHOOT;
            if !fits || self.moved.contains_key(key) || !may_go(image, *key, from_node) {
                continue;
            }
            let rest = |cost: f64| (apart - 2.0 * cost).abs();
            if best.is_none_or(|best| rest(cost) < rest(best.cost)) {
                best = Some(Wanted {
                    key: *key,
                    from: from_node,
                    to: to_node,
                    from_busy: busy[from],
                    to_busy: busy[to],
                    cost,
                });
            }
        }
        best
    }

    /// What a partition was of the load of this shard, over the last looks.
    fn mean_cost(&self, key: &Key, shard: usize) -> f64 {
        let costs = self.looks.iter().filter_map(|look| look.costs.get(key));
        let here = costs.filter(|(of, _)| *of == shard);
        here.map(|(_, cost)| cost).sum::<f64>() / LOOKS as f64
    }

    /// Notes what a move should do.
    fn promise(&mut self, busy: &[f64], wanted: &Wanted) {
        let account = self.account.get_or_insert_with(|| Account {
            before: unevenness(busy),
            promised: 0.0,
        });
        let apart = wanted.from_busy - wanted.to_busy;
        account.promised += 2.0 * wanted.cost * (apart - wanted.cost);
    }

    /// Compares what moves have done with what they should have, once that is much: where it is
    /// less than half, what keeps the shards busy are not the partitions that were moved.
    fn settle(&mut self, now: f64) {
        let Some(account) = &self.account else { return };
        if account.promised < account.before / 2.0 {
            return;
        }
        let has_helped = account.before - now >= account.promised / 2.0;
        self.account = None;
        if has_helped {
            self.rest = REST;
        } else {
            self.rests_until = self.now + self.rest;
            self.rest = (2 * self.rest).min(REST_MAX);
        }
    }
}

/// How uneven shares are: the sum of the squares of how far they are from their mean.
fn unevenness(busy: &[f64]) -> f64 {
    let mean = busy.iter().sum::<f64>() / busy.len().max(1) as f64;
    busy.iter().map(|share| (share - mean).powi(2)).sum()
}

/// Whether a partition is with `node`, goes nowhere, and is not written by the broker itself.
fn may_go(image: &Image, (topic_id, index): Key, node: NodeId) -> bool {
    let topic = image.topics.with_id(topic_id);
    let topic = topic.filter(|topic| !topic.is_internal());
    let partition = topic.and_then(|topic| topic.partition(index));
    partition.is_some_and(|it| it.leader == node && it.replicas == [node] && it.adding.is_empty())
}

// === impl Verdict ===

impl Verdict {
    /// Its name in the metrics; after a move the shards are measured anew.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Hindered => "hindered",
            Verdict::Measuring | Verdict::Moves(_) => "measuring",
            Verdict::Even => "even",
            Verdict::NoneFits => "none fits",
            Verdict::Resting => "resting",
        }
    }
}

#[cfg(test)]
mod tests;
