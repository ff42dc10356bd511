//! Pure: stories of groups, told by the text files in `tests/scripts/groups`.
//!
//! A line at the margin is a command, the indented lines after it are what came of it.
//! `UPDATE_SCRIPTS=1` writes down what comes of each command now; read the difference.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::base::ids::Uuid;
use crate::base::{Instant, TopicId, limits};
use crate::coordinator::record::{Encoded, GroupValue};
use bytes::Bytes;

/// The token of each request that deletes a group: a story does not say which one is answered.
const DELETES: Token = Token(0);

struct Story {
    machine: GroupMachine,
    config: GroupConfig,
    now: Now,
    log: Vec<Encoded>,
    asked: u64,
    out: String,
}

/// A command's arguments: bare words, and `name=value` pairs (a name may come twice).
struct Args<'a> {
    words: Vec<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Args<'a> {
    fn parse(text: &'a str) -> Args<'a> {
        let (pairs, words): (Vec<_>, Vec<_>) =
            text.split_whitespace().partition(|word| word.contains('='));
        let pairs = pairs.into_iter().filter_map(|pair| pair.split_once('='));
        Args {
            words,
            pairs: pairs.collect(),
        }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = self.pairs.iter().filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| *value)
    }

    fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str, default: T) -> T {
        self.get(name).map_or(default, |text| text.parse().unwrap())
    }

    fn word(&self, index: usize) -> &'a str {
        self.words.get(index).copied().unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<Rc<str>> {
        self.get(name).map(Rc::from)
    }

    fn member(&self) -> Rc<str> {
        member_id(self.get("m").unwrap_or_default())
    }
}

/// `c-2` in a story is the member id that client `c` got from the second unique number.
fn member_id(short: &str) -> Rc<str> {
    match short.rsplit_once('-') {
        Some((prefix, number)) if number.bytes().all(|b| b.is_ascii_digit()) => {
            let unique = Uuid::from_u128(number.parse().unwrap());
            format!("{prefix}-{unique}").into()
        }
        _ => short.into(),
    }
}

/// `range:a,b;sticky` as protocols of a consumer of the topics a and b.
fn protocols(text: &str) -> Vec<Protocol> {
    let protocol = |part: &str| {
        let (name, topics) = part.split_once(':').unwrap_or((part, ""));
        Protocol {
            name: name.into(),
            metadata: match topics.strip_prefix('!') {
                Some(raw) => Bytes::copy_from_slice(raw.as_bytes()),
                None => subscription(topics),
            },
        }
    };
    text.split(';')
        .filter(|part| !part.is_empty())
        .map(protocol)
        .collect()
}

