//! Pure: what a walk happens in: the machine with its log and clocks, the topics, the settings.

use super::*;
use crate::base::ProducerId;

/// Records that a step writes at most: all members of a group at once, with their expressions.
const RECORDS_MAX: usize = 8 * CLIENTS;
/// Bytes that the groups of a walk take at most.
const BYTES_MAX: usize = 60_000;

/// What is in the log.
#[derive(Clone)]
pub enum Entry {
    /// A record, and the producer whose transaction it is part of.
    Record(Encoded, Option<ProducerId>),
    /// The end of a producer's transaction.
    Marker(ProducerId, bool),
}

/// A topic: its name, id, and count of partitions.
pub type OneTopic = (&'static str, u128, i32);

pub struct World {
    pub machine: GroupMachine,
    pub config: GroupConfig,
    pub now: Now,
    pub log: Vec<Entry>,
    pub replies: Vec<(Token, Reply)>,
    pub topics: Vec<OneTopic>,
    pub in_cluster: Topics,
    /// Settings of groups: group, name, value.
    settings: Vec<(&'static str, &'static str, &'static str)>,
    version: i64,
    pub asked: u64,
}

impl World {
    pub fn new() -> World {
        let config = GroupConfig {
            initial_rebalance_delay_ms: 500,
            ..GroupConfig::default()
        };
        let now = Now {
            instant: Instant(1_000_000_000),
            wall_ms: 1_000_000,
        };
        let mut world = World {
            machine: GroupMachine::new(config.clone()),
            config,
            now,
            log: Vec::new(),
            replies: Vec::new(),
            topics: Vec::new(),
            in_cluster: Topics::default(),
            settings: Vec::new(),
            version: 1,
            asked: 0,
        };
        world.act(|machine, now, out| machine.loaded(now, out));
        world
    }

    /// A number that no other call gives.
    pub fn fresh(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Lets the machine act; what it writes goes to the log, and what it answers is kept.
    pub fn act<T>(&mut self, act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome) -> T) -> T {
        let mut out = Outcome::default();
        let result = act(&mut self.machine, self.now, &mut out);
        let wrote = out.records.len();
        assert!(wrote <= RECORDS_MAX, "{wrote} records in one step");
        let producer = out.transaction.map(|it| it.producer_id);
        let records = out.records.into_iter();
        self.log
            .extend(records.map(|encoded| Entry::Record(encoded, producer)));
        self.replies.append(&mut out.replies);
        let bytes = self.machine.group_bytes;
        assert!(bytes <= BYTES_MAX, "groups take {bytes} bytes");
        assert!(self.machine.timers.len() <= 1 + GROUPS.len() * 5 * CLIENTS);
        result
    }

    /// Ends the transaction of a producer.
    pub fn end(&mut self, producer: ProducerId, committed: bool) {
        self.log.push(Entry::Marker(producer, committed));
        self.machine.replay_marker(producer, committed);
    }

    /// Lets time pass, stopping at every deadline on the way.
    pub fn pass(&mut self, ms: i64) {
        let end = self.now.instant.after_ms(ms);
        for _ in 0..1_000 {
            let next = self.machine.next_deadline().filter(|next| *next <= end);
            let target = next.unwrap_or(end).max(self.now.instant);
            self.now.wall_ms += target.since(self.now.instant).as_millis() as i64;
            self.now.instant = target;
            if next.is_none() {
                return;
            }
            self.act(|machine, now, out| machine.expire(now, out));
            self.work();
        }
        panic!("time does not pass: a deadline is set again and again");
    }

    /// Does all work that takes long.
    pub fn work(&mut self) {
        for _ in 0..1_000 {
            if !self.machine.has_work() {
                return;
            }
            self.act(|machine, now, out| machine.work(now, out));
        }
        panic!("work without end");
    }

    pub fn set(&mut self, group: &'static str, name: &'static str, value: &'static str) {
        self.settings.retain(|it| (it.0, it.1) != (group, name));
        self.settings.push((group, name, value));
        let topics = self.topics.clone();
        self.change_topics(topics);
    }

    /// The cluster's topics become these.
    pub fn change_topics(&mut self, topics: Vec<OneTopic>) {
        let before = std::mem::replace(&mut self.topics, topics);
        let is_in = |list: &[OneTopic], id: u128| list.iter().any(|it| it.1 == id);
        let after = &self.topics;
        let changed = before.iter().chain(after);
        let changed = changed.filter(|it| !before.contains(it) || !after.contains(it));
        let gone = before.iter().filter(|it| !is_in(after, it.1));
        let gone = gone.map(|it| (it.0.into(), TopicId(Uuid::from_u128(it.1))));
        self.version += 1;
        let cluster = samples::cluster_at(self.version, after, &self.settings);
        let change = Change {
            topics: cluster.clone(),
            names: changed.map(|it| it.0.into()).collect(),
            gone: gone.collect(),
            has_new: after.iter().any(|it| !is_in(&before, it.1)),
        };
        self.in_cluster = cluster;
        self.act(|machine, now, out| machine.follow(&change, now, out));
    }

    /// A machine that is loaded from the log.
    pub fn loaded(&self) -> GroupMachine {
        let machine = GroupMachine::new(self.config.clone());
        let mut machine = machine.in_cluster(self.in_cluster.clone());
        for (position, entry) in self.log.iter().enumerate() {
            match entry {
                Entry::Record(encoded, transaction) => {
                    let value = encoded.value.as_deref();
                    let record = Record::decode(Some(&encoded.key), value).unwrap();
                    let origin = Origin {
                        position: position as i64,
                        transaction: *transaction,
                    };
                    machine.replay(&record, origin);
                }
                Entry::Marker(producer, committed) => machine.replay_marker(*producer, *committed),
            }
        }
        machine
    }

    /// The process ends and another one loads the log.
    pub fn crash(&mut self) {
        self.replies.clear();
        self.machine = self.loaded();
        self.act(|machine, now, out| machine.loaded(now, out));
    }

    /// Keeps the newest record of each key among the first entries of the log, up to the first
    /// open transaction, as compaction does; with `forgets` also no tombstones.
    pub fn compact(&mut self, first: usize, forgets: bool) {
        let markers = self.log[..first].iter().filter_map(|entry| match entry {
            Entry::Marker(producer, committed) => Some((*producer, *committed)),
            Entry::Record(..) => None,
        });
        let ended: BTreeMap<_, _> = markers.collect();
        let is_open = |entry: &Entry| match entry {
            Entry::Record(_, Some(producer)) => !ended.contains_key(producer),
            _ => false,
        };
        let open = self.log.iter().position(is_open);
        let first = first.min(open.unwrap_or(first));
        let mut newest: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut kept = vec![true; self.log.len()];
        for (at, entry) in self.log[..first].iter_mut().enumerate() {
            let Entry::Record(encoded, transaction) = entry else {
                continue;
            };
            let producer = transaction.take();
            if producer.is_some_and(|producer| !ended[&producer]) {
                kept[at] = false;
                continue;
            }
            if let Some(older) = newest.insert(encoded.key.clone(), at) {
                kept[older] = false;
            }
            kept[at] = encoded.value.is_some() || !forgets;
        }
        let mut kept = kept.into_iter();
        self.log.retain(|_| kept.next().unwrap());
    }

    /// All that the machine's log keeps, in words; of a classic group only while its members are
    /// those of its record. A group that only a refused or an aborted commit has made is nothing.
    pub fn durable(machine: &GroupMachine) -> BTreeMap<Rc<str>, String> {
        let is_nothing = |id: &str, group: &AnyGroup| {
            let offsets = machine.fetch_all(id, false);
            group.is_empty() && group.protocol_type().is_empty() && offsets.is_empty()
        };
        let groups = machine.groups.iter();
        let groups = groups.filter(|(id, group)| !is_nothing(id, group));
        let groups = groups.map(|(id, group)| {
            let of_kind = match group {
                AnyGroup::Consumer(group) => group.durable(),
                AnyGroup::Classic(group) => match group.state.name() {
                    "Empty" | "Stable" => classic(group.current_value()),
                    _ => "rebalances".into(),
                },
            };
            let offsets = (machine.fetch_all(id, false), machine.fetch_all(id, true));
            (id.clone(), format!("{of_kind} {offsets:?}"))
        });
        groups.collect()
    }
}

/// The record of a classic group in words. It became stable later than its record says, as in
/// Kafka, and the order of its members has no meaning; one that only has offsets has no record.
fn classic(mut value: GroupValue) -> String {
    value
        .members
        .sort_by(|one, other| one.member_id.cmp(&other.member_id));
    if !value.members.is_empty() || value.protocol_type.is_empty() {
        value.state_timestamp = None;
    }
    format!("{value:?}")
}
