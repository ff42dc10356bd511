//! Pure: tests of what groups take of a shard's memory, on simulated time.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use super::samples::Bounded;
use super::*;
use crate::base::ids::Uuid;
use crate::base::{Instant, TopicId, limits};

struct Test {
    machine: GroupMachine,
    counted: Rc<Cell<usize>>,
    now: Now,
    asked: u64,
}

impl Test {
    fn new(bytes_max: usize) -> Test {
        let counted = Rc::new(Cell::new(0));
        let config = GroupConfig {
            initial_rebalance_delay_ms: 0,
            ..GroupConfig::default()
        };
        let memory = Box::new(Bounded(bytes_max, counted.clone()));
        let mut test = Test {
            machine: GroupMachine::new(config).within(memory),
            counted,
            now: Now {
                instant: Instant(1_000_000_000),
                wall_ms: 1_000_000,
            },
            asked: 0,
        };
        test.machine.loaded(test.now, &mut Outcome::default());
        test
    }

    /// The answer of a join that is answered at once.
    fn join(&mut self, change: impl FnOnce(&mut Join)) -> Option<JoinReply> {
        self.asked += 1;
        let mut join = Join {
            session_timeout_ms: 1_800_000,
            unique: Uuid::from_u128(u128::from(self.asked)),
            ..samples::join("g", "")
        };
        change(&mut join);
        let mut out = Outcome::default();
        self.machine
            .join(Token(self.asked), &join, self.now, &mut out);
        let own = Token(self.asked);
        out.replies.into_iter().find_map(|reply| match reply {
            (token, Reply::Join(reply)) if token == own => Some(reply),
            _ => None,
        })
    }

    /// Lets so many milliseconds go by.
    fn pass(&mut self, ms: i64) {
        self.now.instant = self.now.instant.after_ms(ms);
        self.now.wall_ms += ms;
        while self
            .machine
            .next_deadline()
            .is_some_and(|at| at <= self.now.instant)
        {
            self.machine.expire(self.now, &mut Outcome::default());
        }
    }

    fn commit(&mut self, partition: i32, metadata: &str) -> Result<PartitionResults, GroupError> {
        let topic = CommitTopic {
            name: "t".into(),
            id: TopicId::ZERO,
            partitions: vec![CommitPartition {
                metadata: metadata.into(),
                ..samples::partition(partition, 7)
            }],
        };
        let commit = samples::commit("offsets", vec![topic]);
        self.machine
            .commit(&commit, self.now, &mut Outcome::default())
    }
}

fn refusal(reply: Option<JoinReply>) -> JoinRefused {
    reply.expect("an answer at once").expect_err("a refusal")
}

#[test]
fn ids_that_are_given_out_and_never_come_back_are_bounded_and_soon_forgotten() {
    let mut test = Test::new(1_000_000);
    let long: Rc<str> = "€".repeat(10_000).into();
    let mut errors = BTreeMap::new();
    for _ in 0..4_000 {
        let refused = refusal(test.join(|join| join.client_id = long.clone()));
        if refused.error == GroupError::MemberIdRequired {
            let id = refused.member_id.len();
            assert!(id <= limits::CLIENT_ID_BYTES_MAX + 37, "{id}");
        }
        *errors.entry(format!("{:?}", refused.error)).or_insert(0) += 1;
    }
    let given = errors["MemberIdRequired"];
    assert!((1_000..2_000).contains(&given), "{errors:?}");
    assert_eq!(errors["NoMemory"], 4_000 - given);
    assert!(test.counted.get() <= 1_000_000);
    // However long their session time-out.
    test.pass(61_000);
    assert!(test.counted.get() < 2_000, "{}", test.counted.get());
    let again = refusal(test.join(|_| {}));
    assert_eq!(again.error, GroupError::MemberIdRequired);
}

