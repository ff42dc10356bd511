//! Stories about offsets that are committed in transactions, by members of each kind of group.

use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, ProducerId, TxnOffsetCommitRequest};

use super::offsets::joins;
use super::*;
use crate::stories::consumers::{beat, but};
use crate::stories::scene::topic;

/// Who commits: member id, epoch, instance id.
type By<'a> = (&'a str, i32, Option<&'a str>);

pub fn commits_in_groups(story: &mut Story) {
    story.versions(0..=4, |story, v| {
        let one = topic(story, "one", 2, &[]);
        let (name, group) = (story.name("id"), story.name("group"));
        let by = begun(story, &name);
        joins(story, &name, by, &group);
        let request = |group: &str, (member, epoch, instance): By, index: i32| {
            let partition = make!(TxnOffsetCommitRequestPartition {
                partition_index: index,
                committed_offset: 7,
                committed_leader_epoch: -1,
                committed_metadata: Some(s("note")),
            });
            let topic = make!(TxnOffsetCommitRequestTopic {
                name: one.name.clone(),
                partitions: vec![partition],
            });
            let mut request = make!(TxnOffsetCommitRequest {
                transactional_id: id(&name),
                group_id: GroupId(s(group)),
                producer_id: ProducerId(by.0),
                producer_epoch: by.1,
                topics: vec![topic],
            });
            if v >= 3 {
                request.member_id = s(member);
                request.generation_id = epoch;
                request.group_instance_id = instance.map(s);
            }
            request
        };
        // Three heartbeats of two members: the first one's epoch is above 1.
        let join = |member: &str| {
            but!(
                beat(&group, member, 0),
                rebalance_timeout_ms: 60_000,
                subscribed_topic_names: Some(vec![one.name.clone()]),
                topic_partitions: Some(Vec::new()),
            )
        };
        let epoch = story.get(1, &join("first")).member_epoch;
        let mut ask = |what: &str, by: By, index: i32| {
            story.ask(what, v, request(&group, by, index));
        };
        ask("no member", ("", -1, None), 0);
        if v >= 3 {
            ask("no member, but an epoch", ("", epoch, None), 0);
            ask("a member without an epoch", ("first", -1, None), 0);
            ask("an unknown member", ("other", epoch, None), 0);
            ask("an unknown instance", ("first", epoch, Some("i")), 0);
            ask("an epoch of the future", ("first", epoch + 1, None), 0);
            ask("an epoch of the past", ("first", epoch - 1, None), 0);
            ask("its own epoch", ("first", epoch, None), 0);
            ask(
                "its own epoch, another partition",
                ("first", epoch, None),
                1,
            );
            ask(
                "its own epoch, no such partition",
                ("first", epoch, None),
                9,
            );
        }
        let unknown = story.name("unknown");
        if v >= 3 {
            let request = request(&unknown, ("first", 3, None), 0);
            story.ask("a group that is none", v, request);
        }
        story.ask(
            "no member of a group that is none",
            v,
            request(&unknown, ("", -1, None), 0),
        );
        story.ask("ended", v.max(2), end(&name, by, true));
        settle(story, &name);
        let fetch = make!(OffsetFetchRequest {
            group_id: GroupId(s(&group)),
            require_stable: true,
        });
        story.ask("what was committed", 7, but!(fetch, topics: None));
    });
}
