//! Stories about groups of the consumer protocol (KIP-848).

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, IncrementalAlterConfigsRequest,
    ListGroupsRequest, OffsetFetchRequest,
};

use super::offsets::commit;
use super::scene::{Topic, joined, topic};
use crate::script::{Story, keep, make, s, t};

/// The same request but for some fields: `but!(request, member_epoch: 3)`.
macro_rules! but {
    ($request:expr, $($field:ident: $value:expr),* $(,)?) => {{
        let mut request = $request;
        $(request.$field = $value;)*
        request
    }};
}
pub(crate) use but;

/// Kafka's number of groups among resources.
const GROUP: i8 = 32;

/// A group and its topic, as the members of a story see them.
pub struct Scene {
    pub group: String,
    pub topic: Topic,
    pub version: i16,
}

/// A member's request that says nothing but who it is.
pub fn beat(group: &str, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    make!(ConsumerGroupHeartbeatRequest {
        group_id: GroupId(s(group)),
        member_id: s(member),
        member_epoch: epoch,
        rebalance_timeout_ms: -1,
    })
}

/// A member's request to join and consume these topics.
fn join(group: &str, member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    but!(
        beat(group, member, 0),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(topics.iter().map(t).collect()),
        topic_partitions: Some(Vec::new()),
    )
}

/// Asks, and notes the words of a refusal too: clients show them.
pub fn ask(
    story: &mut Story,
    what: &str,
    v: i16,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    let number = numbered(story);
    let answer = story.ask(&format!("{number}, {what}"), v, request);
    let answer = answer.unwrap_or_default();
    if let Some(text) = &answer.error_message {
        let text = text.replace(&story.name(""), "GROUP-");
        story.tell(&format!("{number}, in words"), &text);
    }
    answer
}

/// The number of the next step: many of them ask the same again.
pub fn numbered(story: &Story) -> usize {
    let last = story.steps.last().and_then(|step| step.version);
    let of_version = story.steps.iter().filter(|step| step.version == last);
    match story.version_now() == last {
        true => of_version.count(),
        false => 0,
    }
}

impl Scene {
    fn new(story: &mut Story, short: &str, version: i16) -> Scene {
        let topic = topic(story, short, 4, &[]);
        let group = story.name(short);
        at_once(story, &group);
        Scene {
            group,
            topic,
            version,
        }
    }

    fn owned(&self, partitions: &[i32]) -> Option<Vec<TopicPartitions>> {
        let topic = make!(TopicPartitions {
            topic_id: self.topic.id,
            partitions: partitions.to_vec(),
        });
        Some(match partitions {
            [] => Vec::new(),
            _ => vec![topic],
        })
    }

    /// A member joins.
    fn join(&self, story: &mut Story, member: &str) {
        let request = join(&self.group, member, &[&self.topic.name]);
        ask(story, &format!("{member} joins"), self.version, request);
    }

    /// A member beats, and has these partitions.
    pub fn beat(&self, story: &mut Story, member: &str, epoch: i32, partitions: &[i32]) {
        let request = but!(beat(&self.group, member, epoch),
                    topic_partitions: self.owned(partitions),
        );
        let what = format!("{member} at {epoch} with {partitions:?}");
        ask(story, &what, self.version, request);
    }

    /// A member beats and says no more.
    pub fn short(&self, story: &mut Story, member: &str, epoch: i32) {
        let request = beat(&self.group, member, epoch);
        ask(
            story,
            &format!("{member} at {epoch}"),
            self.version,
            request,
        );
    }

    fn describe(&self, story: &mut Story) {
        let request = make!(ConsumerGroupDescribeRequest {
            group_ids: vec![GroupId(s(&self.group))],
            include_authorized_operations: false,
        });
        let what = format!("{}, the group", numbered(story));
        story.ask(&what, self.version, request);
    }
}

/// Lets a group assign as often as there is reason to.
pub fn at_once(story: &mut Story, group: &str) {
    let config = make!(AlterableConfig {
        name: s("consumer.assignment.interval.ms"),
        config_operation: 0,
        value: Some(s("0")),
    });
    let resource = make!(AlterConfigsResource {
        resource_type: GROUP,
        resource_name: s(group),
        configs: vec![config],
    });
    let request = make!(IncrementalAlterConfigsRequest {
        resources: vec![resource]
    });
    let code = story.get(1, &request).responses[0].error_code;
    assert_eq!(code, 0, "the settings of {group}");
    // Brokers learn of it a little later.
    story.pause(200);
}

