//! Stories about groups as a whole: DescribeGroups, ListGroups, DeleteGroups.

use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest,
};

use super::offsets::commit;
use super::scene::{joined, member, topic};
use crate::script::{Story, make, s};

/// Groups in several states: `stable` with a static and a plain member, `waiting` for its leader's
/// assignment, `empty` with an offset.
fn make_groups(story: &mut Story) {
    let topic = topic(story, "topic", 1, &[]);
    let name = story.name("stable");
    member(story, &name, "fixed");
    let name = story.name("waiting");
    joined(story, &name, "");
    let name = story.name("empty");
    story.get(8, &commit(8, &name, &[(&topic.name, &[(0, 1)])]));
}

pub fn describe_groups(story: &mut Story) {
    make_groups(story);
    let [stable, waiting, empty] = ["stable", "waiting", "empty"].map(|short| story.name(short));
    story.versions(0..=6, |story, v| {
        let mut ask = |what: &str, groups: &[&str], operations: bool| {
            let request = make!(DescribeGroupsRequest {
                groups: groups.iter().map(|name| GroupId(s(name))).collect(),
                include_authorized_operations: operations,
            });
            story.ask(what, v, request);
        };
        ask("a stable one", &[&stable], false);
        ask("one that waits for an assignment", &[&waiting], false);
        ask("one that has offsets only", &[&empty], false);
        ask("an unknown one", &["describe_groups-nowhere"], false);
        ask("one without name", &[""], false);
        ask(
            "several, one twice",
            &[&empty, &waiting, &empty, "describe_groups-nowhere"],
            false,
        );
        ask("none", &[], false);
        if v >= 3 {
            ask(
                "with authorized operations",
                &[&empty, "describe_groups-nowhere"],
                true,
            );
        }
    });
}

pub fn list_groups(story: &mut Story) {
    make_groups(story);
    story.versions(0..=5, |story, v| {
        let mut ask = |what: &str, states: &[&str], types: &[&str]| {
            let request = make!(ListGroupsRequest {
                states_filter: states.iter().map(s).collect(),
                types_filter: types.iter().map(s).collect(),
            });
            let groups = |answer: &mut crate::value::Value| {
                crate::script::keep(answer.list("groups"), "group_id", "list_groups-");
            };
            story.ask_and(what, v, request, groups);
        };
        ask("all", &[], &[]);
        if v >= 4 {
            for states in [
                &["Stable"][..],
                &["stable"],
                &["Empty", "CompletingRebalance"],
                &["PreparingRebalance"],
                &["Dead"],
                &["Bogus"],
                &["Bogus", "Stable"],
                &[""],
            ] {
                ask(&format!("in states {states:?}"), states, &[]);
            }
        }
        if v >= 5 {
            for types in [
                &["classic"][..],
                &["Classic"],
                &["consumer"],
                &["bogus"],
                &[""],
            ] {
                ask(&format!("of types {types:?}"), &[], types);
            }
            ask("stable and classic", &["Stable"], &["classic"]);
        }
    });
}

pub fn delete_groups(story: &mut Story) {
    story.versions(0..=2, |story, v| {
        make_groups(story);
        let [stable, waiting, empty] =
            ["stable", "waiting", "empty"].map(|short| story.name(short));
        let mut ask = |what: &str, groups: &[&str]| {
            let names = groups.iter().map(|name| GroupId(s(name))).collect();
            story.ask(
                what,
                v,
                make!(DeleteGroupsRequest {
                    groups_names: names
                }),
            );
        };
        ask("one with members", &[&stable]);
        ask("one that waits for an assignment", &[&waiting]);
        ask("an unknown one", &["delete_groups-nowhere"]);
        ask("one without name", &[""]);
        ask("none", &[]);
        ask(
            "a good and an unknown one",
            &[&empty, "delete_groups-nowhere"],
        );
        ask("again", &[&empty]);
    });
}
