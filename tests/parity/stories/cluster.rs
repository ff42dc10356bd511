//! Stories about the broker itself: ApiVersions, DescribeCluster, DescribeLogDirs.

use bytes::{BufMut, BytesMut};
use corelane::wire::newer::Newer;
use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::{
    AlterReplicaLogDirsRequest, ApiVersionsRequest, DescribeClusterRequest, DescribeLogDirsRequest,
};

use super::scene::{append, topic};
use crate::batch::batch;
use crate::client;
use crate::script::{Story, answer_of, keep, make, s, since, t};
use crate::value::Value;

pub fn api_versions(story: &mut Story) {
    story.versions(0..=4, |story, v| {
        let named = |name: &str, version: &str| {
            make!(ApiVersionsRequest {
                client_software_name: since(v, 3, s(name)),
                client_software_version: since(v, 3, s(version)),
            })
        };
        story.ask("what can you do", v, named("parity", "1.0"));
        story.ask(
            "a second time on the same connection",
            v,
            named("parity", "1.0"),
        );
        if v >= 3 {
            for (name, version) in [
                ("", "1.0"),
                ("parity", ""),
                ("-parity", "1.0"),
                ("parity-", "1.0"),
                ("par ity", "1.0"),
                ("par_ity", "1.0"),
                ("parity", "1.0 beta"),
                ("parité", "1.0"),
                ("p", "1"),
                ("apache-kafka.java", "4.3.1-SNAPSHOT.x"),
            ] {
                story.ask(
                    &format!("name {name:?}, version {version:?}"),
                    v,
                    named(name, version),
                );
            }
            let long = "x".repeat(5000);
            story.ask("a name of 5000 letters", v, named(&long, "1.0"));
        }
    });
    for version in [5, 6, 99, i16::MAX, -1, i16::MIN] {
        let mut body = BytesMut::new();
        body.put_slice(&[0, 18]);
        body.put_i16(version);
        // Correlation id 7, client id "p", no tags, the name "parity", the version "1.0".
        body.put_slice(b"\0\0\0\x07\0\x01p\0\x07parity\x041.0\0");
        let what = format!("ApiVersions: version {version}, answered like version 0");
        story.raw(
            &what,
            &client::sized(&body),
            answer_of::<ApiVersionsRequest>(0, 7),
        );
    }
}

pub fn describe_cluster(story: &mut Story) {
    story.versions(0..=2, |story, v| {
        story.ask("plain", v, DescribeClusterRequest::default());
        let request = make!(DescribeClusterRequest {
            include_cluster_authorized_operations: true
        });
        story.ask("with authorized operations", v, request);
        if v >= 1 {
            for kind in [0, 2, 3, -1] {
                let request = make!(DescribeClusterRequest {
                    endpoint_type: kind
                });
                story.ask(&format!("endpoint type {kind}"), v, request);
            }
        }
        if v >= 2 {
            let request = make!(DescribeClusterRequest {
                include_fenced_brokers: true
            });
            story.ask("with fenced brokers", v, request);
        }
    });
}

pub fn describe_log_dirs(story: &mut Story) {
    let one = topic(story, "one", 2, &[]);
    let other = topic(story, "other", 1, &[]);
    append(story, &one, 0, batch(&["a"]).bytes());
    story.versions(1..=5, |story, v| {
        let mut ask = |what: &str, topics: Option<Vec<(&str, Vec<i32>)>>| {
            let topic = |(name, partitions): (&str, Vec<i32>)| {
                make!(DescribableLogDirTopic {
                    topic: t(name),
                    partitions: partitions
                })
            };
            let topics = topics.map(|topics| topics.into_iter().map(topic).collect());
            let request = make!(DescribeLogDirsRequest { topics: topics });
            story.ask_and(what, v, Newer(request), only_mine);
        };
        ask("everything", None);
        ask("nothing", Some(vec![]));
        ask("one partition", Some(vec![(&one.name, vec![0])]));
        ask(
            "partitions of two topics",
            Some(vec![(&other.name, vec![0]), (&one.name, vec![1, 0])]),
        );
        ask(
            "a topic without partitions",
            Some(vec![(&one.name, vec![])]),
        );
        ask("a partition twice", Some(vec![(&one.name, vec![0, 0])]));
        ask("an unknown partition", Some(vec![(&one.name, vec![7, -1])]));
        ask(
            "an unknown topic",
            Some(vec![("describe_log_dirs-nowhere", vec![0])]),
        );
        ask(
            "an illegal name",
            Some(vec![("describe_log_dirs-/", vec![0])]),
        );
    });
}