pub fn consumer_group_heartbeat(story: &mut Story) {
    story.versions(0..=1, |story, v| {
        let scene = Scene::new(story, "group", v);
        scene.join(story, "x");
        scene.beat(story, "x", 2, &[0, 1, 2, 3]);
        scene.join(story, "y");
        scene.short(story, "y", 3);
        scene.describe(story);
        scene.short(story, "x", 2);
        scene.beat(story, "x", 2, &[0, 1, 2, 3]);
        scene.describe(story);
        scene.beat(story, "x", 2, &[0, 1]);
        scene.beat(story, "y", 3, &[]);
        scene.beat(story, "y", 3, &[2, 3]);
        scene.describe(story);
        let full = but!(join(&scene.group, "x", &[&scene.topic.name]),
                    member_epoch: 3,
                    topic_partitions: scene.owned(&[0, 1]),
        );
        ask(story, "x says all of itself", v, full);
        scene.beat(story, "x", 2, &[0, 1]);
        scene.beat(story, "x", 2, &[0, 1, 2]);
        scene.short(story, "x", 2);
        scene.short(story, "x", 1);
        scene.short(story, "x", 9);
        scene.join(story, "x");
        let other = but!(beat(&scene.group, "x", 3),
                    server_assignor: Some(s("range")),
                    subscribed_topic_names: Some(Vec::new()),
                    topic_partitions: scene.owned(&[0, 1]),
        );
        ask(story, "x consumes nothing", v, other);
        scene.beat(story, "x", 3, &[]);
        scene.short(story, "y", 3);
        scene.describe(story);
        scene.short(story, "x", -1);
        scene.short(story, "x", -1);
        scene.short(story, "y", 4);
        scene.short(story, "y", 5);
        scene.short(story, "y", -1);
        scene.describe(story);
        scene.short(story, "y", 5);
    });
}

pub fn consumer_group_refusals(story: &mut Story) {
    story.versions(0..=1, |story, v| {
        let scene = Scene::new(story, "group", v);
        let (group, name) = (scene.group.clone(), scene.topic.name.clone());
        let joins = || join(&group, "x", &[&name]);
        let mut refused = |what: &str, request: ConsumerGroupHeartbeatRequest| {
            ask(story, what, v, request);
        };
        refused("at an unknown group", beat(&group, "x", 1));
        refused("leaving an unknown group", beat(&group, "x", -1));
        refused("an epoch below all", beat(&group, "x", -3));
        refused("away without an instance", beat(&group, "x", -2));
        refused("without a group", beat("", "x", 1));
        refused("a blank group", beat("  ", "x", 1));
        refused("without a member", beat(&group, "", 1));
        let request = |change: fn(&mut ConsumerGroupHeartbeatRequest)| {
            let mut request = joins();
            change(&mut request);
            request
        };
        refused(
            "an empty instance",
            request(|it| it.instance_id = Some(s(""))),
        );
        refused("an empty rack", request(|it| it.rack_id = Some(s(""))));
        refused("no time-out", request(|it| it.rebalance_timeout_ms = -1));
        refused(
            "no partitions said",
            request(|it| it.topic_partitions = None),
        );
        refused("no topics", request(|it| it.subscribed_topic_names = None));
        refused(
            "an unknown assignor",
            request(|it| it.server_assignor = Some(s("sticky"))),
        );
        let mut owns = joins();
        owns.topic_partitions = scene.owned(&[0]);
        refused("with partitions", owns);
        if v >= 1 {
            refused("joining without an id", request(|it| it.member_id = s("")));
            refused(
                "no regular expression",
                request(|it| it.subscribed_topic_regex = Some(s("a["))),
            );
        }
        refused("joins", joins());
        refused("another member", beat(&group, "z", 2));
        refused("another member leaves", beat(&group, "z", -1));
        let classic = story.name("classic");
        joined(story, &classic, "");
        let describe = make!(ConsumerGroupDescribeRequest {
            group_ids: [&*group, &*classic, "nowhere", ""]
                .map(|id| GroupId(s(id)))
                .into(),
            include_authorized_operations: true,
        });
        story.ask("groups of all kinds", v, describe);
        let other = beat(&classic, "x", 3);
        ask(story, "a classic group", v, other);
        ask(story, "leaving a classic group", v, beat(&classic, "x", -1));
    });
}

