//! Pure: a random walk from a seed, of consumer groups and their clients, of both protocols. After
//! every step the machine is loaded from its log, too: what is durable must be the same.
//!
//! `WALK_SEED` is the first seed, `WALK_RUNS` how many there are; the usual ones take seconds.

mod checks;
mod classic;
mod client;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::coordinator::group::consumer::assign::Partitions;
use crate::coordinator::group::mutant::{Mutant, plant};
use crate::coordinator::group::samples;
use crate::coordinator::runtime::InTransaction;
use client::{Client, Phase};
use world::World;

const GROUPS: [&str; 2] = ["g", "h"];
/// Clients at one time.
const CLIENTS: usize = 10;
const STEPS: usize = 1_500;
/// A planted bug must be found within so many seeds.
const FOUND_WITHIN: u64 = 8;
/// Settled is what goes on for so long, in milliseconds, with all clients as they should be.
const QUIET_MS: i64 = 150_000;
const NAMES: [&str; 4] = ["a", "ab", "b", "c"];
const REGEXES: [&str; 4] = ["a.*", "b|c", ".*", "none"];

struct Walk {
    world: World,
    random: fastrand::Rng,
    clients: Vec<Client>,
    /// Producers whose transactions are open.
    open: Vec<i64>,
    /// Of how many in four new clients the protocol is the classic one, for now.
    classic: u8,
    /// How often something was seen: kinds of groups, changes between them, what settled.
    seen: BTreeMap<&'static str, usize>,
}

