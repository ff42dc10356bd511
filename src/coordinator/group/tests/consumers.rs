//! Pure: stories of groups of the consumer protocol: their commands, and what came of them.

use super::args::{Args, member_id, topic};
use super::story::Story;
use super::*;
use crate::coordinator::group::consumer::assign::Partitions;
use crate::coordinator::group::consumer::request::{
    ConsumerBeat, ConsumerHeartbeat, ConsumerRefused, NamedPartitions, OwnedByClient,
};
use crate::coordinator::record::{ConsumerChange, ConsumerRecord, MemberMetadata, TopicPartitions};

/// Topics are numbered in stories, and so are their ids.
fn id_of(number: &str) -> TopicId {
    TopicId(Uuid::from_u128(number.parse().unwrap()))
}

/// Partitions that stand as `1/0,1+2/0`.
fn owned(text: &str) -> OwnedByClient {
    let topics = text.split('+').filter(|text| !text.is_empty());
    let topics = topics.map(|place| {
        let (number, partitions) = topic(place);
        let partitions = partitions.iter().map(|text| text.parse().unwrap());
        (id_of(number), partitions.collect())
    });
    topics.collect()
}

fn names(text: &str) -> Vec<Rc<str>> {
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(Rc::from).collect()
}

fn show<'a>(topics: impl Iterator<Item = (TopicId, Vec<i32>)> + 'a) -> String {
    let topics: Vec<_> = topics
        .map(|(topic, partitions)| {
            let partitions: Vec<_> = partitions.iter().map(ToString::to_string).collect();
            format!("{}/{}", topic.0.as_u128(), partitions.join(","))
        })
        .collect();
    match topics.is_empty() {
        true => "-".into(),
        false => topics.join("+"),
    }
}

fn show_partitions(partitions: &Partitions) -> String {
    show(
        partitions
            .iter()
            .map(|(topic, of)| (*topic, of.iter().copied().collect())),
    )
}

fn show_listed(topics: &[TopicPartitions]) -> String {
    let partitions = show(topics.iter().map(|of| (of.topic, of.partitions.clone())));
    let epochs = topics.iter().filter_map(|of| of.epochs.as_ref());
    let epochs: Vec<_> = epochs.flatten().map(ToString::to_string).collect();
    match epochs.is_empty() {
        true => partitions,
        false => format!("{partitions}@{}", epochs.join(",")),
    }
}

fn show_named(partitions: &NamedPartitions) -> String {
    let topics: Vec<_> = partitions
        .iter()
        .map(|(_, name, of)| format!("{name}{of:?}"))
        .collect();
    topics.join(" ")
}

fn show_about(about: &MemberMetadata) -> String {
    let option = |name: &str, text: &Option<Rc<str>>| {
        let text = text.as_ref().filter(|text| !text.is_empty());
        text.map(|text| format!(" {name}={text}"))
            .unwrap_or_default()
    };
    let classic = match &about.classic {
        Some(classic) => format!(" classic session={}", classic.session_timeout_ms),
        None => String::new(),
    };
    format!(
        "topics={}{}{}{}{} rebalance={}{classic}",
        about.topics.join(","),
        option("regex", &about.regex),
        option("i", &about.instance_id),
        option("rack", &about.rack),
        option("assignor", &about.assignor),
        about.rebalance_timeout_ms
    )
}

impl Story {
    /// The cluster's topics become these: `a=1:3` is a topic with the id 1 and three partitions.
    pub fn set_topics(&mut self, args: &Args<'_>) {
        let topics: Vec<_> = args
            .pairs
            .iter()
            .map(|(name, text)| {
                let (id, partitions) = text.split_once(':').unwrap();
                (*name, id.parse().unwrap(), partitions.parse().unwrap())
            })
            .collect();
        self.asked += 1;
        let known: Vec<Rc<str>> = topics.iter().map(|(name, ..)| Rc::from(*name)).collect();
        let names = self.topics.iter().chain(&known).cloned().collect();
        let change = Change {
            topics: samples::topics_at(self.asked as i64, &topics),
            names,
            gone: Rc::default(),
            has_new: known.iter().any(|name| !self.topics.contains(name)),
        };
        self.topics = known;
        self.in_cluster = change.topics.clone();
        self.step(|machine, now, out| machine.follow(&change, now, out));
    }

