//! Drives: topics that come into being because a client asks for them: those of
//! `auto.create.topics.enable`, and those that keep groups and transactions.
//!
//! Clients that race for one topic are taken for one creation, on a shard by the list of those
//! under way and between shards by the controller, to which the second request is no error.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::Shard;
use super::ask_controller::{self, Created};
use super::coordinators::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use crate::base::config::BrokerConfig;
use crate::base::limits::{AUTO_CREATE_PARTITIONS_MAX, AUTO_CREATE_TOPICS_MAX};
use crate::base::lines::Lines;
use crate::base::{ErrorCode, Instant, limits};
use crate::io::event::Bell;
use crate::metadata::controller::decide::{CreateTopicError, METADATA_TOPIC, check_topic_name};
use crate::metadata::controller::{CreateTopicResult, CreateTopics, NewTopic};
use crate::metadata::image::is_internal;

/// The topics that a shard has asked the controller to create and has no answer for yet.
#[derive(Default)]
pub struct AutoCreate {
    under_way: RefCell<HashMap<String, Rc<Creation>>>,
    /// What the log is told of them.
    lines: Lines,
}

/// One request to the controller.
#[derive(Default)]
struct Creation {
    is_done: Cell<bool>,
    done: Bell,
}

/// Creates those of `names` that may be created, with the defaults that topics have, and waits
/// until the controller has decided: then the shard's image says what there is. Names beyond what
/// may be under way at a time are left out; their clients ask again, as for any unknown topic.
pub async fn create(shard: &Rc<Shard>, names: &[&str]) {
    for creation in start(shard, names) {
        while !creation.is_done.get() {
            creation.done.wait().await;
        }
    }
}

/// Begins what is not under way; the creations that `names` need, each once.
fn start(shard: &Rc<Shard>, names: &[&str]) -> Vec<Rc<Creation>> {
    let config = shard.config();
    // They have settings of their own, and more partitions than others.
    let (own, others): (Vec<&str>, Vec<&str>) = names
        .iter()
        .filter(|name| is_our_own(name) || is_allowed(name))
        .partition(|name| is_our_own(name));
    let mut wanted = Vec::new();
    for names in [own, others] {
        let (new, creation) =
            shard
                .auto_create
                .take_up(&names, at_once(config.num_partitions), &mut wanted);
        if !new.is_empty() {
            let topics = new.iter().map(|name| new_topic(&config, name)).collect();
            shard.runtime().spawn(run(shard.clone(), creation, topics));
        }
    }
    wanted
}

/// Whether this broker's coordinators keep what they know in the topic.
fn is_our_own(name: &str) -> bool {
    name == OFFSETS_TOPIC || name == TRANSACTIONS_TOPIC
}

fn is_allowed(name: &str) -> bool {
    !is_internal(name) && name != METADATA_TOPIC && check_topic_name(name).is_ok()
}

/// How many topics one request to the controller may create.
fn at_once(partitions_each: i32) -> usize {
    let each = usize::try_from(partitions_each).unwrap_or(1).max(1);
    (AUTO_CREATE_PARTITIONS_MAX / each).max(1)
}

fn new_topic(config: &BrokerConfig, name: &str) -> NewTopic {
    match name {
        OFFSETS_TOPIC => offsets_topic(config),
        TRANSACTIONS_TOPIC => transactions_topic(config),
        name => NewTopic::new(name, -1),
    }
}

fn set(name: &str, value: impl ToString) -> (String, Option<String>) {
    (name.to_owned(), Some(value.to_string()))
}

/// As Kafka creates it (`TransactionStateManager.transactionTopicConfigs`).
fn transactions_topic(config: &BrokerConfig) -> NewTopic {
    let transactions = &config.transactions;
    NewTopic {
        name: TRANSACTIONS_TOPIC.to_owned(),
        partitions: transactions.topic_partitions,
        replication_factor: transactions.topic_replication_factor,
        assignments: Vec::new(),
        configs: vec![
            set("unclean.leader.election.enable", false),
            set("compression.type", "uncompressed"),
            set("cleanup.policy", "compact"),
            set("min.insync.replicas", transactions.topic_min_in_sync),
            set("segment.bytes", transactions.topic_segment_bytes),
        ],
    }
}

fn offsets_topic(config: &BrokerConfig) -> NewTopic {
    let offsets = &config.offsets;
    NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        partitions: offsets.topic_partitions,
        replication_factor: offsets.topic_replication_factor,
        assignments: Vec::new(),
        configs: vec![
            set("cleanup.policy", "compact"),
            set("compression.type", "producer"),
            set("segment.bytes", offsets.topic_segment_bytes),
        ],
    }
}

/// A task of its own: the client that asked first may go while others wait for the same topics.
async fn run(shard: Rc<Shard>, creation: Rc<Creation>, topics: Vec<NewTopic>) {
    if shard.config().cluster.is_some() {
        match ask_controller::create_topics(&shard, topics).await {
            Ok(results) => results
                .iter()
                .for_each(|one| report_of_cluster(&shard, one)),
            Err(reason) => report_undecided(&shard, &reason),
        }
        return shard.auto_create.finish(&creation);
    }
    match shard.control.create_topics(CreateTopics::new(topics)).await {
        Ok(results) => results.iter().for_each(|result| report(&shard, result)),
        Err(reason) => report_undecided(&shard, &reason),
    }
    shard.auto_create.finish(&creation);
}

