//! Pure: a random walk from a seed, of some transactional ids and their producers. After every step
//! the machine is dropped and loaded from its log: what is durable must be the same.

use super::super::state::Partitions;
use super::*;
use crate::coordinator::record::transaction::TransactionState;

const IDS: [&str; 3] = ["a", "b", "c"];
const STEPS: usize = 4_000;

struct Walk {
    story: Story,
    random: fastrand::Rng,
    /// Producers that were given out, those of late ones too: any of them may come again.
    known: BTreeMap<&'static str, Vec<Producer>>,
    /// How often an id came into each state.
    seen: BTreeMap<&'static str, usize>,
    next_id: ProducerId,
    /// Markers that were handed out and are not written.
    under_way: Vec<Markers>,
    version: i16,
    tokens: u64,
    /// The id that each request was about.
    askers: BTreeMap<Token, &'static str>,
}

/// A state may be followed by these (`TransactionState.validPreviousStates` of Kafka).
fn may_follow(before: Option<TransactionState>, after: TransactionState) -> bool {
    use TransactionState::*;
    match after {
        Empty => matches!(before, None | Some(Empty | CompleteCommit | CompleteAbort)),
        Ongoing => matches!(
            before,
            Some(Ongoing | Empty | CompleteCommit | CompleteAbort)
        ),
        PrepareCommit => before == Some(Ongoing),
        PrepareAbort => {
            matches!(
                before,
                Some(Ongoing | Empty | CompleteCommit | CompleteAbort)
            )
        }
        CompleteCommit => before == Some(PrepareCommit),
        CompleteAbort => before == Some(PrepareAbort),
        Dead | PrepareEpochFence => false,
    }
}

impl Walk {
    fn new(seed: u64, version: i16) -> Walk {
        let mut story = Story::new();
        story.machine.version = version;
        Walk {
            story,
            random: fastrand::Rng::with_seed(seed),
            known: BTreeMap::new(),
            seen: BTreeMap::new(),
            next_id: 1,
            under_way: Vec::new(),
            version,
            tokens: 0,
            askers: BTreeMap::new(),
        }
    }

