//! Stories about offsets in a log: ListOffsets, DeleteRecords, OffsetForLeaderEpoch.

use corelane::wire::newer::Newer;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    BrokerId, DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
};

use super::scene::{self, Topic, append, list, topic};
use crate::batch::{Batch, TIME, batch};
use crate::script::{Story, make, t};

pub fn list_offsets(story: &mut Story) {
    // Offset 0-2 at +0, +1, +2; 3-5 at +100, +99, +98; 6 at +50; 7-9 at +200, compressed; the
    // largest is not the latest.
    let one = topic(story, "one", 2, &[]);
    let at = |base: i64, deltas: [i64; 3], codec: i16| {
        batch(&["a", "b", "c"]).with(|b| {
            b.base_timestamp = TIME + base;
            b.attributes = codec;
            for (record, delta) in b.records.iter_mut().zip(deltas) {
                record.2 = delta;
            }
        })
    };
    append(story, &one, 0, at(0, [0, 1, 2], 0).bytes());
    append(story, &one, 0, at(100, [0, -1, -2], 0).bytes());
    append(
        story,
        &one,
        0,
        batch(&["d"])
            .with(|b: &mut Batch| b.base_timestamp = TIME + 50)
            .bytes(),
    );
    append(story, &one, 0, at(200, [0, 5, 5], 1).bytes());
    let untimed = topic(story, "untimed", 1, &[]);
    let no_time = |b: &mut Batch| (b.base_timestamp, b.max_timestamp) = (-1, Some(-1));
    append(story, &untimed, 0, batch(&["a"]).with(no_time).bytes());
    story.versions(1..=11, |story, v| {
        for special in [-1, -2, -3, -4, -5, -6, -7, -100] {
            let request = list(&one.name, &[(0, special), (1, special)]);
            story.ask(
                &format!("timestamp {special}, filled and empty"),
                v,
                Newer(request),
            );
        }
        for after in [-1, 0, 1, 2, 3, 50, 51, 98, 100, 101, 200, 201, 205, 206] {
            let request = list(&one.name, &[(0, TIME + after)]);
            story.ask(&format!("time +{after}"), v, Newer(request));
        }
        story.ask("time 0", v, Newer(list(&one.name, &[(0, 0), (1, 0)])));
        story.ask(
            "the end of time",
            v,
            Newer(list(&one.name, &[(0, i64::MAX)])),
        );
        story.ask(
            "records without time",
            v,
            Newer(list(&untimed.name, &[(0, 0)])),
        );
        story.ask(
            "the latest without time",
            v,
            Newer(list(&untimed.name, &[(0, -3)])),
        );
        let odd = list(&one.name, &[(0, -1), (9, -1), (-1, -1)]);
        story.ask("an unknown partition", v, Newer(odd));
        story.ask(
            "an unknown topic",
            v,
            Newer(list("list_offsets-nowhere", &[(0, -1)])),
        );
        story.ask("an illegal name", v, Newer(list("a b", &[(0, -1)])));
        story.ask(
            "a partition twice",
            v,
            Newer(list(&one.name, &[(0, -1), (0, -2)])),
        );
        story.ask("no partitions", v, Newer(list(&one.name, &[])));
        story.ask("nothing", v, Newer(ListOffsetsRequest::default()));
        if v >= 2 {
            for level in [1, 2, -1] {
                let mut request = list(&one.name, &[(0, -1), (1, TIME)]);
                request.isolation_level = level;
                story.ask(&format!("isolation {level}"), v, Newer(request));
            }
        }
        if v >= 4 {
            for epoch in [0, 1, -2] {
                let mut request = list(&one.name, &[(0, -1)]);
                request.topics[0].partitions[0].current_leader_epoch = epoch;
                story.ask(&format!("current leader epoch {epoch}"), v, Newer(request));
            }
        }
        if v >= 10 {
            for timeout in [0, -1, 1000] {
                let mut request = list(&one.name, &[(0, -1)]);
                request.timeout_ms = timeout;
                story.ask(&format!("timeout {timeout}"), v, Newer(request));
            }
        }
        for replica in [-2, 1, 7] {
            let mut request = list(&one.name, &[(0, -1)]);
            request.replica_id = BrokerId(replica);
            story.ask(&format!("as replica {replica}"), v, Newer(request));
        }
    });
}