impl Walk {
    fn new(seed: u64) -> Walk {
        Walk {
            world: World::new(),
            random: fastrand::Rng::with_seed(seed),
            clients: Vec::new(),
            open: Vec::new(),
            classic: 1,
            seen: BTreeMap::new(),
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn names(&mut self) -> Vec<Rc<str>> {
        let names = NAMES.iter().filter(|_| self.random.bool());
        names.map(|name| Rc::from(*name)).collect()
    }

    fn step(&mut self) {
        let kinds = GROUPS.map(|id| self.kind(id));
        let at = match self.clients.len() {
            0 => None,
            count => Some(self.random.usize(..count)),
        };
        match (self.random.u8(..100), at) {
            (0..=49, Some(at)) => self.go(at),
            (50..=53, Some(at)) if self.clients[at].classic.is_none() => self.bad_heartbeat(at),
            (54..=57, Some(at)) => self.subscribe(at),
            (58..=62, Some(at)) => self.leave(at),
            (63, Some(at)) => {
                // It ends without a word.
                self.clients.swap_remove(at);
            }
            (64..=71, Some(at)) => self.commit(at),
            (72..=81, _) => self.start(),
            (82..=84, _) => self.change_topics(),
            (85, _) => self.change_settings(),
            (86, _) => self.leave_for_the_other_protocol(),
            (87, _) => {
                let token = Token(self.world.fresh());
                let id = GROUPS[self.random.usize(..2)].into();
                self.world
                    .act(|machine, _, out| machine.delete(token, &id, out));
            }
            (88, _) => {
                let ms = self.random.i64(10_000..60_000);
                self.world.pass(ms);
            }
            (89..=90, _) => {
                let first = self.random.usize(..=self.world.log.len());
                self.world.compact(first, self.random.bool());
            }
            _ => {
                let ms = self.random.i64(0..3_000);
                self.world.pass(ms);
            }
        }
        if self.random.u8(..3) > 0 {
            self.world.work();
        }
        self.take_replies();
        for (id, before) in GROUPS.into_iter().zip(kinds) {
            self.note_change(id, before);
        }
        self.check();
    }

    fn kind(&self, id: &str) -> &'static str {
        let group = self.world.machine.groups.get(id);
        group.map_or("none", |group| match group.is_empty() {
            true => "empty",
            false => group.kind(),
        })
    }

    fn note_change(&mut self, id: &str, before: &str) {
        match (before, self.kind(id)) {
            ("classic", "consumer") => self.note("upgrade"),
            ("consumer", "classic") => {
                self.note("downgrade");
                let clients = self.clients.iter_mut().filter(|it| it.group == id);
                clients.for_each(|client| client.is_adopted = true);
            }
            (_, now) => self.note(now),
        }
    }

    /// A client does what is next for it.
    fn go(&mut self, at: usize) {
        if self.clients[at].classic.is_some() {
            return self.go_on(at);
        }
        if self.random.bool() {
            self.clients[at].obey();
        }
        let is_lost = self.random.u8(..12) == 0;
        self.heartbeat(at, is_lost);
    }

    fn subscribe(&mut self, at: usize) {
        let topics = self.names();
        let has_regex = self.random.u8(..3) == 0;
        let regex = REGEXES[self.random.usize(..REGEXES.len())];
        let client = &mut self.clients[at];
        client.topics = topics;
        match &mut client.classic {
            Some(phase) if *phase == Phase::In => *phase = Phase::Out,
            Some(_) => {}
            None => {
                client.regex = Some(if has_regex { regex } else { "" }.into());
                client.tells_all = true;
            }
        }
    }

    /// A new client comes, perhaps with the instance id of another one.
    fn start(&mut self) {
        if self.clients.len() == CLIENTS {
            return;
        }
        if self.random.u8(..8) == 0 {
            self.classic = self.random.u8(..=4);
        }
        let is_classic = self.random.u8(..4) < self.classic;
        let instance = self.random.u8(..3) == 0;
        let instance = instance.then(|| ["i0", "i1", "i2"][self.random.usize(..3)]);
        let id = match is_classic {
            true => String::new(),
            false => format!("m{}", self.world.fresh()),
        };
        let assignor = match self.random.u8(..12) {
            0 => Some("range"),
            1 => Some("uniform"),
            _ => None,
        };
        let topics = self.names();
        self.clients.push(Client {
            group: GROUPS[self.random.usize(..2)],
            classic: is_classic.then_some(Phase::Out),
            id: id.into(),
            instance,
            epoch: 0,
            topics,
            regex: (self.random.u8(..6) == 0).then(|| REGEXES[0].into()),
            assignor,
            owned: Partitions::new(),
            told: Partitions::new(),
            said: Partitions::new(),
            tells_all: false,
            is_adopted: false,
        });
        self.go(self.clients.len() - 1);
    }

    /// All clients of a group that speak one of the protocols leave.
    fn leave_for_the_other_protocol(&mut self) {
        let (group, is_classic) = (GROUPS[self.random.usize(..2)], self.random.bool());
        for at in (0..self.clients.len()).rev() {
            let client = &self.clients[at];
            if client.group == group && client.classic.is_some() == is_classic {
                self.leave(at);
            }
        }
    }

    fn change_topics(&mut self) {
        let mut topics = self.world.topics.clone();
        let name = NAMES[self.random.usize(..NAMES.len())];
        match topics.iter().position(|it| it.0 == name) {
            None => {
                let id = u128::from(self.world.fresh()) + 1_000;
                topics.push((name, id, self.random.i32(1..5)));
            }
            Some(at) if self.random.u8(..3) == 0 => {
                topics.swap_remove(at);
            }
            Some(at) if topics[at].2 < 8 => topics[at].2 += self.random.i32(1..3),
            Some(_) => {}
        }
        self.world.change_topics(topics);
    }

    fn change_settings(&mut self) {
        let group = GROUPS[self.random.usize(..2)];
        let (name, values) = match self.random.u8(..3) {
            0 => ("consumer.session.timeout.ms", ["45000", "60000"]),
            1 => ("consumer.heartbeat.interval.ms", ["5000", "6000"]),
            _ => ("consumer.assignment.interval.ms", ["0", "2000"]),
        };
        let value = values[self.random.usize(..2)];
        self.world.set(group, name, value);
    }
}

// === impl Walk: offsets ===

impl Walk {
    /// A client commits, perhaps for a wrong epoch, perhaps in a transaction.
    fn commit(&mut self, at: usize) {
        if !self.open.is_empty() && self.random.bool() {
            let producer = self.open.swap_remove(0);
            let committed = self.random.bool();
            return self.world.end(producer, committed);
        }
        let client = &self.clients[at];
        let group = client.group;
        let known = self.world.machine.consumer(group);
        let known = known.and_then(|of| Some((of, of.epochs_of(&client.id)?.0)));
        let shift = [0, 0, 1, -1][self.random.usize(..4)];
        let is_transactional = self.random.u8(..3) == 0;
        let topic = CommitTopic {
            name: "a".into(),
            id: TopicId::ZERO,
            partitions: vec![samples::partition(0, self.random.i64(0..100))],
        };
        let mut commit = samples::commit(group, vec![topic]);
        commit.member_id = client.id.clone();
        commit.generation = client.epoch + shift;
        let expected = known.filter(|(_, epoch)| *epoch > 0 && commit.generation >= 0);
        let expected = expected.map(|(of, epoch)| {
            let stale = match is_transactional || of.is_classic_member(&client.id) {
                true => GroupError::IllegalGeneration,
                false => GroupError::StaleMemberEpoch,
            };
            (commit.generation != epoch).then_some(stale)
        });
        if is_transactional {
            let producer_id = self.world.fresh() as i64;
            commit.transaction = Some(InTransaction {
                producer_id,
                producer_epoch: 0,
                guard: None,
            });
            self.open.push(producer_id);
        }
        let result = self
            .world
            .act(|machine, now, out| machine.commit(&commit, now, out));
        if let Some(expected) = expected {
            let partition = result.as_ref().ok().map(|all| all[0][0].1);
            let error = partition.unwrap_or(result.map(drop)).err();
            assert_eq!(error, expected, "{commit:?}");
        }
    }
}

fn walk(seed: u64) -> BTreeMap<&'static str, usize> {
    let mut walk = Walk::new(seed);
    for step in 0..STEPS {
        walk.step();
        if step % 250 == 249 {
            walk.settle();
            walk.check();
        }
        // Logs grow with the steps, and are loaded at each.
        if step % 40 == 39 {
            let all = walk.world.log.len();
            walk.world.compact(all, false);
        }
    }
    walk.seen
}