fn subscription(topics: &str) -> Bytes {
    let topics: Vec<_> = topics
        .split(',')
        .filter(|topic| !topic.is_empty())
        .collect();
    let mut bytes = vec![0, 1];
    bytes.extend_from_slice(&(topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend_from_slice(&(topic.len() as i16).to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
    }
    bytes.extend_from_slice(&(-1i32).to_be_bytes());
    bytes.into()
}

fn topic(text: &str) -> (&str, Vec<&str>) {
    let (name, partitions) = text.split_once('/').unwrap();
    (name, partitions.split(',').collect())
}

fn show(bytes: &Bytes) -> String {
    bytes.escape_ascii().to_string()
}

impl Story {
    fn new() -> Story {
        let config = GroupConfig::default();
        let mut story = Story {
            machine: GroupMachine::new(config.clone()),
            config,
            now: Now {
                instant: Instant(1_000_000_000),
                wall_ms: 1_000_000,
            },
            log: Vec::new(),
            asked: 0,
            out: String::new(),
        };
        story.step(|machine, now, out| machine.loaded(now, out));
        story
    }

    fn say(&mut self, text: impl std::fmt::Display) {
        writeln!(self.out, "    {text}").unwrap();
    }

    fn step<T>(&mut self, act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome) -> T) -> T {
        let mut out = Outcome::default();
        let result = act(&mut self.machine, self.now, &mut out);
        for encoded in out.records {
            let record = Record::decode(Some(&encoded.key), encoded.value.as_deref()).unwrap();
            self.say_record(&record);
            self.log.push(encoded);
        }
        let is_join = |(_, reply): &(Token, Reply)| matches!(reply, Reply::Join(_));
        let (joins, others): (Vec<_>, Vec<_>) = out.replies.into_iter().partition(is_join);
        for (Token(token), reply) in joins.into_iter().chain(others) {
            self.say_reply(token, reply);
        }
        result
    }

    fn say_reply(&mut self, token: u64, reply: Reply) {
        match reply {
            Reply::Join(Err(refused)) => {
                self.say(format!(
                    "join #{token}: {:?} m={}",
                    refused.error, refused.member_id
                ));
            }
            Reply::Join(Ok(joined)) => self.say_joined(token, joined),
            Reply::Delete(result) => self.say_result(&result),
            Reply::Sync(Err(error)) => self.say(format!("sync #{token}: {error:?}")),
            Reply::Sync(Ok(synced)) => {
                let assignment = show(&synced.assignment);
                self.say(format!("sync #{token}: ok '{assignment}'"));
            }
        }
    }

    fn say_joined(&mut self, token: u64, joined: Joined) {
        let skip = if joined.skip_assignment { " skip" } else { "" };
        let (generation, leader) = (joined.generation, joined.leader.unwrap_or_default());
        let protocol = joined.protocol.unwrap_or_default();
        self.say(format!(
            "join #{token}: ok gen={generation} {protocol} m={} leader={leader}{skip}",
            joined.member_id
        ));
        for member in joined.members {
            let instance = member.instance_id.map(|id| format!(" i={id}"));
            let instance = instance.unwrap_or_default();
            let metadata = member.metadata.len();
            self.say(format!(
                "  {}{instance} metadata={metadata}",
                member.member_id
            ));
        }
    }

    fn say_record(&mut self, record: &Record) {
        match record {
            Record::Offset(key, Some(value)) => {
                let expiry = value.expire_timestamp.map(|at| format!(" expires={at}"));
                let (expiry, at) = (expiry.unwrap_or_default(), value.commit_timestamp);
                self.say(format!(
                    "write {} {}/{}={}:{} at={at}{expiry}",
                    key.group, key.topic, key.partition, value.offset, value.metadata
                ));
            }
            Record::Offset(key, None) => {
                self.say(format!(
                    "write {} {}/{} removed",
                    key.group, key.topic, key.partition
                ));
            }
            Record::Group(id, Some(value)) => self.say_group(id, value),
            Record::Group(id, None) => self.say(format!("write {id} removed")),
            Record::Other(kind) => self.say(format!("write other {kind}")),
        }
    }

    fn say_group(&mut self, id: &str, value: &GroupValue) {
        let protocol = value.protocol.as_deref().unwrap_or("-");
        let leader = value.leader.as_deref().unwrap_or("-");
        let at = value.state_timestamp.unwrap_or(-1);
        self.say(format!(
            "write {id} type={} gen={} {protocol} leader={leader} at={at}",
            value.protocol_type, value.generation
        ));
        for member in &value.members {
            let instance = member.instance_id.as_ref().map(|id| format!(" i={id}"));
            let instance = instance.unwrap_or_default();
            let assignment = show(&member.assignment);
            self.say(format!("  {}{instance} '{assignment}'", member.member_id));
        }
    }

    fn next_token(&mut self) -> Token {
        self.asked += 1;
        Token(self.asked)
    }

    fn command(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let args = Args::parse(rest);
        let group: Rc<str> = args.word(0).into();
        match verb {
            "config" => self.configure(&args),
            "join" => self.join(group, &args),
            "sync" => self.sync(group, &args),
            "beat" => {
                let beat = Heartbeat {
                    group,
                    generation: args.number("gen", -1),
                    member_id: args.member(),
                    instance_id: args.text("i"),
                };
                let result = self.step(|machine, now, _| machine.heartbeat(&beat, now));
                self.say_result(&result);
            }
            "leave" => self.leave(group, &args),
            "commit" => self.commit(group, &args),
            "fetch" => self.fetch(&group, &args),
            "delete-offsets" => self.delete_offsets(&group, &args),
            "delete" => {
                self.step(|machine, _, out| machine.delete(DELETES, &group, out));
            }
            "topic-deleted" => {
                let topic = (group, TopicId(Uuid::from_u128(args.number("id", 0))));
                self.step(|machine, _, out| machine.topics_deleted(&[topic].into(), out));
            }
            "list" => {
                let states: Vec<_> = args.words.iter().map(ToString::to_string).collect();
                for listed in self.machine.list(&states) {
                    let kind = listed.protocol_type;
                    self.say(format!("{} type={kind} {}", listed.group, listed.state));
                }
            }
            "describe" => self.describe(&group),
            "advance" => self.advance(args.word(0).parse().unwrap()),
            "reload" => self.reload(),
            "pending" => self.pending(&group, &args),
            "marker" => {
                let producer = args.word(0).parse().unwrap();
                self.machine
                    .replay_marker(producer, args.word(1) == "commit");
            }
            _ => panic!("no such command: {line}"),
        }
    }

    fn say_result(&mut self, result: &Result<(), GroupError>) {
        match result {
            Ok(()) => self.say("ok"),
            Err(error) => self.say(format!("{error:?}")),
        }
    }

    fn configure(&mut self, args: &Args<'_>) {
        let config = &mut self.config;
        config.members_max = args.number("members_max", config.members_max);
        config.initial_rebalance_delay_ms = args.number("delay", 3_000);
        config.record_bytes_max = args.number("record_max", config.record_bytes_max);
        config.offset_metadata_max = args.number("metadata_max", config.offset_metadata_max);
        config.offsets_retention_ms = args.number("retention", config.offsets_retention_ms);
        self.machine.config = config.clone();
    }

    fn join(&mut self, group: Rc<str>, args: &Args<'_>) {
        let token = self.next_token();
        let version = args.number("v", 9);
        let join = Join {
            group,
            member_id: args.member(),
            instance_id: args.text("i"),
            client_id: args.text("client").unwrap_or("c".into()),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: args.number("session", 10_000),
            rebalance_timeout_ms: args.number("rebalance", 60_000),
            protocol_type: args.text("type").unwrap_or(CONSUMER_TYPE.into()),
            protocols: protocols(args.get("protocols").unwrap_or("range:t")),
            reason: None,
            member_id_required: version >= 4,
            may_skip_assignment: version >= 9,
            unique: Uuid::from_u128(u128::from(token.0)),
        };
        if let Err(error) = self.config.check_join(&join) {
            return self.say(format!("join #{}: {error:?}", token.0));
        }
        self.step(|machine, now, out| machine.join(token, &join, now, out));
    }

    fn sync(&mut self, group: Rc<str>, args: &Args<'_>) {
        let token = self.next_token();
        let given = args.pairs.iter().filter(|(name, _)| *name == "give");
        let sync = Sync {
            group,
            generation: args.number("gen", -1),
            member_id: args.member(),
            instance_id: args.text("i"),
            protocol_type: args.text("type"),
            protocol: args.text("protocol"),
            assignments: given
                .map(|(_, text)| {
                    let (member, given) = text.split_once(':').unwrap();
                    (member_id(member), Bytes::copy_from_slice(given.as_bytes()))
                })
                .collect(),
        };
        self.step(|machine, now, out| machine.sync(token, sync, now, out));
    }

    fn leave(&mut self, group: Rc<str>, args: &Args<'_>) {
        let leaving = |text: &str| {
            let (member, instance) = text.split_once('/').unwrap_or((text, ""));
            Leaving {
                member_id: member_id(member),
                instance_id: (!instance.is_empty()).then(|| instance.into()),
                reason: None,
            }
        };
        let members = args.words[1..].iter().map(|text| leaving(text)).collect();
        let leave = Leave { group, members };
        for result in self.step(|machine, now, out| machine.leave(&leave, now, out)) {
            self.say_result(&result);
        }
    }

    fn commit(&mut self, group: Rc<str>, args: &Args<'_>) {
        let topics = args.pairs.iter().filter(|(name, _)| name.contains('/'));
        let topics = topics.map(|(place, offset)| {
            let (name, partitions) = topic(place);
            let (offset, metadata) = offset.split_once(':').unwrap_or((offset, ""));
            let partition = |text: &&str| CommitPartition {
                partition: text.parse().unwrap(),
                offset: offset.parse().unwrap(),
                leader_epoch: -1,
                metadata: metadata.into(),
            };
            CommitTopic {
                name: name.into(),
                id: TopicId(Uuid::from_u128(args.number("id", 0))),
                partitions: partitions.iter().map(partition).collect(),
            }
        });
        let commit = Commit {
            group,
            generation: args.number("gen", -1),
            member_id: args.member(),
            instance_id: args.text("i"),
            retention_ms: args.get("retention").map(|text| text.parse().unwrap()),
            knows_group_not_found: args.number("v", 9) >= 9,
            topics: topics.collect(),
        };
        let result = self.step(|machine, now, out| machine.commit(&commit, now, out));
        self.say_partitions(result);
    }

    fn say_partitions(&mut self, result: Result<PartitionResults, GroupError>) {
        match result {
            Err(error) => self.say(format!("{error:?}")),
            Ok(topics) => {
                for (partition, result) in topics.into_iter().flatten() {
                    let result = result.map_or_else(|error| format!("{error:?}"), |()| "ok".into());
                    self.say(format!("{partition}: {result}"));
                }
            }
        }
    }

    fn topics(args: &Args<'_>) -> Vec<TopicPartitions> {
        let places = args.words[1..].iter().filter(|word| word.contains('/'));
        let topics = places.map(|place| {
            let (name, partitions) = topic(place);
            TopicPartitions {
                name: name.into(),
                id: TopicId(Uuid::from_u128(args.number("id", 0))),
                partitions: partitions
                    .iter()
                    .map(|text| text.parse().unwrap())
                    .collect(),
            }
        });
        topics.collect()
    }

    fn fetch(&mut self, group: &str, args: &Args<'_>) {
        let stable = args.words.contains(&"stable");
        let topics = Self::topics(args);
        let fetched: Vec<_> = if topics.is_empty() {
            self.machine.fetch_all(group, stable)
        } else {
            let names = topics.iter().map(|topic| topic.name.clone());
            names
                .zip(self.machine.fetch(group, &topics, stable))
                .collect()
        };
        for (topic, partitions) in fetched {
            for fetched in partitions {
                let offset = match fetched.offset {
                    Err(error) => format!("{error:?}"),
                    Ok(None) => "none".into(),
                    Ok(Some(kept)) => format!("{}:{}", kept.offset, kept.metadata),
                };
                self.say(format!("{topic}/{} {offset}", fetched.partition));
            }
        }
    }

    fn delete_offsets(&mut self, group: &str, args: &Args<'_>) {
        let topics = Self::topics(args);
        let result = self.step(|machine, _, out| machine.delete_offsets(group, &topics, out));
        self.say_partitions(result);
    }

    fn describe(&mut self, group: &str) {
        let Some(shown) = self.machine.describe(group) else {
            return self.say("no such group");
        };
        let protocol = shown.protocol.unwrap_or("-".into());
        self.say(format!(
            "{} type={} {protocol}",
            shown.state, shown.protocol_type
        ));
        for member in shown.members {
            let instance = member.instance_id.map(|id| format!(" i={id}"));
            let (metadata, given) = (member.metadata.len(), show(&member.assignment));
            self.say(format!(
                "  {}{} {}@{} metadata={metadata} '{given}'",
                member.member_id,
                instance.unwrap_or_default(),
                member.client_id,
                member.client_host
            ));
        }
    }

    /// Lets time pass, stopping at every deadline on the way.
    fn advance(&mut self, ms: i64) {
        let end = self.now.instant.after_ms(ms);
        for _ in 0..1_000 {
            let next = self.machine.next_deadline().filter(|next| *next <= end);
            let target = next.unwrap_or(end).max(self.now.instant);
            self.now.wall_ms += target.since(self.now.instant).as_millis() as i64;
            self.now.instant = target;
            if next.is_none() {
                return;
            }
            let before = self.out.len();
            let at = self.now.wall_ms;
            self.step(|machine, now, out| machine.expire(now, out));
            while self.machine.has_work() {
                self.step(|machine, now, out| machine.work(now, out));
            }
            if self.out.len() > before {
                self.out.insert_str(before, &format!("    at {at}\n"));
            }
        }
        panic!("time does not pass: a deadline is set again and again");
    }

    fn reload(&mut self) {
        self.machine = GroupMachine::new(self.config.clone());
        for (position, encoded) in self.log.iter().enumerate() {
            let record = Record::decode(Some(&encoded.key), encoded.value.as_deref()).unwrap();
            let origin = Origin {
                position: position as i64,
                transaction: None,
            };
            self.machine.replay(&record, origin);
        }
        self.step(|machine, now, out| machine.loaded(now, out));
    }

    /// An offset that a Kafka broker committed in the transaction of producer `by`.
    fn pending(&mut self, group: &Rc<str>, args: &Args<'_>) {
        let mut out = Outcome::default();
        let mut other = GroupMachine::new(self.config.clone());
        for (place, offset) in args.pairs.iter().filter(|(name, _)| name.contains('/')) {
            let (name, partitions) = topic(place);
            let commit = Commit {
                group: group.clone(),
                generation: -1,
                member_id: "".into(),
                instance_id: None,
                retention_ms: None,
                knows_group_not_found: true,
                topics: vec![CommitTopic {
                    name: name.into(),
                    id: TopicId::ZERO,
                    partitions: vec![CommitPartition {
                        partition: partitions[0].parse().unwrap(),
                        offset: offset.parse().unwrap(),
                        leader_epoch: -1,
                        metadata: "".into(),
                    }],
                }],
            };
            other.commit(&commit, self.now, &mut out).unwrap();
        }
        for encoded in out.records {
            let record = Record::decode(Some(&encoded.key), encoded.value.as_deref()).unwrap();
            let origin = Origin {
                position: self.log.len() as i64,
                transaction: Some(args.number("by", 0)),
            };
            self.machine.replay(&record, origin);
        }
    }

    fn tell(script: &str) -> String {
        let mut story = Story::new();
        for line in script.lines() {
            if line.starts_with("    ") {
                continue;
            }
            story.out.push_str(line);
            story.out.push('\n');
            if !line.is_empty() && !line.starts_with('#') {
                story.command(line);
            }
        }
        let mut told = story.out;
        for number in (1..=story.asked).rev() {
            let long = Uuid::from_u128(u128::from(number)).to_string();
            told = told.replace(&long, &number.to_string());
        }
        told
    }
}

const CONSUMER_TYPE: &str = "consumer";

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
    modern type= Empty
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
    let partition = |partition| CommitPartition {
        partition,
        offset: i64::from(partition),
        leader_epoch: -1,
        metadata: "".into(),
    };
    let topic = |(name, count): (&str, i32)| CommitTopic {
        name: name.into(),
        id: TopicId::ZERO,
        partitions: (0..count).map(partition).collect(),
    };
    let commit = Commit {
        group: "g".into(),
        generation: -1,
        member_id: "".into(),
        instance_id: None,
        retention_ms: None,
        knows_group_not_found: true,
        topics: [("a", 10), ("b", 1), ("c", 33)].map(topic).into(),
    };
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
