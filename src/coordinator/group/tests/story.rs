//! Pure: the commands of a story.

use super::args::{Args, assignment, member_id, protocols, topic};
use super::*;
use crate::coordinator::group::samples;

/// The token of each request that deletes a group: a story does not say which one is answered.
const DELETES: Token = Token(0);
const CONSUMER_TYPE: &str = "consumer";

/// A story as it goes: the machine, the time, and what came of each command.
pub struct Story {
    pub machine: GroupMachine,
    pub config: GroupConfig,
    pub now: Now,
    pub log: Vec<Encoded>,
    pub asked: u64,
    pub out: String,
    /// Names of the cluster's topics.
    pub topics: Vec<Rc<str>>,
    pub in_cluster: Topics,
}

// === impl Story ===

impl Story {
    pub fn new() -> Story {
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
            topics: Vec::new(),
            in_cluster: Topics::default(),
        };
        story.step(|machine, now, out| machine.loaded(now, out));
        story
    }

    pub fn step<T>(&mut self, act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome) -> T) -> T {
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

    pub fn next_token(&mut self) -> Token {
        self.asked += 1;
        Token(self.asked)
    }

    pub fn command(&mut self, line: &str) {
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
                for listed in self.machine.list(&states, &[]) {
                    let kind = listed.protocol_type;
                    let (group, state) = (listed.group, listed.state);
                    let consumers = match listed.kind {
                        "classic" => "",
                        kind => kind,
                    };
                    self.say(format!("{group} type={kind} {state} {consumers}").trim_end());
                }
            }
            "describe" => self.describe(&group),
            "topics" => self.set_topics(&args),
            "consumer" => self.consumer_beat(group, &args),
            "consumers" => self.describe_consumers(&group),
            "check-fetch" => {
                let member = args.text("m");
                let epoch = args.number("epoch", -1);
                let machine = &self.machine;
                let checked = machine.check_fetch(&group, member.as_deref(), epoch);
                self.say_result(&checked);
            }
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

    pub fn configure(&mut self, args: &Args<'_>) {
        let config = &mut self.config;
        config.members_max = args.number("members_max", config.members_max);
        config.initial_rebalance_delay_ms = args.number("delay", 3_000);
        config.record_bytes_max = args.number("record_max", config.record_bytes_max);
        config.offset_metadata_max = args.number("metadata_max", config.offset_metadata_max);
        config.offsets_retention_ms = args.number("retention", config.offsets_retention_ms);
        let consumer = &mut config.consumer;
        consumer.members_max = args.number("consumers_max", consumer.members_max);
        consumer.assignment_interval_ms = args.number("interval", 1_000);
        self.machine.config = config.clone();
    }

    pub fn join(&mut self, group: Rc<str>, args: &Args<'_>) {
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

    pub fn sync(&mut self, group: Rc<str>, args: &Args<'_>) {
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
                    let given = match given.strip_prefix('@') {
                        Some(partitions) => assignment(partitions),
                        None => Bytes::copy_from_slice(given.as_bytes()),
                    };
                    (member_id(member), given)
                })
                .collect(),
        };
        self.step(|machine, now, out| machine.sync(token, sync, now, out));
    }

    pub fn leave(&mut self, group: Rc<str>, args: &Args<'_>) {
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

    pub fn commit(&mut self, group: Rc<str>, args: &Args<'_>) {
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
            knows_group_not_found: args.number("v", 10) >= 9,
            names_ids: args.number("v", 10) >= 10,
            transaction: None,
            topics: topics.collect(),
        };
        let result = self.step(|machine, now, out| machine.commit(&commit, now, out));
        self.say_partitions(result);
    }

    pub fn topics(args: &Args<'_>) -> Vec<TopicPartitions> {
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

    pub fn fetch(&mut self, group: &str, args: &Args<'_>) {
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

    pub fn delete_offsets(&mut self, group: &str, args: &Args<'_>) {
        let topics = Self::topics(args);
        let result = self.step(|machine, _, out| machine.delete_offsets(group, &topics, out));
        self.say_partitions(result);
    }

    /// Lets time pass, stopping at every deadline on the way.
    pub fn advance(&mut self, ms: i64) {
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

    pub fn reload(&mut self) {
        self.machine = GroupMachine::new(self.config.clone()).in_cluster(self.in_cluster.clone());
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
    pub fn pending(&mut self, group: &Rc<str>, args: &Args<'_>) {
        let mut out = Outcome::default();
        let mut other = GroupMachine::new(self.config.clone());
        for (place, offset) in args.pairs.iter().filter(|(name, _)| name.contains('/')) {
            let (name, partitions) = topic(place);
            let of = samples::partition(partitions[0].parse().unwrap(), offset.parse().unwrap());
            let topic = CommitTopic {
                name: name.into(),
                id: TopicId::ZERO,
                partitions: vec![of],
            };
            let commit = samples::commit(group, vec![topic]);
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

    pub fn tell(script: &str) -> String {
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