fn number(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_walk_of_consumer_groups_keeps_what_is_durable_and_settles() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let (first, runs) = (number("WALK_SEED", 0), number("WALK_RUNS", 4));
    for seed in first..first + runs {
        let of_walk = catch_unwind(AssertUnwindSafe(|| walk(seed)));
        let of_walk = of_walk.unwrap_or_else(|_| panic!("WALK_SEED={seed} finds something"));
        for (what, count) in of_walk {
            *seen.entry(what).or_default() += count;
        }
    }
    eprintln!("seen: {seen:?}");
    for what in ["upgrade", "downgrade", "settled", "consumer", "classic"] {
        let count = seen.get(what).copied().unwrap_or(0);
        assert!(count as u64 >= runs, "{what}: {seen:?}");
    }
}

#[test]
fn planted_bugs_of_consumer_groups_are_found() {
    let bugs = [
        Mutant::OwnerIgnored,
        Mutant::GivenUpUnasked,
        Mutant::OldEpochTaken,
        Mutant::TombstoneForgotten,
        Mutant::OldKindStays,
        Mutant::ChangeUnseen,
    ];
    let found = bugs.map(|bug| {
        plant(Some(bug));
        let mut seeds = 0..FOUND_WITHIN;
        let found = seeds.position(|seed| catch_unwind(AssertUnwindSafe(|| walk(seed))).is_err());
        plant(None);
        (bug, found)
    });
    eprintln!("found after seeds: {found:?}");
    assert!(found.iter().all(|(_, after)| after.is_some()), "{found:?}");
}