pub fn consumer_group_static(story: &mut Story) {
    story.versions(0..=1, |story, v| {
        let scene = Scene::new(story, "group", v);
        let with = |request: ConsumerGroupHeartbeatRequest, instance: &str| {
            but!(request,
                            instance_id: Some(s(instance)),
            )
        };
        let join = |member: &str| join(&scene.group, member, &[&scene.topic.name]);
        let beat = |member: &str, epoch: i32| beat(&scene.group, member, epoch);
        ask(story, "x joins as one", v, with(join("x"), "one"));
        ask(story, "y joins as one", v, with(join("y"), "one"));
        ask(story, "y as one", v, with(beat("y", 2), "one"));
        ask(story, "y as two", v, with(beat("y", 2), "two"));
        ask(story, "y leaves as one", v, with(beat("y", -2), "one"));
        ask(story, "y leaves as two", v, with(beat("y", -1), "two"));
        ask(story, "x is away", v, with(beat("x", -2), "one"));
        scene.describe(story);
        ask(story, "y joins as one again", v, with(join("y"), "one"));
        scene.describe(story);
        ask(story, "x is fenced", v, with(beat("x", 2), "one"));
        ask(story, "y goes on", v, with(beat("y", 2), "one"));
        ask(story, "z joins", v, join("z"));
        ask(story, "y leaves for good", v, with(beat("y", -1), "one"));
        ask(story, "z has all", v, beat("z", 3));
        scene.describe(story);
    });
}

pub fn consumer_group_offsets(story: &mut Story) {
    let v = 1;
    let scene = Scene::new(story, "group", v);
    scene.join(story, "x");
    scene.join(story, "y");
    scene.beat(story, "x", 2, &[0, 1, 2, 3]);
    let name = scene.topic.name.clone();
    let commits = |story: &mut Story, what: &str, version: i16, member: &str, epoch: i32| {
        let mut request = commit(version, &scene.group, &[(&name, &[(0, 5), (3, 5)])]);
        request.member_id = s(member);
        request.generation_id_or_member_epoch = epoch;
        story.ask(what, version, request);
    };
    commits(story, "at its epoch", 9, "x", 2);
    commits(story, "in an old version", 8, "x", 2);
    scene.beat(story, "x", 2, &[0, 1]);
    commits(story, "at the epoch before", 9, "x", 2);
    commits(story, "at an older one", 9, "x", 1);
    commits(story, "at a newer one", 9, "x", 4);
    commits(story, "without an epoch", 9, "x", -1);
    commits(story, "of another member", 9, "z", 3);
    commits(story, "of none", 9, "", -1);
    let fetches = |story: &mut Story, what: &str, member: Option<&str>, epoch: i32| {
        let topic = make!(OffsetFetchRequestTopics {
            name: name.clone(),
            partition_indexes: vec![0, 3],
        });
        let group = make!(OffsetFetchRequestGroup {
            group_id: GroupId(s(&scene.group)),
            member_id: member.map(s),
            member_epoch: epoch,
            topics: Some(vec![topic]),
        });
        let request = make!(OffsetFetchRequest {
            groups: vec![group]
        });
        story.ask(what, 9, request);
    };
    fetches(story, "by nobody", None, -1);
    fetches(story, "by a member", Some("x"), 3);
    fetches(story, "at another epoch", Some("x"), 2);
    fetches(story, "by another member", Some("z"), 3);
    let list = make!(ListGroupsRequest {
        types_filter: vec![s("Consumer")],
    });
    story.ask_and("of the type", 5, list, |answer| {
        keep(answer.list("groups"), "group_id", "consumer_group_offsets-");
    });
    let group = || GroupId(s(&scene.group));
    for version in [5, 6] {
        let describe = make!(DescribeGroupsRequest {
            groups: vec![group()]
        });
        story.ask("as a classic group", version, describe);
    }
    let delete = || {
        make!(DeleteGroupsRequest {
            groups_names: vec![group()]
        })
    };
    story.ask("with members", 2, delete());
    scene.short(story, "x", -1);
    scene.short(story, "y", -1);
    story.ask("without", 2, delete());
    scene.describe(story);
}

pub fn consumer_group_regex(story: &mut Story) {
    let v = 1;
    let scene = Scene::new(story, "one", v);
    let two = topic(story, "two", 2, &[]);
    let group = scene.group.clone();
    let regex = |text: &str| {
        but!(join(&group, "x", &[]),
                subscribed_topic_names: None,
                subscribed_topic_regex: Some(s(text)),
        )
    };
    for text in [
        "a[",
        "a(b",
        "*",
        "a\\",
        "(?P<n>a)(?P<n>b)",
        "[b-a]",
        "a{2,1}",
        "\\q",
    ] {
        ask(story, &format!("no expression: {text}"), v, regex(text));
    }
    let text = format!("{}(one|two)", story.name(""));
    ask(story, "x joins", v, regex(&text));
    story.wait_until("the expression is resolved", |story| {
        story.get(v, &beat(&group, "x", 1)).member_epoch == 2
    });
    let owned = |id, count| {
        make!(TopicPartitions {
            topic_id: id,
            partitions: (0..count).collect(),
        })
    };
    let full = but!(regex(&text),
            member_epoch: 2,
            topic_partitions: Some(vec![owned(scene.topic.id, 4), owned(two.id, 2)]),
    );
    ask(story, "x has both topics", v, full);
    ask(story, "x leaves", v, beat(&group, "x", -1));
}
