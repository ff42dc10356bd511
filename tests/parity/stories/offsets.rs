//! Stories about committed offsets: OffsetCommit, OffsetFetch, OffsetDelete.

use std::fmt::Debug;

use corelane::wire::newer::Newer;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, TopicName,
};
use kafka_protocol::protocol::Request;
use uuid::Uuid;

use super::scene::{Member, Topic, join, joined, member, protocol, topic};
use crate::script::{Story, make, s, t};

/// Topics with partitions and offsets.
type Offsets<'a> = &'a [(&'a str, &'a [(i32, i64)])];

/// A commit from outside of the group.
pub fn commit(v: i16, group: &str, offsets: Offsets) -> OffsetCommitRequest {
    let partition = |(index, offset): &(i32, i64)| {
        make!(OffsetCommitRequestPartition {
            partition_index: *index,
            committed_offset: *offset,
            committed_leader_epoch: if v >= 6 { 0 } else { -1 },
            committed_metadata: Some(s("note")),
        })
    };
    let topic = |(name, partitions): &(&str, &[(i32, i64)])| {
        make!(OffsetCommitRequestTopic {
            name: t(name),
            partitions: partitions.iter().map(partition).collect(),
        })
    };
    make!(OffsetCommitRequest {
        group_id: GroupId(s(group)),
        topics: offsets.iter().map(topic).collect(),
    })
}

/// A commit from a member.
pub fn by(v: i16, member: &Member, offsets: Offsets) -> OffsetCommitRequest {
    let mut request = commit(v, &member.group, offsets);
    request.member_id = member.id.clone();
    request.generation_id_or_member_epoch = member.generation;
    if v >= 7 {
        request.group_instance_id = member.instance.clone();
    }
    request
}

/// A story whose requests name topics by their ids from version 10 on; topics that there are not
/// get an id that there is not, but for the empty name.
struct ById<'a> {
    story: &'a mut Story,
    topics: Vec<Topic>,
}

impl ById<'_> {
    fn ask<R: NamesTopics>(&mut self, what: &str, v: i16, mut request: R)
    where
        Newer<R>: Request<Response: Debug>,
    {
        if v >= 10 {
            request.name_by_id(
                &|name| match self.topics.iter().find(|it| it.name == *name) {
                    Some(topic) => topic.id,
                    None if name.is_empty() => Uuid::nil(),
                    None => Uuid::from_u128(7),
                },
            );
        }
        self.story.ask(what, v, Newer(request));
    }
}

/// A request that names topics.
trait NamesTopics {
    /// Replaces their names by ids.
    fn name_by_id(&mut self, id: &dyn Fn(&TopicName) -> Uuid);
}

impl NamesTopics for OffsetCommitRequest {
    fn name_by_id(&mut self, id: &dyn Fn(&TopicName) -> Uuid) {
        for topic in &mut self.topics {
            topic.topic_id = id(&topic.name);
            topic.name = TopicName::default();
        }
    }
}

impl NamesTopics for OffsetFetchRequest {
    fn name_by_id(&mut self, id: &dyn Fn(&TopicName) -> Uuid) {
        let groups = self.groups.iter_mut();
        for topic in groups.flat_map(|group| group.topics.iter_mut().flatten()) {
            topic.topic_id = id(&topic.name);
            topic.name = TopicName::default();
        }
    }
}

