//! Stories about the end of transactions in partitions: WriteTxnMarkers, DescribeProducers.

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{DescribeProducersRequest, WriteTxnMarkersRequest};

use super::*;
use crate::batch::batch;
use crate::stories::scene::{self, Topic, append, topic};

fn marker(
    (known, epoch): Producer,
    committed: bool,
    coordinator_epoch: i32,
    list: &[(&str, &[i32])],
) -> WritableTxnMarker {
    let topic = |(name, partitions): &(&str, &[i32])| {
        make!(WritableTxnMarkerTopic {
            name: t(name),
            partition_indexes: partitions.to_vec(),
        })
    };
    make!(WritableTxnMarker {
        producer_id: ProducerId(known),
        producer_epoch: epoch,
        transaction_result: committed,
        topics: list.iter().map(topic).collect(),
        coordinator_epoch: coordinator_epoch,
    })
}

/// What partitions know of their producers.
fn producers(story: &mut Story, what: &str, list: &[(&str, &[i32])]) {
    let topic = |(name, partitions): &(&str, &[i32])| {
        make!(TopicRequest {
            name: t(name),
            partition_indexes: partitions.to_vec(),
        })
    };
    let request = make!(DescribeProducersRequest {
        topics: list.iter().map(topic).collect(),
    });
    story.aside(what, 0, request);
}

/// Records, as their producer sends them.
fn sent(story: &mut Story, topic: &Topic, index: i32, (known, epoch): Producer, sequence: i32) {
    let records = batch(&["a", "b"]).by(known, epoch, sequence).bytes();
    append(story, topic, index, records);
}

pub fn write_txn_markers(story: &mut Story) {
    let v = 1;
    let one = topic(story, "one", 2, &[]);
    let name = one.name.to_string();
    // Twice, for an epoch that has one before it.
    begun(story, "write_txn_markers-id");
    let by = begun(story, "write_txn_markers-id");
    let other = begun(story, "write_txn_markers-other");
    sent(story, &one, 0, by, 0);
    sent(story, &one, 1, other, 0);
    producers(story, "before all", &[(&name, &[0, 1])]);
    let mut ask = |what: &str, markers: Vec<WritableTxnMarker>| {
        let request = make!(WriteTxnMarkersRequest { markers: markers });
        story.ask(what, v, request);
    };
    let first: &[(&str, &[i32])] = &[(&name, &[0])];
    ask("none", Vec::new());
    ask("in no partitions", vec![marker(by, true, 0, &[])]);
    ask(
        "in an unknown topic",
        vec![marker(by, true, 0, &[("no-such-topic", &[0])])],
    );
    ask(
        "in an unknown partition",
        vec![marker(by, true, 0, &[(&name, &[7])])],
    );
    ask("committed", vec![marker(by, true, 3, first)]);
    ask("committed again", vec![marker(by, true, 3, first)]);
    ask(
        "of an earlier coordinator",
        vec![marker(by, false, 2, first)],
    );
    ask(
        "of an earlier epoch",
        vec![marker((by.0, by.1 - 1), true, 3, first)],
    );
    ask(
        "aborted, of the next epoch",
        vec![marker((by.0, by.1 + 1), false, 3, first)],
    );
    let two = vec![
        marker(other, false, 0, &[(&name, &[1])]),
        marker(by, false, 4, &[(&name, &[0]), ("no-such-topic", &[0])]),
    ];
    ask("of two producers", two);
    producers(story, "after all", &[(&name, &[0, 1])]);
    story.ask(
        "what is in the first",
        12,
        scene::fetch(12, &one, &[(0, 0)]),
    );
}

pub fn describe_producers(story: &mut Story) {
    let one = topic(story, "one", 3, &[]);
    let name = one.name.to_string();
    producers(story, "of nothing", &[]);
    producers(story, "of no partitions", &[(&name, &[])]);
    producers(
        story,
        "of unknown ones",
        &[("no-such-topic", &[0]), (&name, &[9, -1])],
    );
    producers(story, "before there are any", &[(&name, &[0])]);
    let (a, b) = (
        begun(story, "describe_producers-a"),
        begun(story, "describe_producers-b"),
    );
    sent(story, &one, 0, a, 0);
    sent(story, &one, 0, a, 2);
    sent(story, &one, 0, b, 0);
    sent(story, &one, 1, b, 0);
    producers(story, "of all", &[(&name, &[0, 1, 2])]);
    producers(story, "of one twice", &[(&name, &[1, 1])]);
    let id = "describe_producers-b";
    let again = story.get(4, &init(id, 60_000, NEW));
    let next = (again.producer_id.0, again.producer_epoch);
    sent(story, &one, 1, next, 0);
    producers(story, "of a new epoch", &[(&name, &[0, 1])]);
}
