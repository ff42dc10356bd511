//! Pure: stories of groups, told by the text files in `tests/scripts/groups`.
//!
//! A line at the margin is a command, the indented lines after it are what came of it.
//! `UPDATE_SCRIPTS=1` writes down what comes of each command now; read the difference.

mod args;
mod consumers;
mod said;
mod story;
mod walk;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::base::ids::Uuid;
use crate::base::{Instant, TopicId, limits};
use crate::coordinator::record::{Encoded, GroupValue};
use args::Args;
use bytes::Bytes;
use story::Story;

#[test]
fn stories_go_as_they_are_told() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/groups");
    let mut stories = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let script = std::fs::read_to_string(&path).unwrap();
        stories.insert(path, script);
    }
    assert!(!stories.is_empty());
    let update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    for (path, script) in stories {
        let told = Story::tell(&script);
        if update {
            std::fs::write(&path, told).unwrap();
        } else if told != script {
            let lines = script.lines().zip(told.lines()).enumerate();
            let mut differing = lines.filter(|(_, (was, is))| was != is);
            let (number, (was, is)) = differing.next().unwrap_or_default();
            let number = number + 1;
            panic!(
                "{}:{number}: the story says\n{was}\nbut it went\n{is}",
                path.display()
            );
        }
    }
}

#[test]
fn offsets_of_many_groups_expire_in_small_steps() {
    let mut story = Story::new();
    for number in 0..200 {
        story.command(&format!("commit g{number} t/0=1 retention=1"));
    }
    story.command("commit stays t/0=1");
    story.now.instant = story.now.instant.after_ms(600_000);
    story.now.wall_ms += 600_000;
    let left: Vec<_> = (0..5)
        .map(|_| {
            story.step(|machine, now, out| match machine.has_work() {
                true => machine.work(now, out),
                false => machine.expire(now, out),
            });
            story.machine.count()
        })
        .collect();
    // The check that has come round begins a new one only after its interval.
    assert_eq!(left, [137, 73, 9, 1, 1]);
    assert_eq!(story.machine.probe.expired_offsets.get(), 200);
    let next = story.machine.next_deadline().unwrap();
    assert_eq!(next, story.now.instant.after_ms(600_000));
}

#[test]
fn a_log_that_kafka_wrote_is_taken_over() {
    use crate::wire::batch::{Records, batches};
    let partitions: [&[u8]; 2] = [
        include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-0.log"),
        include_bytes!("../../../tests/golden/offsets/kafka-4.3.1-1.log"),
    ];
    let mut story = Story::new();
    for log in partitions {
        for batch in batches(log) {
            let batch = batch.unwrap();
            for record in Records::of(&batch) {
                let record = record.unwrap();
                let origin = Origin {
                    position: record.offset(&batch),
                    transaction: None,
                };
                let decoded = Record::decode(record.key, record.value).unwrap();
                story.machine.replay(&decoded, origin);
            }
        }
    }
    story.step(|machine, now, out| machine.loaded(now, out));
    story.command("list");
    for group in ["dynamic", "fixed", "retained", "simple", "modern", "gone"] {
        story.say(group);
        story.command(&format!("fetch {group}"));
    }
    let told = "
    dynamic type=consumer Empty
    fixed type=consumer Stable
    modern type=consumer Empty consumer
    retained type= Empty
    simple type= Empty
    dynamic
    orders/0 10:
    orders/1 10:
    fixed
    orders/0 10:
    orders/1 10:
    retained
    orders/1 7:kept
    simple
    audit/0 1:
    orders/0 3:über
    modern
    orders/0 3:
    orders/1 0:
    gone
";
    assert_eq!(story.out, told[1..]);
    let fixed = story.machine.describe("fixed").unwrap();
    let [member] = &fixed.members[..] else {
        panic!("one member: {fixed:?}");
    };
    assert_eq!(fixed.protocol.as_deref(), Some("range"));
    assert_eq!(member.instance_id.as_deref(), Some("instance-1"));
    assert_eq!(
        (&*member.client_id, &*member.client_host),
        ("kp", "/127.0.0.1")
    );
    // The member's subscription was understood: it consumes `orders` and nothing else.
    story.out.clear();
    story.command("delete-offsets fixed orders/0 audit/0");
    assert_eq!(story.out, "    0: SubscribedToTopic\n    0: ok\n");
}

#[test]
fn offsets_that_are_fetched_some_at_a_time_are_those_fetched_at_once() {
    let mut machine = GroupMachine::new(GroupConfig::default());
    let topic = |(name, count): (&str, i32)| CommitTopic {
        name: name.into(),
        id: TopicId::ZERO,
        partitions: (0..count)
            .map(|index| samples::partition(index, i64::from(index)))
            .collect(),
    };
    let commit = samples::commit("g", [("a", 10), ("b", 1), ("c", 33)].map(topic).into());
    let now = Now {
        instant: Instant(0),
        wall_ms: 0,
    };
    machine
        .commit(&commit, now, &mut Outcome::default())
        .unwrap();
    let flat = |topics: FetchedTopics| -> Vec<(Rc<str>, i32, bool)> {
        let one = |(topic, list): (Rc<str>, Vec<Fetched>)| {
            let one = move |it: Fetched| (topic.clone(), it.partition, it.offset.is_ok());
            list.into_iter().map(one)
        };
        topics.into_iter().flat_map(one).collect()
    };
    let whole = flat(machine.fetch_all("g", false));
    assert_eq!(whole.len(), 44);
    for most in [1, 3, 10, 11, 44, 45] {
        let (mut all, mut next) = (Vec::new(), Some(before_all()));
        while let Some(place) = next {
            let (topics, more) = machine.fetch_some("g", false, &place, most);
            let some = flat(topics);
            assert!(some.len() == most || more.is_none(), "{most}");
            all.extend(some);
            next = more;
        }
        assert_eq!(all, whole, "{most} at a time");
    }
    // One that was deleted in between is passed over.
    let place = ("b".into(), 7);
    let (rest, _) = machine.fetch_some("g", false, &place, 100);
    assert!(rest.len() == 1 && &*rest[0].0 == "c");
    assert!(
        machine
            .fetch_some("none", false, &before_all(), 9)
            .0
            .is_empty()
    );
}

#[test]
fn a_storm_of_members_gets_some_lines_of_the_log_and_a_count() {
    let mut story = Story::new();
    for number in 0..1_000 {
        let group = format!("group-{number}").into();
        story.join(group, &Args::parse("v=3"));
    }
    let over = story.now.instant.after_ms(10_000);
    let probe = &story.machine.probe;
    let left_out = Some(1_000 - u64::from(limits::GROUP_LINES_MAX));
    assert_eq!(probe.member_lines.left_out(over), left_out);
    assert_eq!(probe.group_lines.left_out(over), left_out);
}