pub fn delete_records(story: &mut Story) {
    story.versions(0..=2, |story, v| {
        let one = topic(story, "one", 2, &[]);
        for _ in 0..3 {
            append(story, &one, 0, batch(&["a", "b", "c"]).bytes());
        }
        let ask = |story: &mut Story, what: &str, name: &str, partitions: &[(i32, i64)]| {
            let partition = |(index, offset): &(i32, i64)| {
                make!(DeleteRecordsPartition {
                    partition_index: *index,
                    offset: *offset
                })
            };
            let topic = make!(DeleteRecordsTopic {
                name: t(name),
                partitions: partitions.iter().map(partition).collect(),
            });
            let request = make!(DeleteRecordsRequest {
                topics: vec![topic],
                timeout_ms: 10_000
            });
            story.ask(what, v, request);
        };
        ask(story, "nothing of it", &one.name, &[(0, 0)]);
        ask(story, "before 4", &one.name, &[(0, 4)]);
        story.ask(
            "earliest after that",
            7,
            list(&one.name, &[(0, -2), (1, -2)]),
        );
        story.aside("from 3 after that", 4, scene::fetch(4, &one, &[(0, 3)]));
        story.aside("from 4 after that", 4, scene::fetch(4, &one, &[(0, 4)]));
        ask(story, "before 2, which is gone", &one.name, &[(0, 2)]);
        ask(story, "beyond the end", &one.name, &[(0, 10)]);
        ask(story, "-2", &one.name, &[(0, -2)]);
        ask(story, "all", &one.name, &[(0, -1)]);
        ask(story, "all again", &one.name, &[(0, -1)]);
        ask(story, "all of an empty one", &one.name, &[(1, -1)]);
        story.ask(
            "earliest, latest after all",
            7,
            list(&one.name, &[(0, -2), (1, -1)]),
        );
        append(story, &one, 0, batch(&["d"]).bytes());
        story.aside("what comes then", 4, scene::fetch(4, &one, &[(0, 9)]));
        ask(
            story,
            "an unknown partition",
            &one.name,
            &[(9, 0), (0, 9), (-1, 0)],
        );
        ask(story, "a partition twice", &one.name, &[(0, 9), (0, 10)]);
        ask(
            story,
            "an unknown topic",
            "delete_records-nowhere",
            &[(0, 0)],
        );
        ask(story, "an illegal name", "a b", &[(0, 0)]);
        ask(story, "no partitions", &one.name, &[]);
        story.ask("nothing", v, DeleteRecordsRequest::default());
        let compact = topic(story, "compact", 1, &[("cleanup.policy", "compact")]);
        ask(story, "of a compacted topic", &compact.name, &[(0, 0)]);
        let both = topic(story, "both", 1, &[("cleanup.policy", "compact,delete")]);
        ask(story, "of one with both policies", &both.name, &[(0, 0)]);
    });
}

/// Lookups by time where the youngest record is deleted. Once it is, Kafka goes on answering its
/// offset to those who ask for the youngest, though reading from there is an error; Corelane says
/// which is the youngest that can be read (`log/tests/lookups.rs`), so that is not asked here.
pub fn times_after_deletion(story: &mut Story) {
    // Offset 0-2 at +0, +100, +2; 3-5 at +10, +20, +12; 6-8 at +5, +15, +20.
    let one = topic(story, "one", 1, &[]);
    for deltas in [[0, 100, 2], [10, 20, 12], [5, 15, 20]] {
        let bytes = batch(&["a", "b", "c"]).with(|b: &mut Batch| {
            for (record, delta) in b.records.iter_mut().zip(deltas) {
                record.2 = delta;
            }
        });
        append(story, &one, 0, bytes.bytes());
    }
    for before in [0, 1, 2, 3, 4, 5, 6, 8, 9] {
        let partition = make!(DeleteRecordsPartition {
            partition_index: 0,
            offset: before
        });
        let named = make!(DeleteRecordsTopic {
            name: one.name.clone(),
            partitions: vec![partition],
        });
        let request = make!(DeleteRecordsRequest {
            topics: vec![named],
            timeout_ms: 10_000
        });
        story.ask(&format!("delete before {before}"), 2, request);
        for time in [-3, TIME, TIME + 11, TIME + 20, TIME + 21, TIME + 100] {
            if time == -3 && before > 1 {
                continue;
            }
            let what = match time {
                -3 => "the youngest".to_owned(),
                time => format!("time +{}", time - TIME),
            };
            let request = list(&one.name, &[(0, time)]);
            story.ask(&format!("{what}, from {before} on"), 7, request);
        }
    }
}

pub fn offset_for_leader_epoch(story: &mut Story) {
    let one = topic(story, "one", 2, &[]);
    append(story, &one, 0, batch(&["a", "b", "c"]).bytes());
    story.versions(2..=4, |story, v| {
        let ask =
            |story: &mut Story, what: &str, name: &str, replica: i32, asked: &[(i32, i32, i32)]| {
                let partition = |(index, current, epoch): &(i32, i32, i32)| {
                    make!(OffsetForLeaderPartition {
                        partition: *index,
                        current_leader_epoch: *current,
                        leader_epoch: *epoch,
                    })
                };
                let topic = make!(OffsetForLeaderTopic {
                    topic: t(name),
                    partitions: asked.iter().map(partition).collect(),
                });
                let mut request = make!(OffsetForLeaderEpochRequest {
                    topics: vec![topic]
                });
                if v >= 3 {
                    request.replica_id = BrokerId(replica);
                }
                story.ask(what, v, request);
            };
        let Topic { name, .. } = &one;
        for epoch in [0, 1, -1, -2, i32::MAX] {
            ask(
                story,
                &format!("epoch {epoch}"),
                name,
                -1,
                &[(0, -1, epoch), (1, -1, epoch)],
            );
        }
        for current in [0, 1, -2] {
            ask(
                story,
                &format!("current epoch {current}"),
                name,
                -1,
                &[(0, current, 0)],
            );
        }
        ask(
            story,
            "unknown partitions",
            name,
            -1,
            &[(9, -1, 0), (0, -1, 0), (-1, -1, 0)],
        );
        ask(
            story,
            "an unknown topic",
            "offset_for_leader_epoch-nowhere",
            -1,
            &[(0, -1, 0)],
        );
        ask(story, "an illegal name", "a b", -1, &[(0, -1, 0)]);
        ask(story, "no partitions", name, -1, &[]);
        for replica in [-2, 1, 7] {
            ask(
                story,
                &format!("as replica {replica}"),
                name,
                replica,
                &[(0, -1, 0)],
            );
        }
        let nothing = make!(OffsetForLeaderEpochRequest { topics: vec![] });
        story.ask("nothing", v, nothing);
    });
}
