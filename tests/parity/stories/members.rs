//! Stories about members of classic groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{GroupId, HeartbeatRequest, LeaveGroupRequest};
use kafka_protocol::protocol::StrBytes;

use super::scene::{Member, join, joined, member, protocol, sync};
use crate::script::{Story, make, s, since};

/// The same request with something changed.
pub fn but<T>(mut request: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut request);
    request
}

/// A heartbeat of a member.
pub fn beat(v: i16, member: &Member) -> HeartbeatRequest {
    make!(HeartbeatRequest {
        group_id: member.group.clone(),
        generation_id: member.generation,
        member_id: member.id.clone(),
        group_instance_id: since(v, 3, member.instance.clone()),
    })
}

pub fn join_group(story: &mut Story) {
    story.versions(0..=9, |story, v| {
        let name = story.name("group");
        let new = || join(v, &name, &s(""));
        for (what, milliseconds) in [("short", 5_999), ("long", 1_800_001), ("negative", -1)] {
            let request = but(new(), |request| request.session_timeout_ms = milliseconds);
            story.ask(&format!("a session timeout too {what}"), v, request);
        }
        story.ask("no group id", v, join(v, "", &s("")));
        story.ask("no group id and a bad timeout", v, {
            but(join(v, "", &s("")), |request| {
                request.session_timeout_ms = 1
            })
        });
        story.ask("an unknown member id", v, join(v, &name, &s("absent")));
        story.ask(
            "no protocols",
            v,
            but(new(), |request| request.protocols = vec![]),
        );
        story.ask(
            "no protocol type",
            v,
            but(new(), |request| request.protocol_type = s("")),
        );
        if v >= 1 {
            // A group of its own: who is refused nowhere here stays in it.
            let other = join(v, &story.name("untimed"), &s(""));
            let request = but(other, |request| request.rebalance_timeout_ms = -1);
            story.ask("a negative rebalance timeout", v, request);
        }
        let answer = story.ask("the first member", v, new());
        let id = answer.map_or(s(""), |answer| answer.member_id);
        if v >= 4 {
            story.ask("with the id that was given", v, join(v, &name, &id));
        }
        let member = |generation| Member {
            group: GroupId(s(&name)),
            id: id.clone(),
            instance: None,
            generation,
        };
        let first = member(1);
        story.ask("joined again before the assignment", v, join(v, &name, &id));
        story.ask(
            "the assignment",
            v.min(5),
            sync(v.min(5), &first, &[(&id, "all of it")]),
        );
        for (what, kind, protocols) in [
            (
                "another protocol type",
                "connect",
                vec![protocol("range", &[], "")],
            ),
            (
                "another protocol",
                "consumer",
                vec![protocol("sticky", &[], "")],
            ),
            (
                "an empty protocol type",
                "",
                vec![protocol("range", &[], "")],
            ),
            ("no common protocol", "consumer", vec![]),
        ] {
            story.ask(&format!("{what} by a newcomer"), v, {
                but(new(), |request| {
                    (request.protocol_type, request.protocols) = (s(kind), protocols.clone());
                })
            });
            if what != "another protocol" {
                story.ask(&format!("{what} by the member"), v, {
                    but(join(v, &name, &id), |request| {
                        (request.protocol_type, request.protocols) = (s(kind), protocols);
                    })
                });
            }
        }
        story.ask(
            "an unknown member of a stable group",
            v,
            join(v, &name, &s("absent")),
        );
        story.ask("the leader joins again", v, join(v, &name, &id));
        let second = member(2);
        story.ask("the old generation", v.min(4), beat(v.min(4), &first));
        story.ask("the new one", v.min(4), beat(v.min(4), &second));
        story.ask("with other protocols", v, {
            but(join(v, &name, &id), |request| {
                request.protocols = vec![protocol("sticky", &[], "s"), protocol("range", &[], "r")];
            })
        });
        if v >= 8 {
            let request = join(v, &name, &id);
            let request = but(request, |request| request.reason = Some(s("why not")));
            story.ask("for a reason", v, request);
        }
        if v >= 4 {
            // From here on a rebalance would wait for this one.
            story.ask("a second without an id", v, new());
        }
    });
}

pub fn sync_group(story: &mut Story) {
    story.versions(0..=5, |story, v| {
        let name = story.name("group");
        let joined = joined(story, &name, "");
        let one = Member {
            group: GroupId(s(&name)),
            id: joined.member_id,
            instance: None,
            generation: joined.generation_id,
        };
        let all: &[(&StrBytes, &str)] = &[(&one.id, "all of it")];
        let (later, other) = (
            Member {
                generation: 2,
                ..one.clone()
            },
            Member {
                id: s("absent"),
                ..one.clone()
            },
        );
        story.ask("a wrong generation", v, sync(v, &later, all));
        story.ask("an unknown member", v, sync(v, &other, all));
        story.ask(
            "an empty member id",
            v,
            sync(
                v,
                &Member {
                    id: s(""),
                    ..one.clone()
                },
                all,
            ),
        );
        let nowhere = Member {
            group: GroupId(s("sync_group-nowhere")),
            ..one.clone()
        };
        story.ask("an unknown group", v, sync(v, &nowhere, all));
        let nameless = Member {
            group: GroupId(s("")),
            ..one.clone()
        };
        story.ask("no group id", v, sync(v, &nameless, all));
        if v >= 5 {
            let request = but(sync(v, &one, all), |one| {
                one.protocol_type = Some(s("connect"))
            });
            story.ask("another protocol type", v, request);
            let request = but(sync(v, &one, all), |one| {
                one.protocol_name = Some(s("sticky"))
            });
            story.ask("another protocol", v, request);
            story.ask("no protocol type and name", v, {
                but(sync(v, &one, all), |one| {
                    (one.protocol_type, one.protocol_name) = (None, None)
                })
            });
        }
        story.ask("the leader assigns to itself and others", v, {
            sync(v, &one, &[(&one.id, "all of it"), (&other.id, "the rest")])
        });
        story.ask("again", v, sync(v, &one, all));
        story.ask("again with nothing", v, sync(v, &one, &[]));
        story.aside("a heartbeat", 3, beat(3, &one));
        let lonely = story.name("lonely");
        let joined = super::scene::joined(story, &lonely, "");
        let one = Member {
            group: GroupId(s(&lonely)),
            id: joined.member_id,
            ..one
        };
        story.ask("the leader assigns nothing", v, sync(v, &one, &[]));
    });
}

