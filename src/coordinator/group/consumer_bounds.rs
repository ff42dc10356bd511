//! Pure: tests of what members of the consumer protocol may make a shard hold, and of what they are
//! told where it is too much.

use std::cell::Cell;
use std::rc::Rc;

use super::consumer::request::{ConsumerBeat, ConsumerHeartbeat, ConsumerRefused};
use super::samples::Bounded;
use super::*;
use crate::base::ids::Uuid;
use crate::base::{Instant, limits};

struct Test {
    machine: GroupMachine,
    counted: Rc<Cell<usize>>,
    now: Now,
    records: usize,
}

impl Test {
    /// A machine with so much memory, in a cluster of so many topics of four partitions.
    fn new(bytes_max: usize, topics: usize) -> Test {
        let counted = Rc::new(Cell::new(0));
        let memory = Box::new(Bounded(bytes_max, counted.clone()));
        let names: Vec<String> = (0..topics).map(|it| format!("topic-{it:04}")).collect();
        let topics = names.iter().enumerate();
        let topics: Vec<_> = topics
            .map(|(number, name)| (name.as_str(), number as u128 + 1, 4))
            .collect();
        let machine = GroupMachine::new(GroupConfig::default()).within(memory);
        Test {
            machine: machine.in_cluster(samples::topics(&topics)),
            counted,
            now: Now {
                instant: Instant(1_000_000_000),
                wall_ms: 1_000_000,
            },
            records: 0,
        }
    }

    fn send(&mut self, beat: &ConsumerHeartbeat) -> Result<ConsumerBeat, ConsumerRefused> {
        beat.check(&self.machine.config.consumer.assignors)?;
        let mut out = Outcome::default();
        let answer = self.machine.consumer_heartbeat(beat, self.now, &mut out);
        self.records += out.records.len();
        answer
    }

    /// What a join is refused with.
    fn refused(&mut self, beat: &ConsumerHeartbeat) -> GroupError {
        self.send(beat).expect_err("a refusal").error
    }

    /// Resolves the expressions that wait: in how many steps.
    fn resolve(&mut self) -> usize {
        let mut steps = 0;
        while self.machine.has_work() {
            self.machine.work(self.now, &mut Outcome::default());
            steps += 1;
        }
        steps
    }
}

/// A member joins, with nothing to consume.
fn join(number: usize) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: "g".into(),
        member_id: format!("member-{number}").into(),
        member_epoch: 0,
        instance_id: None,
        rack: None,
        rebalance_timeout_ms: Some(60_000),
        topics: Some(Vec::new()),
        regex: None,
        assignor: None,
        owned: Some(Vec::new()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        must_have_id: true,
        unique: Uuid::from_u128(1),
    }
}

fn consuming(number: usize, names: impl Iterator<Item = String>) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        topics: Some(names.map(Rc::from).collect()),
        ..join(number)
    }
}

fn matching(number: usize, regex: impl Into<Rc<str>>) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        regex: Some(regex.into()),
        ..join(number)
    }
}

#[test]
fn members_with_many_long_names_are_bounded_and_give_back_what_they_took() {
    let mut test = Test::new(1_000_000, 0);
    let names =
        |number: usize| (0..100).map(move |it| format!("{number}-{it}-{}", "n".repeat(240)));
    let joined = (0..100).find(|number| {
        let beat = consuming(*number, names(*number));
        test.send(&beat)
            .is_err_and(|it| it.error == GroupError::NoMemory)
    });
    let joined = joined.expect("a bound");
    assert!((25..40).contains(&joined), "{joined}");
    assert!(test.counted.get() <= 1_000_000, "{}", test.counted.get());
    // Those that are there go on, and may want less.
    let mut beat = consuming(0, std::iter::empty());
    beat.member_epoch = 0;
    test.send(&beat).expect("less is no burden");
    for number in 0..joined {
        let mut beat = join(number);
        beat.member_epoch = -1;
        beat.owned = None;
        test.send(&beat).expect("a member may leave");
    }
    assert!(test.counted.get() < 2_000, "{}", test.counted.get());
}

#[test]
fn what_does_not_fit_the_log_is_refused_and_changes_nothing() {
    let mut test = Test::new(1 << 30, 0);
    let names = (0..10_000).map(|number| format!("{number}-{}", "n".repeat(240)));
    let refused = test.refused(&consuming(0, names));
    assert_eq!(refused, GroupError::RecordTooLarge);
    let mut long = join(1);
    long.rack = Some("r".repeat(2_000_000).into());
    assert_eq!(test.refused(&long), GroupError::RecordTooLarge);
    assert_eq!((test.machine.count(), test.records), (0, 0));
    assert_eq!(test.counted.get(), 0);
}

#[test]
fn expressions_that_cost_much_are_refused_at_once() {
    let mut test = Test::new(1 << 30, 0);
    let nested = format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000));
    let many = [
        "(((a{1000}){1000}){1000}){1000}".to_owned(),
        "\\w{1000}".repeat(20),
        nested,
        "x".repeat(limits::REGEX_BYTES_MAX + 1),
        "x".repeat(50_000_000),
        "[".repeat(1_000),
    ];
    for regex in many {
        let start = regex[..20].to_owned();
        let refused = test.refused(&matching(0, regex));
        assert_eq!(refused, GroupError::InvalidRegex, "{start}");
    }
    assert_eq!((test.machine.count(), test.records), (0, 0));
    let usual = matching(0, "x".repeat(limits::REGEX_BYTES_MAX / 2));
    test.send(&usual).expect("one that is not too long");
}

#[test]
fn what_expressions_stand_for_is_bounded() {
    const BYTES: usize = 2_000_000;
    let mut test = Test::new(BYTES, 2_000);
    for number in 0..200 {
        // Each stands for all topics, some 120 kB.
        test.send(&matching(number, format!("topic-.*|{number}")))
            .expect("members take little");
    }
    // The first one alone at first; 10 s later all, when some member says something.
    test.resolve();
    test.now.wall_ms += 10_001;
    test.send(&matching(0, "topic-.*|0")).expect("a member");
    let steps = test.resolve();
    assert!(steps >= 4, "{steps}");
    assert!(test.counted.get() <= BYTES, "{}", test.counted.get());
    let found = test
        .machine
        .consumer("g")
        .map(|group| group.resolved_count());
    assert!(
        found.is_some_and(|count| (5..17).contains(&count)),
        "{found:?}"
    );
}

#[test]
fn a_group_has_no_more_members_than_it_may() {
    let mut test = Test::new(1 << 30, 10);
    test.machine.config.consumer.members_max = 100;
    let names = || (0..10).map(|number| format!("topic-{number:04}"));
    for number in 0..100 {
        test.send(&consuming(number, names())).expect("a place");
        test.now.wall_ms += 1_000;
    }
    let refused = test.refused(&consuming(100, names()));
    assert_eq!(refused, GroupError::GroupFull);
    test.send(&consuming(7, names())).expect("its own place");
    // What one join writes does not grow without bound: its own records, and targets of others.
    assert!(test.records < 100 * 110, "{}", test.records);
}