pub fn offset_commit(story: &mut Story) {
    story.versions(2..=10, |story, v| {
        let one = topic(story, "one", 2, &[]);
        let mut story = ById {
            story,
            topics: vec![one.clone()],
        };
        let story = &mut story;
        let (alone, empty) = (story.story.name("alone"), story.story.name("empty"));
        let some: Offsets = &[(&one.name, &[(0, 5)])];
        story.ask("from outside of groups", v, commit(v, &alone, some));
        let all: Offsets = &[
            (&one.name, &[(0, 6), (1, -1), (9, 3)]),
            ("nowhere", &[(0, 1)]),
        ];
        story.ask("good and unknown ones", v, commit(v, &alone, all));
        story.ask(
            "a partition twice",
            v,
            commit(v, &alone, &[(&one.name, &[(0, 7), (0, 8)])]),
        );
        story.ask(
            "offset -2",
            v,
            commit(v, &alone, &[(&one.name, &[(0, -2)])]),
        );
        story.ask(
            "an illegal name",
            v,
            commit(v, &alone, &[("a b", &[(0, 1)]), ("", &[(0, 1)])]),
        );
        story.ask("no partitions", v, commit(v, &empty, &[(&one.name, &[])]));
        story.ask("no topics", v, commit(v, &empty, &[]));
        story.ask("no group id", v, commit(v, "", some));
        for (what, length) in [("the longest note", 4096), ("a longer note", 4097)] {
            let mut request = commit(v, &alone, &[(&one.name, &[(0, 9), (1, 9)])]);
            request.topics[0].partitions[1].committed_metadata = Some(s("n".repeat(length)));
            story.ask(what, v, request);
        }
        let mut request = commit(v, &alone, some);
        request.topics[0].partitions[0].committed_metadata = None;
        story.ask("a null note", v, request);
        if v <= 4 {
            let mut request = commit(v, &alone, some);
            request.retention_time_ms = 5000;
            story.ask("to be kept for 5 s", v, request);
        }
        let not_member = |group: &str, id: &str, generation| {
            let group = GroupId(s(group));
            Member {
                group,
                id: s(id),
                instance: None,
                generation,
            }
        };
        let [none, stable] = ["none", "stable"].map(|short| story.story.name(short));
        story.ask(
            "an unknown member of an unknown group",
            v,
            by(v, &not_member(&none, "absent", 1), some),
        );
        story.ask(
            "an unknown group's generation 0",
            v,
            by(v, &not_member(&none, "", 0), some),
        );
        story.ask(
            "an id without a generation",
            v,
            by(v, &not_member(&none, "absent", -1), some),
        );
        let fixed = member(story.story, &stable, "fixed");
        story.ask("a member", v, by(v, &fixed, some));
        story.ask(
            "from outside of a stable group",
            v,
            commit(v, &stable, some),
        );
        story.ask(
            "an unknown member of it",
            v,
            by(v, &not_member(&stable, "absent", 1), some),
        );
        story.ask(
            "a wrong generation",
            v,
            by(
                v,
                &Member {
                    generation: 9,
                    ..fixed.clone()
                },
                some,
            ),
        );
        if v >= 7 {
            let other = Member {
                instance: Some(s("other")),
                ..fixed.clone()
            };
            story.ask("a member as another instance", v, by(v, &other, some));
            let fenced = Member {
                id: s("absent"),
                ..fixed
            };
            story.ask("an instance under a wrong id", v, by(v, &fenced, some));
        }
        let name = story.story.name("waiting");
        let waiting = joined(story.story, &name, "");
        let waiting = Member {
            group: GroupId(s(&name)),
            id: waiting.member_id,
            instance: None,
            generation: waiting.generation_id,
        };
        story.ask("a member without an assignment", v, by(v, &waiting, some));
    });
}

