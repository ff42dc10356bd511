//! Pure: the order in which things must have happened, and whether it goes in circles.
//!
//! A client appends one thing after the other; a partition has its values in the order in which
//! they were appended; what a transaction does comes after what was committed before it began, and
//! after the end of each transaction whose values it has consumed. None of this can go in a circle.
//! Transactions at one time may stand in different order in two partitions: Kafka does not keep
//! them apart, so that such circles are counted, and are no fault.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Ending, History, Value};

/// What the order of transactions is like.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Groups of transactions that stand in different orders, which is no fault.
    pub interleaved: usize,
    /// The transactions of a circle that is a fault.
    pub cycle: Option<Vec<usize>>,
}

/// What comes after each thing, by their numbers.
type Edges = Vec<Vec<usize>>;

/// What happened: beginnings and ends of transactions, appends, and moments in time.
struct Events<'a> {
    history: &'a History,
    /// The transaction of each value.
    writers: &'a BTreeMap<Value, usize>,
    edges: Edges,
    /// The transaction of each event that belongs to one.
    owners: Vec<Option<usize>>,
    appends: BTreeMap<Value, usize>,
}

/// Looks for circles. `writers` knows the transaction of each value.
pub fn order(history: &History, writers: &BTreeMap<Value, usize>) -> Order {
    let mut events = Events {
        history,
        writers,
        edges: Vec::new(),
        owners: Vec::new(),
        appends: BTreeMap::new(),
    };
    events.add_transactions();
    events.add_time();
    events.add_partitions();
    let parts = components(&events.edges);
    let cycle = parts.into_iter().find(|part| part.len() > 1).map(|part| {
        let owners = part.iter().filter_map(|event| events.owners[*event]);
        let owners: BTreeSet<usize> = owners.collect();
        owners.into_iter().collect()
    });
    let parts = components(&appended(history, writers));
    Order {
        interleaved: parts.iter().filter(|part| part.len() > 1).count(),
        cycle,
    }
}

/// Which transactions stand before which in some partition.
fn appended(history: &History, writers: &BTreeMap<Value, usize>) -> Edges {
    let mut edges: Edges = vec![Vec::new(); history.transactions.len()];
    for records in history.held.values() {
        let of = records.iter().filter_map(|(_, value)| writers.get(value));
        let of: Vec<usize> = of.copied().collect();
        for pair in of.windows(2).filter(|pair| pair[0] != pair[1]) {
            edges[pair[0]].push(pair[1]);
        }
    }
    edges
}

/// The events at which a transaction begins and ends.
fn begin(transaction: usize) -> usize {
    2 * transaction
}

fn end(transaction: usize) -> usize {
    2 * transaction + 1
}

impl Events<'_> {
    fn add(&mut self, owner: Option<usize>) -> usize {
        self.edges.push(Vec::new());
        self.owners.push(owner);
        self.edges.len() - 1
    }

    /// Each transaction from its beginning to its end, in its client's order, and behind the ends
    /// of those whose values it has consumed.
    fn add_transactions(&mut self) {
        let history = self.history;
        for number in 0..history.transactions.len() {
            self.add(Some(number));
            self.add(Some(number));
        }
        for (number, transaction) in history.transactions.iter().enumerate() {
            let mut last = begin(number);
            for (_, value, _) in &transaction.appended {
                let event = self.add(Some(number));
                self.edges[last].push(event);
                self.appends.insert(*value, event);
                last = event;
            }
            self.edges[last].push(end(number));
            let values = transaction.consumed.iter().flat_map(|part| &part.values);
            for writer in values.filter_map(|value| self.writers.get(value)) {
                self.edges[end(*writer)].push(begin(number));
            }
        }
    }

    /// What was committed before another began.
    fn add_time(&mut self) {
        let transactions = &self.history.transactions;
        let all = 0..transactions.len();
        let committed = all.filter(|at| transactions[*at].ending == Ending::Committed);
        let mut ends: Vec<usize> = committed.collect();
        ends.sort_by_key(|at| transactions[*at].ended);
        let mut moments: Vec<usize> = Vec::new();
        for at in &ends {
            let moment = self.add(None);
            self.edges[end(*at)].push(moment);
            if let Some(before) = moments.last() {
                self.edges[*before].push(moment);
            }
            moments.push(moment);
        }
        for (number, transaction) in transactions.iter().enumerate() {
            let before = ends.partition_point(|at| transactions[*at].ended < transaction.begun);
            if before > 0 {
                self.edges[moments[before - 1]].push(begin(number));
            }
        }
    }

    /// Values of one partition in their order.
    fn add_partitions(&mut self) {
        for records in self.history.held.values() {
            let events = records.iter().map(|(_, value)| self.appends[value]);
            let events: Vec<usize> = events.collect();
            for pair in events.windows(2) {
                self.edges[pair[0]].push(pair[1]);
            }
        }
    }
}

/// The strongly connected components (Tarjan's algorithm, without recursion).
fn components(edges: &Edges) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let count = edges.len();
    let (mut number, mut lowest) = (vec![UNSEEN; count], vec![0; count]);
    let mut is_open = vec![false; count];
    let (mut open, mut found, mut next) = (Vec::new(), Vec::new(), 0);
    for root in 0..count {
        if number[root] != UNSEEN {
            continue;
        }
        let mut path = vec![(root, 0)];
        while let Some((node, edge)) = path.pop() {
            if edge == 0 {
                (number[node], lowest[node]) = (next, next);
                next += 1;
                open.push(node);
                is_open[node] = true;
            } else {
                let child = edges[node][edge - 1];
                if is_open[child] {
                    lowest[node] = lowest[node].min(lowest[child]);
                }
            }
            if let Some(child) = edges[node].get(edge) {
                path.push((node, edge + 1));
                if number[*child] == UNSEEN {
                    path.push((*child, 0));
                }
            } else if lowest[node] == number[node] {
                let from = open.iter().position(|it| *it == node).unwrap_or(0);
                let part: Vec<usize> = open.split_off(from);
                part.iter().for_each(|it| is_open[*it] = false);
                found.push(part);
            }
        }
    }
    found
}
