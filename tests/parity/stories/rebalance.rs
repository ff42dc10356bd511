//! Stories about members that come and go: static members, and a rebalance of two.

use kafka_protocol::messages::{GroupId, JoinGroupRequest, SyncGroupRequest};
use kafka_protocol::protocol::StrBytes;

use super::members::{beat, but, leave};
use super::scene::{Member, join, protocol, sync};
use crate::script::{Story, s};

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
        story.ask("an unknown id joins", v, fixed(&s("absent")));
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