    /// A heartbeat; `epoch=0` brings what a member must say to join.
    pub fn consumer_beat(&mut self, group: Rc<str>, args: &Args<'_>) {
        let epoch = args.number("epoch", 0);
        let joins = epoch == 0;
        let topics = args.get("topics").map(names);
        let regex = args.text("regex");
        let has_subscription = topics.is_some() || regex.is_some();
        let beat = ConsumerHeartbeat {
            group,
            member_id: member_id(args.get("m").unwrap_or("")),
            member_epoch: epoch,
            instance_id: args.text("i"),
            rack: args.text("rack"),
            rebalance_timeout_ms: match (args.get("rebalance"), joins) {
                (Some(text), _) => Some(text.parse().unwrap()),
                (None, joins) => joins.then_some(60_000),
            },
            topics: topics.or_else(|| (joins && !has_subscription).then(|| names("a"))),
            regex,
            assignor: args.text("assignor"),
            owned: match args.get("has") {
                Some(text) => Some(owned(text)),
                None => joins.then(Vec::new),
            },
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            must_have_id: args.number("v", 1) >= 1,
            unique: Uuid::from_u128(u128::from(self.asked)),
        };
        let checked = beat.check(&self.config.consumer.assignors);
        let answer = checked.and_then(|()| {
            self.step(|machine, now, out| machine.consumer_heartbeat(&beat, now, out))
        });
        self.say_beat(answer);
        while self.machine.regexes.has_work() {
            self.step(|machine, now, out| machine.work(now, out));
        }
    }

    fn say_beat(&mut self, answer: Result<ConsumerBeat, ConsumerRefused>) {
        match answer {
            Err(ConsumerRefused { error, message }) => {
                self.say(format!("{error:?}: {}", message.unwrap_or_default()));
            }
            Ok(beat) => {
                let has = beat.assignment.as_ref().map(show_partitions);
                let has = has.map(|has| format!(" has={has}")).unwrap_or_default();
                let (id, epoch) = (&beat.member_id, beat.member_epoch);
                self.say(format!("m={id} epoch={epoch}{has}"));
            }
        }
    }

    /// ConsumerGroupDescribe.
    pub fn describe_consumers(&mut self, group: &str) {
        let found = match self.machine.describe_consumer(group) {
            Ok(found) => found,
            Err(refused) => {
                let text = refused.message.unwrap_or_default();
                return self.say(format!("{:?}: {text}", refused.error));
            }
        };
        self.say(format!(
            "{} epoch={} target={} {}",
            found.state, found.epoch, found.target_epoch, found.assignor
        ));
        for member in found.members {
            let kind = if member.is_classic { " classic" } else { "" };
            self.say(format!(
                "{} epoch={} has {} of {}{kind}",
                member.member_id,
                member.epoch,
                show_named(&member.assigned),
                show_named(&member.target)
            ));
        }
    }

    pub fn say_consumer(&mut self, record: &ConsumerRecord) {
        use ConsumerChange::*;
        let text = match &record.change {
            Epoch(Some(value)) => format!("epoch={}", value.epoch),
            Epoch(None) => "removed".into(),
            PartitionMetadata(_) => "topics removed".into(),
            Member(id, Some(about)) => format!("{id} {}", show_about(about)),
            Member(id, None) => format!("{id} removed"),
            TargetEpoch(Some(value)) => {
                format!("target epoch={} at={}", value.epoch, value.timestamp)
            }
            TargetEpoch(None) => "target removed".into(),
            Target(id, Some(of)) => format!("{id} target={}", show_listed(of)),
            Target(id, None) => format!("{id} target removed"),
            Current(id, Some(value)) => {
                let revoked = match value.revoked.is_empty() {
                    true => String::new(),
                    false => format!(" gives={}", show_listed(&value.revoked)),
                };
                format!(
                    "{id} epoch={}<{} state={} has={}{revoked}",
                    value.member_epoch,
                    value.previous_member_epoch,
                    value.state,
                    show_listed(&value.assigned)
                )
            }
            Current(id, None) => format!("{id} has removed"),
            Regex(regex, Some(value)) => format!("{regex} is {}", value.topics.join(",")),
            Regex(regex, None) => format!("{regex} removed"),
        };
        self.say(format!("write {} {text}", record.group));
    }
}