/// A topic, and partitions of it.
type Asked<'a> = (&'a str, Vec<i32>);

pub fn alter_replica_log_dirs(story: &mut Story) {
    let one = topic(story, "one", 2, &[]);
    append(story, &one, 0, batch(&["a"]).bytes());
    let request = Newer(make!(DescribeLogDirsRequest {
        topics: Some(vec![])
    }));
    let answer = story.get(4, &request);
    let folder = answer.0.results[0].log_dir.to_string();
    let long = "x".repeat(214);
    let longer = "x".repeat(215);
    story.versions(1..=2, |story, v| {
        let mut ask = |what: &str, dirs: Vec<(&str, Vec<Asked<'_>>)>| {
            let topic = |(name, partitions): Asked<'_>| {
                make!(AlterReplicaLogDirTopic {
                    name: t(name),
                    partitions: partitions
                })
            };
            let dir = |(path, topics): (&str, Vec<Asked<'_>>)| {
                make!(AlterReplicaLogDir {
                    path: s(path),
                    topics: topics.into_iter().map(topic).collect()
                })
            };
            let request = make!(AlterReplicaLogDirsRequest {
                dirs: dirs.into_iter().map(dir).collect()
            });
            story.ask(what, v, request);
        };
        ask("nothing", vec![]);
        ask("no topics", vec![(&folder, vec![])]);
        ask("no partitions", vec![(&folder, vec![(&one.name, vec![])])]);
        ask("where it is", vec![(&folder, vec![(&one.name, vec![0])])]);
        ask(
            "a partition twice",
            vec![(&folder, vec![(&one.name, vec![1, 0, 1])])],
        );
        let nowhere = "/alter_replica_log_dirs/nowhere";
        ask(
            "an unknown folder",
            vec![(nowhere, vec![(&one.name, vec![0])])],
        );
        ask("no folder", vec![("", vec![(&one.name, vec![0])])]);
        let slash = format!("{folder}/");
        ask(
            "a folder with a slash",
            vec![(&slash, vec![(&one.name, vec![0])])],
        );
        ask(
            "an unknown folder first, and where it is last",
            vec![
                (nowhere, vec![(&one.name, vec![0])]),
                (&folder, vec![(&one.name, vec![0])]),
            ],
        );
        ask(
            "where it is first, and an unknown folder last",
            vec![
                (&folder, vec![(&one.name, vec![0])]),
                (nowhere, vec![(&one.name, vec![0])]),
            ],
        );
        ask(
            "an unknown partition",
            vec![(&folder, vec![(&one.name, vec![7])])],
        );
        ask(
            "a partition below 0",
            vec![(&folder, vec![(&one.name, vec![-1])])],
        );
        let unknown = "alter_replica_log_dirs-nowhere";
        ask(
            "an unknown topic",
            vec![(&folder, vec![(unknown, vec![0])])],
        );
        ask(
            "unknown altogether",
            vec![(nowhere, vec![(unknown, vec![0])])],
        );
        ask("an illegal name", vec![(&folder, vec![("a/b", vec![0])])]);
        ask("no name", vec![(&folder, vec![("", vec![0])])]);
        ask(
            "as long a name as may be",
            vec![(&folder, vec![(&long, vec![0])])],
        );
        ask("a longer one", vec![(&folder, vec![(&longer, vec![0])])]);
        ask(
            "a longer one in an unknown folder",
            vec![(nowhere, vec![(&longer, vec![0])])],
        );
    });
}

fn only_mine(answer: &mut Value) {
    for folder in answer.list("results") {
        keep(folder.list("topics"), "name", "describe_log_dirs-");
    }
}