    fn id(&mut self) -> &'static str {
        IDS[self.random.usize(..IDS.len())]
    }

    /// Mostly the newest producer of an id, else an older one, or one that never was.
    fn producer(&mut self, id: &str) -> Producer {
        let known = self.known.get(id).map_or(&[][..], Vec::as_slice);
        match (self.random.u8(..10), known) {
            (_, []) | (0, _) => Producer {
                id: self.random.i64(0..5),
                epoch: self.random.i16(-1..3),
            },
            (1, known) => known[self.random.usize(..known.len())],
            (_, [.., last]) => *last,
        }
    }

    fn partitions(&mut self) -> Vec<TopicPartition> {
        let count = self.random.usize(..3);
        let one = |_| {
            let topic = ["t", "u"][self.random.usize(..2)];
            (topic.into(), self.random.i32(0..3))
        };
        (0..count).map(one).collect()
    }

    fn fresh_id(&mut self) -> Option<ProducerId> {
        self.next_id += 1;
        Some(self.next_id)
    }

    fn request(&mut self) -> (&'static str, Request) {
        let id = self.id();
        let producer = self.producer(id);
        let client_version = if self.random.bool() { self.version } else { 0 };
        let request = match self.random.u8(..8) {
            0 => Request::Init(Init {
                id: id.into(),
                timeout_ms: 30_000,
                expected: self.random.bool().then_some(producer),
                fresh_id: self.fresh_id(),
            }),
            1..=4 => Request::Add(Add {
                id: id.into(),
                producer,
                partitions: self.partitions(),
                client_version,
            }),
            _ => Request::End(End {
                id: id.into(),
                producer,
                committed: self.random.bool(),
                client_version,
                fresh_id: self.fresh_id(),
            }),
        };
        (id, request)
    }

    fn step(&mut self) {
        let before = self.durable();
        let from = self.story.log.len();
        match self.random.u8(..20) {
            0..=11 => self.ask(),
            12..=15 => self.write_markers(),
            16 | 17 => {
                self.tokens += 1;
                let token = Token(self.tokens);
                self.act(|machine, now, out| {
                    machine.handle(token, Request::NextMarkers(None), now, out);
                });
            }
            18 => {
                let ms = self.random.i64(0..20_000);
                self.story.pass(ms);
                self.act(|machine, now, out| {
                    machine.expire(now, out);
                    while machine.has_work() {
                        machine.work(now, out);
                    }
                });
            }
            _ => {
                self.use_up_epochs();
                return self.crash();
            }
        }
        self.check_records(before, from);
        self.crash();
    }

    fn ask(&mut self) {
        let (id, request) = self.request();
        self.tokens += 1;
        let token = Token(self.tokens);
        self.askers.insert(token, id);
        self.act(|machine, now, out| {
            machine.handle(token, request, now, out);
        });
    }

    /// Lets the machine act, and looks at what is told: to producers, and of markers.
    fn act(&mut self, act: impl FnOnce(&mut TransactionMachine, Now, &mut Outcome)) {
        let mut replies = Vec::new();
        self.story.step(|machine, now, out| {
            act(machine, now, out);
            replies = std::mem::take(&mut out.replies);
        });
        for (token, reply) in replies {
            match reply {
                Reply::Producer(Ok(producer)) if producer != Producer::NONE => {
                    let id = self.askers[&token];
                    self.known.entry(id).or_default().push(producer);
                    assert!(
                        producer.epoch >= 0 && producer.epoch < i16::MAX,
                        "{producer:?}"
                    );
                }
                Reply::Markers(wanted) => self.under_way.extend(wanted.transactions),
                Reply::Producer(_) | Reply::Added(_) => {}
            }
        }
    }

    fn write_markers(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let at = self.random.usize(..self.under_way.len());
        let markers = self.under_way[at].clone();
        let some = markers.partitions.iter().filter(|_| self.random.bool());
        let some: Vec<_> = some.cloned().collect();
        let mut goes_on = true;
        self.act(|machine, now, out| {
            goes_on = machine.marked(&markers.id, markers.producer, &some, now, out);
        });
        if !goes_on {
            self.under_way.swap_remove(at);
        }
    }

    /// Brings an id without a transaction near its last epoch.
    fn use_up_epochs(&mut self) {
        let id: Rc<str> = self.id().into();
        let Some(found) = self.story.machine.transactions.get(&id) else {
            return;
        };
        if !found.durable.is_idle() || found.durable.producer.epoch >= i16::MAX - 3 {
            return;
        }
        let mut next = found.durable.clone();
        next.producer.epoch = i16::MAX - 3;
        self.known
            .entry(self.id_of(&id))
            .or_default()
            .push(next.producer);
        self.story
            .step(|machine, _, out| machine.write(&id, next, -1, out));
    }

    fn id_of(&self, id: &str) -> &'static str {
        IDS.iter().find(|known| **known == id).unwrap()
    }

    fn durable(&self) -> BTreeMap<Rc<str>, Durable> {
        let transactions = self.story.machine.transactions.iter();
        transactions
            .map(|(id, it)| (id.clone(), self.written(&it.durable)))
            .collect()
    }

    /// What of it the records of this version have room for.
    fn written(&self, durable: &Durable) -> Durable {
        let previous_id = match self.version {
            0 => -1,
            _ => durable.previous_id,
        };
        Durable {
            previous_id,
            ..durable.clone()
        }
    }

    /// Every record is one that may follow the one before, and no epoch goes down.
    fn check_records(&mut self, mut before: BTreeMap<Rc<str>, Durable>, from: usize) {
        for encoded in &self.story.log[from..] {
            let record = TransactionRecord::decode(Some(&encoded.key), encoded.value.as_deref());
            let TransactionRecord::State(id, value) = record.unwrap() else {
                panic!("a record of another kind");
            };
            let Some(value) = value else {
                assert!(before.remove(&id).unwrap().is_idle(), "{id} was forgotten");
                continue;
            };
            let after = Durable::of(&value);
            *self.seen.entry(after.state.name()).or_default() += 1;
            let was = before.get(&id);
            let state = was.map(|was| was.state);
            assert!(
                may_follow(state, after.state),
                "{state:?} to {:?}",
                after.state
            );
            if let Some(was) = was {
                let same_id = was.producer.id == after.producer.id;
                let is_higher = after.producer.epoch >= was.producer.epoch;
                assert!(if same_id {
                    is_higher
                } else {
                    after.producer.epoch == 0
                });
                let ends = after.state == TransactionState::PrepareCommit
                    || after.state == TransactionState::PrepareAbort;
                assert!(!ends || was.partitions == after.partitions);
            }
            let is_idle = after.is_idle();
            assert!(!is_idle || after.partitions == Partitions::default());
            before.insert(id, after);
        }
        assert_eq!(before, self.durable());
    }

    /// The process ends and another one loads the log: all that is durable is there, and what was
    /// decided is handed out again.
    fn crash(&mut self) {
        let before = self.durable();
        if self.random.u8(..24) > 0 {
            // The same, beside the machine that goes on.
            let mut other = Story::new();
            other.machine.version = self.version;
            other.log.clone_from(&self.story.log);
            let length = other.log.len();
            other.reload();
            assert!(other.log.len() == length || self.has_empty_prepared());
            for (id, loaded) in &other.machine.transactions {
                assert_eq!(loaded.durable, before[id], "{id}");
            }
            assert_eq!(other.machine.transactions.len(), before.len());
            return;
        }
        self.under_way.clear();
        self.story.reload();
        assert_eq!(before, self.durable());
        let prepared = before.values().filter(|it| it.is_prepared()).count();
        assert_eq!(self.story.machine.decided.len(), prepared);
    }

    fn has_empty_prepared(&self) -> bool {
        let durable = self.durable();
        durable
            .values()
            .any(|it| it.is_prepared() && it.partitions.is_empty())
    }
}

#[test]
fn every_walk_keeps_what_is_durable_and_goes_by_the_rules() {
    for seed in 0..6 {
        let version = if seed % 3 == 0 { 0 } else { 2 };
        let mut walk = Walk::new(seed, version);
        for step in 0..STEPS {
            walk.story.out.clear();
            walk.step();
            // Logs grow with the steps, and are loaded at each.
            if step % 200 == 199 {
                walk.compact();
            }
        }
        let seen = walk.seen.values();
        assert!(
            walk.seen.len() == 6 && seen.min() > Some(&30),
            "{:?}",
            walk.seen
        );
    }
}

impl Walk {
    /// Keeps the newest record of each id only, as the log's compaction does.
    fn compact(&mut self) {
        let mut newest: Vec<Encoded> = Vec::new();
        for encoded in self.story.log.drain(..) {
            newest.retain(|older| older.key != encoded.key);
            newest.push(encoded);
        }
        self.story.log = newest;
    }
}
