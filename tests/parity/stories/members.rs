//! Stories about members of classic groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::scene::{Member, join, joined, member, protocol, sync};
use crate::script::{Story, make, s, since};

/// The same request with something changed.
fn but<T>(mut request: T, change: impl FnOnce(&mut T)) -> T {
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
        story.ask("an unknown member id", v, join(v, &name, &s("nobody")));
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
            join(v, &name, &s("nobody")),
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
                id: s("nobody"),
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
            "of nobody",
            v,
            beat(
                v,
                &Member {
                    id: s("nobody"),
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
                instance: Some(s("nobody")),
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
fn leave(v: i16, group: &str, members: &[(&str, Option<&str>)]) -> LeaveGroupRequest {
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
        story.ask("nobody", v, leave(v, &name, &[("nobody", None)]));
        story.ask("an empty member id", v, leave(v, &name, &[("", None)]));
        story.ask(
            "an unknown group",
            v,
            leave(v, "leave_group-nowhere", &[("nobody", None)]),
        );
        story.ask("no group id", v, leave(v, "", &[(&one.id, None)]));
        story.aside("still there", 3, beat(3, &one));
        story.ask("a member", v, leave(v, &name, &[(&one.id, None)]));
        story.ask("a member that left", v, leave(v, &name, &[(&one.id, None)]));
        story.aside("no longer there", 3, beat(3, &one));
        if v >= 3 {
            let fixed = member(story, &name, "fixed");
            story.ask("nobody at all", v, leave(v, &name, &[]));
            story.ask("an instance under a wrong id", v, {
                leave(v, &name, &[("nobody", Some("fixed"))])
            });
            story.ask(
                "an unknown instance",
                v,
                leave(v, &name, &[("", Some("nobody"))]),
            );
            story.ask("a member without its instance, twice", v, {
                leave(v, &name, &[(&fixed.id, None), (&fixed.id, None)])
            });
            member(story, &name, "fixed");
            story.ask("an instance, and nobody", v, {
                leave(v, &name, &[("", Some("fixed")), ("nobody", None)])
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

pub fn static_members(story: &mut Story) {
    story.versions(5..=9, |story, v| {
        let name = story.name("group");
        let fixed = |id: &StrBytes| {
            but(join(v, &name, id), |request| {
                request.group_instance_id = Some(s("fixed"))
            })
        };
        let first = story.ask("the first", v, fixed(&s("")));
        let first = first.map_or(s(""), |answer| answer.member_id);
        let sync_v = if v >= 7 { 5 } else { 3 };
        let of = |id: &StrBytes, instance: &str| Member {
            group: GroupId(s(&name)),
            id: id.clone(),
            instance: Some(s(instance)),
            generation: 1,
        };
        let one = of(&first, "fixed");
        story.ask(
            "its assignment",
            sync_v,
            sync(sync_v, &one, &[(&first, "all of it")]),
        );
        story.aside("its heartbeat", 3, beat(3, &one));
        let again = story.ask("restarted", v, fixed(&s("")));
        let again = again.map_or(s(""), |answer| answer.member_id);
        let two = of(&again, "fixed");
        story.ask("its assignment again", sync_v, sync(sync_v, &two, &[]));
        story.aside("its heartbeat again", 3, beat(3, &two));
        story.aside("the old one's heartbeat", 3, beat(3, &one));
        story.ask("the old one's sync", sync_v, sync(sync_v, &one, &[]));
        story.ask("the old one joins", v, fixed(&first));
        story.ask("an unknown id joins", v, fixed(&s("nobody")));
        let other = of(&again, "other");
        story.aside("a heartbeat as another instance", 3, beat(3, &other));
        story.aside("a heartbeat without instance", 3, {
            beat(
                3,
                &Member {
                    instance: None,
                    ..two.clone()
                },
            )
        });
        story.ask("restarted with another subscription", v, {
            but(fixed(&s("")), |request| {
                request.protocols = vec![protocol("range", &[], "other")]
            })
        });
        story.ask("restarted with another protocol", v, {
            but(fixed(&s("")), |request| {
                request.protocols = vec![protocol("sticky", &[], "")]
            })
        });
        for (short, bad) in [("g1", ""), ("g2", "a b"), ("g3", ".."), ("g4", "é")] {
            let request = join(v, &story.name(short), &s(""));
            story.ask(&format!("the instance id {bad:?}"), v, {
                but(request, |request| request.group_instance_id = Some(s(bad)))
            });
        }
    });
}

pub fn rebalance(story: &mut Story) {
    story.versions(0..=9, |story, v| {
        let name = story.name("group");
        let by = |id: &StrBytes, metadata: &'static str| {
            but(join(v, &name, id), |request| {
                request.protocols = vec![
                    protocol("range", &[], metadata),
                    protocol("sticky", &[], metadata),
                ];
            })
        };
        let sync_v = v.min(5);
        let heartbeat_v = v.min(4);
        // Newer versions give out an id first.
        let id = |story: &mut Story| match v {
            4.. => story.get(v, &by(&s(""), "")).member_id,
            _ => s(""),
        };
        let given = id(story);
        let first = story.get(v, &by(&given, "first"));
        let of = |id: &StrBytes, generation: i32| Member {
            group: GroupId(s(&name)),
            id: id.clone(),
            instance: None,
            generation,
        };
        let one = of(&first.member_id, 1);
        story.get(sync_v, &sync(sync_v, &one, &[(&one.id, "all of it")]));
        let given = id(story);
        story.begin(1, v, &by(&given, "second"));
        story.wait_until("the first is told", |story| {
            story.get(heartbeat_v, &beat(heartbeat_v, &one)).error_code != 0
        });
        story.ask(
            "a heartbeat meanwhile",
            heartbeat_v,
            beat(heartbeat_v, &one),
        );
        story.ask("a sync meanwhile", sync_v, sync(sync_v, &one, &[]));
        story.ask("the first joins again", v, by(&one.id, "first"));
        let second = story.finish::<JoinGroupRequest>(1, "the second, then", v, |_| ());
        let second = of(&second.map_or(s(""), |answer| answer.member_id), 2);
        let one = of(&one.id, 2);
        story.begin(1, sync_v, &sync(sync_v, &second, &[]));
        story.pause(20);
        let parts = [(&one.id, "one half"), (&second.id, "the other half")];
        story.ask("the leader syncs", sync_v, sync(sync_v, &one, &parts));
        story.finish::<SyncGroupRequest>(1, "the second's sync, then", sync_v, |_| ());
        story.ask(
            "the second's heartbeat",
            heartbeat_v,
            beat(heartbeat_v, &second),
        );
        story.ask(
            "a follower joins again unchanged",
            v,
            by(&second.id, "second"),
        );
        story.begin(1, v, &by(&second.id, "changed"));
        story.wait_until("the first is told", |story| {
            story.get(heartbeat_v, &beat(heartbeat_v, &one)).error_code != 0
        });
        let leave_v = v.min(5);
        story.ask(
            "the leader leaves",
            leave_v,
            leave(leave_v, &name, &[(&one.id, None)]),
        );
        story.finish::<JoinGroupRequest>(1, "a changed follower, then", v, |_| ());
        let second = of(&second.id, 3);
        story.ask(
            "it leads now",
            sync_v,
            sync(sync_v, &second, &[(&second.id, "all")]),
        );
    });
}
