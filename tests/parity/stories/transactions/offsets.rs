//! Stories about offsets that belong to a transaction: TxnOffsetCommit.

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, GroupId, OffsetFetchRequest, TxnOffsetCommitRequest,
};

use super::*;
use crate::script::since;
use crate::stories::scene::{member, topic};

/// Partition, offset, note.
type Offsets<'a> = &'a [(i32, i64, Option<&'a str>)];

fn commit(
    text: &str,
    group: &str,
    (known, epoch): Producer,
    list: &[(&str, Offsets)],
) -> TxnOffsetCommitRequest {
    let partition = |(index, offset, note): &(i32, i64, Option<&str>)| {
        make!(TxnOffsetCommitRequestPartition {
            partition_index: *index,
            committed_offset: *offset,
            committed_metadata: note.map(s),
        })
    };
    let topic = |(name, offsets): &(&str, Offsets)| {
        make!(TxnOffsetCommitRequestTopic {
            name: t(name),
            partitions: offsets.iter().map(partition).collect(),
        })
    };
    make!(TxnOffsetCommitRequest {
        transactional_id: id(text),
        group_id: GroupId(s(group)),
        producer_id: ProducerId(known),
        producer_epoch: epoch,
        topics: list.iter().map(topic).collect(),
    })
}

fn fetched(story: &mut Story, what: &str, group: &str, topic: &str, stable: bool) {
    let topic = make!(OffsetFetchRequestTopics {
        name: t(topic),
        partition_indexes: vec![0, 1],
    });
    let group = make!(OffsetFetchRequestGroup {
        group_id: GroupId(s(group)),
        topics: Some(vec![topic]),
    });
    let request = make!(OffsetFetchRequest {
        groups: vec![group],
        require_stable: stable,
    });
    story.aside(what, 8, request);
}

/// Has a transaction hold offsets of this group, too.
pub fn joins(story: &mut Story, name: &str, (known, epoch): Producer, group: &str) {
    let request = make!(AddOffsetsToTxnRequest {
        transactional_id: id(name),
        producer_id: ProducerId(known),
        producer_epoch: epoch,
        group_id: GroupId(s(group)),
    });
    story.get(3, &request);
}

pub fn txn_offset_commit(story: &mut Story) {
    story.versions(0..=5, |story, v| {
        let one = topic(story, "one", 2, &[]).name.to_string();
        let (name, group) = (story.name("id"), story.name("group"));
        let offsets: &[(&str, Offsets)] = &[(&one, &[(0, 5, Some("note")), (1, 6, None)])];
        let by = begun(story, &name);
        joins(story, &name, by, &group);
        let mut ask = |what: &str, request: TxnOffsetCommitRequest| {
            story.ask(what, v, request);
        };
        ask("without a group", commit(&name, "", by, offsets));
        ask("no topics", commit(&name, &group, by, &[]));
        ask(
            "an unknown topic",
            commit(&name, &group, by, &[("no-such-topic", &[(0, 1, None)])]),
        );
        ask(
            "an unknown partition",
            commit(&name, &group, by, &[(&one, &[(7, 1, None)])]),
        );
        let long = "n".repeat(4097);
        ask(
            "a long note",
            commit(&name, &group, by, &[(&one, &[(0, 1, Some(&long))])]),
        );
        ask("two offsets", commit(&name, &group, by, offsets));
        fetched(story, "before the end", &group, &one, false);
        fetched(story, "before the end, stable", &group, &one, true);
        let past = (by.0, by.1 - 1);
        story.ask(
            "an epoch of the past",
            v,
            commit(&name, &group, past, offsets),
        );
        story.get(4, &end(&name, by, true));
        settle(story, &name);
        fetched(story, "after the end", &group, &one, true);
        if v < 3 {
            return;
        }
        members(story, v, &one);
    });
}

/// Those who are in a group say so.
fn members(story: &mut Story, v: i16, one: &str) {
    let (name, group) = (story.name("member-id"), story.name("members"));
    let member = member(story, &group, "");
    let by = begun(story, &name);
    joins(story, &name, by, &group);
    let of = |generation: i32, id: &str, instance: Option<&str>| {
        let mut request = commit(&name, &group, by, &[(one, &[(0, 9, None)])]);
        request.generation_id = since(v, 3, generation);
        request.member_id = s(id);
        request.group_instance_id = instance.map(s);
        request
    };
    let (own, now) = (member.id.to_string(), member.generation);
    story.ask("of no member", v, of(-1, "", None));
    story.ask("of an unknown member", v, of(now, "nobody", None));
    story.ask("of another generation", v, of(now + 1, &own, None));
    story.ask("of an unknown instance", v, of(now, &own, Some("instance")));
    story.ask("of a generation alone", v, of(now, "", None));
    story.ask("of the member", v, of(now, &own, None));
    story.get(4, &end(&name, by, false));
    settle(story, &name);
    fetched(story, "after an abort", &group, one, true);
}