pub fn offset_fetch(story: &mut Story) {
    let one = topic(story, "one", 3, &[]);
    let two = topic(story, "two", 1, &[]);
    let group = story.name("group");
    let offsets: Offsets = &[(&one.name, &[(0, 5), (2, 7)]), (&two.name, &[(0, 9)])];
    story.get(8, &commit(8, &group, offsets));
    let other = story.name("other");
    story.get(8, &commit(8, &other, &[(&two.name, &[(0, 1)])]));
    let busy = story.name("busy");
    let fixed = member(story, &busy, "fixed");
    story.get(8, &by(8, &fixed, &[(&two.name, &[(0, 3)])]));
    story.versions(1..=10, |story, v| {
        let topics = vec![one.clone(), two.clone()];
        let mut story = ById { story, topics };
        let story = &mut story;
        type Asked<'a> = Option<&'a [(&'a str, &'a [i32])]>;
        let single = |group: &str, topics: Asked| {
            let topic = |(name, partitions): &(&str, &[i32])| {
                make!(OffsetFetchRequestTopic {
                    name: t(name),
                    partition_indexes: partitions.to_vec(),
                })
            };
            make!(OffsetFetchRequest {
                group_id: GroupId(s(group)),
                topics: topics.map(|topics| topics.iter().map(topic).collect()),
            })
        };
        let several = |groups: &[(&str, Asked)]| {
            let topic = |(name, partitions): &(&str, &[i32])| {
                make!(OffsetFetchRequestTopics {
                    name: t(name),
                    partition_indexes: partitions.to_vec(),
                })
            };
            let group = |(name, topics): &(&str, Asked)| {
                make!(OffsetFetchRequestGroup {
                    group_id: GroupId(s(name)),
                    topics: topics.map(|topics| topics.iter().map(topic).collect()),
                })
            };
            make!(OffsetFetchRequest {
                group_id: GroupId::default(),
                topics: Some(vec![]),
                groups: groups.iter().map(group).collect(),
            })
        };
        let request = |group: &str, topics: Asked| match v {
            8.. => several(&[(group, topics)]),
            _ => single(group, topics),
        };
        let all: Asked = Some(&[(&one.name, &[0, 1, 2, 9]), (&two.name, &[0])]);
        story.ask("some", v, request(&group, all));
        story.ask(
            "a partition twice",
            v,
            request(&group, Some(&[(&one.name, &[0, 0])])),
        );
        let unknown: Asked = Some(&[("offset_fetch-nowhere", &[0]), ("a b", &[0])]);
        story.ask("unknown topics", v, request(&group, unknown));
        story.ask(
            "no partitions",
            v,
            request(&group, Some(&[(&one.name, &[])])),
        );
        story.ask("no topics", v, request(&group, Some(&[])));
        story.ask("an unknown group", v, request("offset_fetch-nowhere", all));
        story.ask("no group id", v, request("", all));
        story.ask(
            "a group with members",
            v,
            request(&busy, Some(&[(&two.name, &[0])])),
        );
        if v >= 2 {
            story.ask("everything", v, request(&group, None));
            story.ask(
                "everything of an unknown group",
                v,
                request("offset_fetch-nowhere", None),
            );
        }
        if v >= 7 {
            let mut request = request(&group, all);
            request.require_stable = true;
            story.ask("what is stable", v, request);
        }
        if v >= 8 {
            let some: Asked = Some(&[(&two.name, &[0])]);
            story.ask("several groups", v, {
                several(&[
                    (&other, some),
                    ("offset_fetch-nowhere", some),
                    (&group, None),
                ])
            });
            story.ask(
                "a group twice",
                v,
                several(&[(&other, some), (&other, None)]),
            );
            story.ask("no groups", v, several(&[]));
        }
        if v >= 9 {
            for (what, id, epoch) in [
                ("the member", &*fixed.id, 1),
                ("the member, an old epoch", &*fixed.id, 0),
                ("an unknown member", "absent", 1),
                ("no id but an epoch", "", 1),
            ] {
                let mut request = request(&busy, Some(&[(&two.name, &[0])]));
                request.groups[0].member_id = Some(s(id));
                request.groups[0].member_epoch = epoch;
                story.ask(&format!("as {what}"), v, request);
            }
        }
    });
}

pub fn offset_delete(story: &mut Story) {
    let one = topic(story, "one", 2, &[]);
    let two = topic(story, "two", 1, &[]);
    let (alone, busy) = (story.name("alone"), story.name("busy"));
    story.get(8, &commit(8, &alone, &[(&one.name, &[(0, 5), (1, 5)])]));
    let mut request = join(9, &busy, &s(""));
    request.group_instance_id = Some(s("fixed"));
    request.protocols = vec![protocol("range", &[&one.name], "")];
    story.get(9, &request);
    let mut ask = |what: &str, group: &str, topics: &[(&str, &[i32])]| {
        let partition = |index: &i32| {
            make!(OffsetDeleteRequestPartition {
                partition_index: *index
            })
        };
        let topic = |(name, partitions): &(&str, &[i32])| {
            make!(OffsetDeleteRequestTopic {
                name: t(name),
                partitions: partitions.iter().map(partition).collect(),
            })
        };
        let request = make!(OffsetDeleteRequest {
            group_id: GroupId(s(group)),
            topics: topics.iter().map(topic).collect(),
        });
        story.ask(what, 0, request);
    };
    ask(
        "a good, an unknown partition",
        &alone,
        &[(&one.name, &[0, 9])],
    );
    ask("again", &alone, &[(&one.name, &[0])]);
    ask(
        "an unknown topic",
        &alone,
        &[("offset_delete-nowhere", &[0])],
    );
    ask("no topics", &alone, &[]);
    ask("no partitions", &alone, &[(&one.name, &[])]);
    ask(
        "an unknown group",
        "offset_delete-nowhere",
        &[(&one.name, &[0])],
    );
    ask("no group id", "", &[(&one.name, &[0])]);
    ask(
        "of a topic that a member consumes",
        &busy,
        &[(&one.name, &[0])],
    );
    ask(
        "of a topic that no member consumes",
        &busy,
        &[(&two.name, &[0])],
    );
    ask("the last offset", &alone, &[(&one.name, &[1])]);
    ask("of the group without any", &alone, &[(&one.name, &[1])]);
}