pub fn heartbeat(story: &mut Story) {
    story.versions(0..=4, |story, v| {
        let name = story.name("group");
        let one = member(story, &name, "");
        story.ask("of a member", v, beat(v, &one));
        story.ask(
            "of a later generation",
            v,
            beat(
                v,
                &Member {
                    generation: 2,
                    ..one.clone()
                },
            ),
        );
        story.ask(
            "of generation -1",
            v,
            beat(
                v,
                &Member {
                    generation: -1,
                    ..one.clone()
                },
            ),
        );
        story.ask(
            "of an unknown member",
            v,
            beat(
                v,
                &Member {
                    id: s("absent"),
                    ..one.clone()
                },
            ),
        );
        story.ask(
            "of an empty member id",
            v,
            beat(
                v,
                &Member {
                    id: s(""),
                    ..one.clone()
                },
            ),
        );
        let nowhere = GroupId(s("heartbeat-nowhere"));
        story.ask(
            "of an unknown group",
            v,
            beat(
                v,
                &Member {
                    group: nowhere,
                    ..one.clone()
                },
            ),
        );
        let nameless = GroupId(s(""));
        story.ask(
            "of a group without id",
            v,
            beat(
                v,
                &Member {
                    group: nameless,
                    ..one.clone()
                },
            ),
        );
        if v >= 3 {
            let fixed = Member {
                instance: Some(s("absent")),
                ..one.clone()
            };
            story.ask("of an unknown instance", v, beat(v, &fixed));
        }
        let waiting = joined(story, &story.name("waiting"), "");
        let group = GroupId(s(story.name("waiting")));
        let waiting = Member {
            group,
            id: waiting.member_id,
            ..one
        };
        story.ask("before the assignment", v, beat(v, &waiting));
    });
}

/// A request to leave, by these members and instances.
pub fn leave(v: i16, group: &str, members: &[(&str, Option<&str>)]) -> LeaveGroupRequest {
    let identity = |(id, instance): &(&str, Option<&str>)| {
        make!(MemberIdentity {
            member_id: s(id),
            group_instance_id: instance.map(s),
            reason: since(v, 5, Some(s("tired"))),
        })
    };
    match v {
        3.. => make!(LeaveGroupRequest {
            group_id: GroupId(s(group)),
            members: members.iter().map(identity).collect(),
        }),
        _ => make!(LeaveGroupRequest {
            group_id: GroupId(s(group)),
            member_id: s(members[0].0)
        }),
    }
}

pub fn leave_group(story: &mut Story) {
    story.versions(0..=5, |story, v| {
        let name = story.name("group");
        let one = member(story, &name, "");
        story.ask("an unknown member", v, leave(v, &name, &[("absent", None)]));
        story.ask("an empty member id", v, leave(v, &name, &[("", None)]));
        story.ask(
            "an unknown group",
            v,
            leave(v, "leave_group-nowhere", &[("absent", None)]),
        );
        story.ask("no group id", v, leave(v, "", &[(&one.id, None)]));
        story.aside("still there", 3, beat(3, &one));
        story.ask("a member", v, leave(v, &name, &[(&one.id, None)]));
        story.ask("a member that left", v, leave(v, &name, &[(&one.id, None)]));
        story.aside("no longer there", 3, beat(3, &one));
        if v >= 3 {
            let fixed = member(story, &name, "fixed");
            story.ask("no member at all", v, leave(v, &name, &[]));
            story.ask("an instance under a wrong id", v, {
                leave(v, &name, &[("absent", Some("fixed"))])
            });
            story.ask(
                "an unknown instance",
                v,
                leave(v, &name, &[("", Some("absent"))]),
            );
            story.ask("a member without its instance, twice", v, {
                leave(v, &name, &[(&fixed.id, None), (&fixed.id, None)])
            });
            member(story, &name, "fixed");
            story.ask("an instance, and an unknown member", v, {
                leave(v, &name, &[("", Some("fixed")), ("absent", None)])
            });
        }
        let pending = join(v.max(4), &name, &s(""));
        let pending = story.get(v.max(4), &pending).member_id;
        story.ask(
            "one that was given an id only",
            v,
            leave(v, &name, &[(&pending, None)]),
        );
    });
}