#[test]
fn members_that_leave_give_back_what_they_took() {
    let mut test = Test::new(100_000_000);
    test.join(|_| {});
    test.pass(61_000);
    let empty = test.counted.get();
    let metadata = Bytes::from(vec![7; 20_000]);
    for number in 0..100 {
        test.join(|join| {
            join.member_id_required = false;
            join.client_id = format!("c{number}").into();
            join.protocols[0].metadata = metadata.clone();
        });
    }
    let full = test.counted.get();
    assert!((2_000_000..2_300_000).contains(&full), "{full}");
    test.pass(1);
    let described = test.machine.describe("g").unwrap();
    let leaving = described.members.iter().map(|member| Leaving {
        member_id: member.member_id.clone(),
        instance_id: None,
        reason: None,
    });
    let leave = Leave {
        group: "g".into(),
        members: leaving.collect(),
    };
    assert!(leave.members.len() == 100);
    let (now, mut out) = (test.now, Outcome::default());
    test.machine.leave(&leave, now, &mut out);
    test.pass(10_001);
    assert_eq!(test.counted.get(), empty);
}

#[test]
fn a_member_is_refused_where_there_is_no_memory_and_one_that_is_there_goes_on() {
    let mut test = Test::new(50_000);
    let with = |id: Rc<str>, bytes: usize| {
        move |join: &mut Join| {
            join.member_id = id;
            join.member_id_required = false;
            join.protocols[0].metadata = Bytes::from(vec![7; bytes]);
        }
    };
    assert_eq!(
        test.join(with("".into(), 20_000)),
        None,
        "it waits for the others"
    );
    test.pass(1);
    let id = test.machine.describe("g").unwrap().members[0]
        .member_id
        .clone();
    let refused = refusal(test.join(with("".into(), 40_000)));
    assert_eq!(refused.error, GroupError::NoMemory);
    let refused = refusal(test.join(with(id.clone(), 60_000)));
    assert_eq!(refused.error, GroupError::NoMemory);
    // Unchanged, it may come as often as it likes.
    assert!(
        test.join(with(id, 20_000))
            .is_some_and(|reply| reply.is_ok())
    );
}

#[test]
fn offsets_are_bounded_and_those_that_are_there_can_be_moved() {
    let mut test = Test::new(100_000);
    let long = "x".repeat(4_000);
    let kept = (0..1_000)
        .find(|partition| test.commit(*partition, &long) == Err(GroupError::NoMemory))
        .expect("a bound");
    assert!((20..25).contains(&kept), "{kept}");
    assert!(test.counted.get() <= 100_000);
    for partition in 0..kept {
        assert!(test.commit(partition, &long).is_ok());
        assert!(test.commit(partition, "").is_ok());
    }
    assert!(test.counted.get() < 10_000, "{}", test.counted.get());
    assert!(test.commit(kept, &long).is_ok());
    let mut out = Outcome::default();
    test.machine.delete(Token(0), &"offsets".into(), &mut out);
    assert_eq!(out.replies, [(Token(0), Reply::Delete(Ok(())))]);
    assert_eq!(test.counted.get(), 0);
}

#[test]
fn offsets_of_open_transactions_are_bounded_also_where_others_are_known() {
    let mut test = Test::new(100_000);
    let long = "m".repeat(1_000);
    test.commit(0, &long).expect("there is memory");
    let topic = || CommitTopic {
        name: "t".into(),
        id: TopicId::ZERO,
        partitions: vec![CommitPartition {
            metadata: long.as_str().into(),
            ..samples::partition(0, 7)
        }],
    };
    let refused = (0..1_000).find(|producer_id| {
        let mut commit = samples::commit("offsets", vec![topic()]);
        commit.transaction = Some(InTransaction {
            producer_id: *producer_id,
            producer_epoch: 0,
            guard: None,
        });
        let committed = test
            .machine
            .commit(&commit, test.now, &mut Outcome::default());
        committed == Err(GroupError::NoMemory)
    });
    assert!(refused.is_some());
    assert!(test.counted.get() <= 100_000, "{}", test.counted.get());
}
