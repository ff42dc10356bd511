//! Drives: movers, members of a group of the consumer protocol that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Result};
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, GroupId};
use kafka_protocol::protocol::StrBytes;

use super::clients::Member;
use super::history::{Consumed, Read};
use super::load::{GROUP, IN, OUT, PAUSE, Worker, read};
use crate::requests::{text, topic_name};

/// What a mover knows of its group.
struct Membership {
    member: Member,
    partitions: BTreeSet<i32>,
    /// The same in words of the protocol.
    owned: Vec<TopicPartitions>,
    /// Whether it has told what it works on since that changed.
    has_told: bool,
    /// Where each partition goes on.
    next: BTreeMap<i32, i64>,
}

impl Worker {
    pub(super) fn move_on(&mut self, number: usize) {
        let mut lives = 0;
        while !self.stopped() {
            lives += 1;
            let mut place = Membership {
                member: Member {
                    group: GROUP,
                    id: format!("mover-{number}-{lives}"),
                    epoch: 0,
                },
                partitions: BTreeSet::new(),
                owned: Vec::new(),
                has_told: false,
                next: BTreeMap::new(),
            };
            let until = Instant::now() + Duration::from_millis(self.random.u64(1_000..8_000));
            while !self.stopped() && Instant::now() < until {
                if self.live(&mut place).is_err() {
                    self.session.forget();
                    thread::sleep(PAUSE);
                }
                if self.random.u8(..200) == 0 {
                    // For longer than its session: it is taken for dead.
                    thread::sleep(Duration::from_millis(1_500));
                }
            }
            // Most of them say that they leave.
            if self.random.u8(..3) > 0 {
                place.member.epoch = -1;
                let _ = self.session.heartbeat(GROUP, &request(&place));
            }
        }
    }

    /// A heartbeat, and a transaction if there is anything to move.
    fn live(&mut self, place: &mut Membership) -> Result<()> {
        self.beat(place)?;
        if self.producer.is_none() {
            // What it has open would keep the group's offsets from being stable.
            self.producer = Some(self.session.init(&self.name)?);
        }
        let mut consumed = Vec::new();
        for index in place.partitions.clone() {
            let from = match place.next.get(&index) {
                Some(from) => *from,
                None => self.session.offset(GROUP, (IN, index))?,
            };
            place.next.insert(index, from);
            let (records, found) = read(&mut self.session, (IN, index), from)?;
            if records.is_empty() {
                continue;
            }
            let values = records.iter().map(|(_, value)| *value).collect();
            let place = (IN, index);
            let mut history = self.load.history.lock().unwrap();
            history.reads.push(Read { place, records });
            consumed.push(Consumed {
                place,
                from,
                to: found.next,
                values,
            });
        }
        if consumed.is_empty() {
            thread::sleep(PAUSE);
            return Ok(());
        }
        let values = self.values(OUT);
        let ends: Vec<_> = consumed.iter().map(|it| (it.place.1, it.to)).collect();
        match self.transact(&values, Some((&place.member, consumed))) {
            true => place.next.extend(ends),
            // The group knows where it goes on.
            false => place.next.clear(),
        }
        Ok(())
    }

    fn beat(&mut self, place: &mut Membership) -> Result<()> {
        let answer = self.session.heartbeat(GROUP, &request(place))?;
        if answer.error_code != 0 {
            // Fenced, unknown, or its coordinator is not there: it begins anew.
            place.member.epoch = 0;
            place.partitions.clear();
            place.owned.clear();
            place.next.clear();
            return Err(Error::other(format!("heartbeat: {}", answer.error_code)));
        }
        place.member.epoch = answer.member_epoch;
        place.has_told = true;
        if let Some(assignment) = answer.assignment {
            let topics = assignment.topic_partitions.iter();
            let partitions: BTreeSet<i32> = topics.flat_map(|it| it.partitions.clone()).collect();
            place.next.retain(|index, _| partitions.contains(index));
            place.has_told = place.partitions == partitions;
            place.partitions = partitions;
            let owned = assignment.topic_partitions.into_iter().map(|it| {
                TopicPartitions::default()
                    .with_topic_id(it.topic_id)
                    .with_partitions(it.partitions)
            });
            place.owned = owned.collect();
        }
        Ok(())
    }
}

/// A member's heartbeat: all of itself when it joins, and what it works on when that has changed.
fn request(place: &Membership) -> ConsumerGroupHeartbeatRequest {
    let joins = place.member.epoch == 0;
    let tells = joins || !place.has_told;
    let owned = if joins {
        Vec::new()
    } else {
        place.owned.clone()
    };
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(GROUP)))
        .with_member_id(StrBytes::from_string(place.member.id.clone()))
        .with_member_epoch(place.member.epoch)
        .with_rebalance_timeout_ms(if joins { 5_000 } else { -1 })
        .with_subscribed_topic_names(joins.then(|| vec![topic_name(IN)]))
        .with_topic_partitions(tells.then_some(owned))
}