fn report_undecided(shard: &Shard, reason: &dyn std::error::Error) {
    if shard.auto_create.may_log(shard.runtime().now()) {
        tracing::warn!(%reason, "topics that clients asked for were not created");
    }
}

fn report_of_cluster(shard: &Shard, result: &Created) {
    let Created { name, code, text } = result;
    match *code {
        // Another broker was asked at the same time.
        ErrorCode::TOPIC_ALREADY_EXISTS => tracing::debug!(name, "created elsewhere meanwhile"),
        _ if !shard.auto_create.may_log(shard.runtime().now()) => {}
        ErrorCode::NONE => tracing::info!(topic = name, "created on first use"),
        code => tracing::warn!(topic = name, ?code, text, "not created on first use"),
    }
}

fn report(shard: &Shard, result: &CreateTopicResult) {
    let topic = &result.name;
    match &result.result {
        // Another shard was asked at the same time.
        Err(CreateTopicError::Exists(_)) => tracing::debug!(topic, "created elsewhere meanwhile"),
        _ if !shard.auto_create.may_log(shard.runtime().now()) => {}
        Ok(created) => {
            tracing::info!(
                topic,
                partitions = created.partitions,
                "created on first use"
            );
        }
        Err(error) => tracing::warn!(topic, %error, "not created on first use"),
    }
}

// === impl AutoCreate ===

impl AutoCreate {
    /// Whether the log takes one more line now: clients decide how many there are.
    fn may_log(&self, now: Instant) -> bool {
        self.lines.may_write(now, limits::FIRST_USE_LINES_MAX)
    }

    /// How many lines the log did not get, once that is to be said.
    pub fn lines_left_out(&self, now: Instant) -> Option<u64> {
        self.lines.left_out(now)
    }

    /// Notes as under way those of `names` that are not, at most `at_once` of them and no more
    /// than there are places for; what `names` need is added to `wanted`.
    fn take_up(
        &self,
        names: &[&str],
        at_once: usize,
        wanted: &mut Vec<Rc<Creation>>,
    ) -> (Vec<String>, Rc<Creation>) {
        let creation = Rc::new(Creation::default());
        let mut new = Vec::new();
        let mut under_way = self.under_way.borrow_mut();
        for name in names {
            if let Some(known) = under_way.get(*name) {
                // Its own creation, where a name stands twice, is added below.
                let is_known = |one: &Rc<Creation>| Rc::ptr_eq(one, known);
                if !Rc::ptr_eq(known, &creation) && !wanted.iter().any(is_known) {
                    wanted.push(known.clone());
                }
            } else if new.len() < at_once && under_way.len() < AUTO_CREATE_TOPICS_MAX {
                under_way.insert((*name).to_owned(), creation.clone());
                new.push((*name).to_owned());
            }
        }
        if !new.is_empty() {
            wanted.push(creation.clone());
        }
        (new, creation)
    }

    /// What `creation` was for is decided.
    fn finish(&self, creation: &Rc<Creation>) {
        let mut under_way = self.under_way.borrow_mut();
        under_way.retain(|_, one| !Rc::ptr_eq(one, creation));
        creation.is_done.set(true);
        creation.done.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_up(all: &AutoCreate, names: &[&str]) -> (Vec<String>, Rc<Creation>, usize) {
        let mut wanted = Vec::new();
        let (new, creation) = all.take_up(names, 4, &mut wanted);
        (new, creation, wanted.len())
    }

    #[test]
    fn clients_that_race_for_a_topic_share_its_creation() {
        let all = AutoCreate::default();
        let (new, first, wanted) = take_up(&all, &["a", "b", "a"]);
        assert_eq!((new, wanted), (vec!["a".to_owned(), "b".to_owned()], 1));
        let (new, second, wanted) = take_up(&all, &["b", "a", "c"]);
        assert_eq!((new, wanted), (vec!["c".to_owned()], 2));
        all.finish(&first);
        assert!(first.is_done.get() && !second.is_done.get());
        // Deleted since, or not created: it is begun anew.
        let (new, _, wanted) = take_up(&all, &["a", "c"]);
        assert_eq!((new, wanted), (vec!["a".to_owned()], 2));
    }

    #[test]
    fn a_client_that_asks_for_many_names_has_few_created_at_a_time() {
        let all = AutoCreate::default();
        let names: Vec<String> = (0..2 * AUTO_CREATE_TOPICS_MAX)
            .map(|i| i.to_string())
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (new, first, wanted) = take_up(&all, &names);
        assert_eq!((new.len(), wanted), (4, 1));
        let mut creations = vec![first];
        while let (new, creation, _) = take_up(&all, &names)
            && !new.is_empty()
        {
            creations.push(creation);
        }
        assert_eq!(all.under_way.borrow().len(), AUTO_CREATE_TOPICS_MAX);
        creations.iter().for_each(|creation| all.finish(creation));
        assert!(all.under_way.borrow().is_empty());
        assert_eq!(
            [at_once(1), at_once(100), at_once(50_000)],
            [10_000, 100, 1]
        );
    }

    #[test]
    fn names_that_are_no_topics_of_clients_are_left_alone() {
        for name in ["__transaction_state", "__cluster_metadata", "", "a b", ".."] {
            assert!(!is_allowed(name), "{name:?}");
        }
        assert!(is_allowed("orders"));
    }
}
