//! Pure: every answer that a controller can give, and what it leads to.

use bytes::BytesMut;

use super::super::download::tests::snapshot;
use super::super::{METADATA_TOPIC, METADATA_TOPIC_ID};
use super::*;
use crate::base::ids::Uuid;
use crate::metadata::record::{NoOp, encode_batch};
use crate::wire::batch::stamp;
use crate::wire::codec::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
    SnapshotId,
};
use crate::wire::codec::messages::fetch_snapshot_response as snapshots;
use crate::wire::codec::messages::{BrokerId, TopicName};
use crate::wire::codec::{StrBytes, encode};

fn address(port: u16) -> Address {
    let host = "c".to_owned();
    Address { host, port }
}

fn observer() -> Observer {
    let asker = Asker {
        cluster_id: "id".into(),
        replica: None,
        directory: Uuid::from_u128(9),
    };
    Observer::new(asker, 1..=4, (0..3).map(address).collect())
}

/// An answer with this error and leader, which listens on port 100 + its id.
fn answer(error: i16, leader: i32, epoch: i32) -> PartitionData {
    let leader = LeaderIdAndEpoch::default()
        .with_leader_id(BrokerId(leader))
        .with_leader_epoch(epoch);
    PartitionData::default()
        .with_error_code(error)
        .with_current_leader(leader)
        .with_high_watermark(-1)
}

fn whole(partition: PartitionData) -> FetchResponse {
    let leader = partition.current_leader.leader_id;
    let topic = FetchableTopicResponse::default()
        .with_topic_id(METADATA_TOPIC_ID.0)
        .with_partitions(vec![partition]);
    let endpoint = NodeEndpoint::default()
        .with_node_id(leader)
        .with_host(StrBytes::from_static_str("c"))
        .with_port(100 + leader.0);
    FetchResponse::default()
        .with_responses(vec![topic])
        .with_node_endpoints(vec![endpoint])
}

/// Asks, and takes the answer in.
fn take(observer: &mut Observer, partition: PartitionData) -> Result<Vec<Event>, Refused> {
    observer.next(18, 0);
    observer.fetched(whole(partition))
}

fn asked_port(observer: &mut Observer, random: u64) -> u16 {
    observer.next(18, random).to.port
}

fn batch(base: Offset, epoch: LeaderEpoch) -> Vec<u8> {
    let mut bytes = encode_batch(&[NoOp {}.into(), NoOp {}.into()], epoch, 0);
    stamp(&mut bytes, base, epoch);
    bytes
}

/// Has it know a leader, and the log up to offset 4, of which 2 are committed.
fn with_log() -> Observer {
    let mut observer = observer();
    let records = [batch(0, 1), batch(2, 3)].concat();
    let brought = answer(0, 10, 5).with_high_watermark(2);
    let brought = take(&mut observer, brought.with_records(Some(records.into())));
    assert_eq!(brought, Ok(vec![Event::Batch(batch(0, 1).into())]));
    observer
}

fn fetch_of(observer: &mut Observer) -> FetchRequest {
    match observer.next(18, 0).what {
        What::Fetch(request) => request,
        What::Snapshot(_) => panic!("a snapshot is asked for"),
    }
}

#[test]
fn it_says_who_it_is_and_how_far() {
    let mut observer = with_log();
    let request = fetch_of(&mut observer);
    assert_eq!(request.replica_state.replica_id, BrokerId(-1));
    assert_eq!((request.session_id, request.session_epoch), (0, -1));
    let asked = &request.topics[0].partitions[0];
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (4, 3));
    assert_eq!((asked.current_leader_epoch, asked.high_watermark), (5, 2));
    observer.call_itself(NodeId(1));
    let request = fetch_of(&mut observer);
    assert_eq!(request.replica_state.replica_id, BrokerId(1));
    // A field that a version lacks could not be encoded.
    for version in [17, 18] {
        let What::Fetch(request) = observer.next(version, 0).what else {
            panic!("a snapshot is asked for");
        };
        encode(&request, version, &mut BytesMut::new()).unwrap();
    }
}

#[test]
fn the_leader_is_learned_from_those_that_do_not_lead() {
    for error in [6, 74] {
        let mut observer = observer();
        assert_eq!(asked_port(&mut observer, 5), 2);
        assert_eq!(asked_port(&mut observer, 4), 2, "until it has answered");
        assert_eq!(take(&mut observer, answer(error, 10, 7)), Ok(Vec::new()));
        let leader = observer.leader().clone();
        assert_eq!((leader.id, leader.epoch), (Some(NodeId(10)), 7));
        assert_eq!(asked_port(&mut observer, 0), 110);
        // One that knows of an older term is not believed.
        assert_eq!(take(&mut observer, answer(74, 11, 6)), Ok(Vec::new()));
        assert_eq!(observer.leader().id, Some(NodeId(10)));
    }
    // None leads: others are asked, less and less often.
    let mut observer = with_log();
    let mut pauses = Vec::new();
    for round in 0..8 {
        assert_eq!(take(&mut observer, answer(6, -1, 8)), Ok(Vec::new()));
        let ask = observer.next(18, round);
        assert_eq!(ask.to.port, round as u16 % 3);
        pauses.push(ask.after.as_millis());
    }
    assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000]);
    // In the same term one leads in the end.
    assert_eq!(take(&mut observer, answer(6, 12, 8)), Ok(Vec::new()));
    assert_eq!(asked_port(&mut observer, 0), 112);
    take(&mut observer, answer(0, 12, 8)).unwrap();
    assert!(observer.next(18, 0).after.is_zero());
}

#[test]
fn errors_send_it_elsewhere_or_stop_it() {
    for code in [75, 8, 42, -1, 500] {
        let mut observer = with_log();
        let useless = Useless::Code(ErrorCode(code));
        let refused = take(&mut observer, answer(code, -1, -1));
        assert_eq!(refused, Err(Refused::Useless(useless.clone())));
        assert_eq!(observer.leader().address, None);
        let refused = observer.fetched(FetchResponse::default().with_error_code(code));
        assert_eq!(refused, Err(Refused::Useless(useless)));
    }
    let whole_error = |code| {
        let answer = FetchResponse::default().with_error_code(code);
        observer().fetched(answer)
    };
    let other = Halt::OtherCluster("id".to_owned());
    assert_eq!(whole_error(104), Err(Refused::Halt(other)));
    assert_eq!(whole_error(31), Err(Refused::Halt(Halt::Unauthorized)));
    let refused = take(&mut observer(), answer(31, -1, -1));
    assert_eq!(refused, Err(Refused::Halt(Halt::Unauthorized)));
    let refused = take(&mut observer(), answer(6, 3, 9));
    let id = Halt::IdOfController(NodeId(3));
    assert_eq!(refused, Err(Refused::Halt(id)));
    // Answers about something else.
    let mut answers = vec![FetchResponse::default()];
    let mut two = whole(answer(0, 10, 5));
    two.responses.extend(two.responses.clone());
    answers.push(two);
    let mut other_topic = whole(answer(0, 10, 5));
    other_topic.responses[0].topic_id = Uuid::from_u128(2);
    answers.push(other_topic);
    answers.push(whole(answer(0, 10, 5).with_partition_index(1)));
    for answer in answers {
        let refused = observer().fetched(answer);
        assert_eq!(refused, Err(Refused::Useless(Useless::Other)));
    }
}

#[test]
fn what_differs_is_taken_back_but_never_what_was_committed() {
    let diverging = |epoch, end| {
        let until = EpochEndOffset::default()
            .with_epoch(epoch)
            .with_end_offset(end);
        answer(0, 10, 6).with_diverging_epoch(until)
    };
    let mut observer = with_log();
    assert_eq!(take(&mut observer, diverging(2, 9)), Ok(Vec::new()));
    let asked = fetch_of(&mut observer).topics[0].partitions[0].clone();
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (2, 1));
    let refused = take(&mut observer, diverging(1, 1));
    assert!(matches!(refused, Err(Refused::Halt(Halt::Diverged(_)))));
    let refused = take(&mut with_log(), diverging(9, 9));
    let none = Useless::Tail(TailError::NoDifference);
    assert_eq!(refused, Err(Refused::Useless(none)));
}

#[test]
fn batches_that_cannot_be_are_refused_behind_those_that_can() {
    let mut observer = with_log();
    let records = [batch(4, 5), batch(7, 5)].concat();
    let with = answer(0, 10, 5).with_high_watermark(6);
    let brought = take(
        &mut observer,
        with.clone().with_records(Some(records.into())),
    );
    assert_eq!(brought.unwrap().len(), 2, "the one before, and its own");
    let again = take(&mut observer, with.with_records(Some(batch(7, 5).into())));
    let gap = TailError::Gap {
        expected: 6,
        found: 7,
    };
    assert_eq!(again, Err(Refused::Useless(Useless::Tail(gap))));
}

fn offered(end: Offset, epoch: i32) -> PartitionData {
    let id = SnapshotId::default().with_end_offset(end).with_epoch(epoch);
    answer(0, 10, 5).with_snapshot_id(id)
}

/// A piece of the snapshot that ends at offset 8.
fn piece(size: usize, position: usize, bytes: &[u8]) -> snapshots::PartitionSnapshot {
    let id = snapshots::SnapshotId::default()
        .with_end_offset(8)
        .with_epoch(4);
    let leader = snapshots::LeaderIdAndEpoch::default()
        .with_leader_id(BrokerId(10))
        .with_leader_epoch(5);
    snapshots::PartitionSnapshot::default()
        .with_snapshot_id(id)
        .with_current_leader(leader)
        .with_size(size as i64)
        .with_position(position as i64)
        .with_unaligned_records(Bytes::copy_from_slice(bytes))
}

fn take_piece(
    observer: &mut Observer,
    partition: snapshots::PartitionSnapshot,
) -> Result<Vec<Event>, Refused> {
    assert!(matches!(observer.next(18, 0).what, What::Snapshot(_)));
    let topic = snapshots::TopicSnapshot::default()
        .with_name(TopicName(StrBytes::from_static_str(METADATA_TOPIC)))
        .with_partitions(vec![partition]);
    observer.snapshot_fetched(FetchSnapshotResponse::default().with_topics(vec![topic]))
}

fn loading() -> Observer {
    let mut observer = with_log();
    let begins = Ok(vec![Event::SnapshotBegins]);
    assert_eq!(take(&mut observer, offered(8, 4)), begins);
    observer
}

#[test]
fn a_snapshot_is_fetched_in_pieces_and_the_log_goes_on_behind_it() {
    let bytes = snapshot(&[NoOp {}.into()]);
    let mut observer = loading();
    let half = bytes.len() / 2;
    let first = take_piece(&mut observer, piece(bytes.len(), 0, &bytes[..half]));
    let What::Snapshot(request) = observer.next(18, 0).what else {
        panic!("the rest is not asked for");
    };
    assert_eq!(request.topics[0].partitions[0].position, half as i64);
    encode(&request, 1, &mut BytesMut::new()).unwrap();
    let rest = take_piece(&mut observer, piece(bytes.len(), half, &bytes[half..]));
    let mut events = [first.unwrap(), rest.unwrap()].concat();
    assert_eq!(events.pop(), Some(Event::SnapshotIsThere(8)));
    assert_eq!(events.len(), 3);
    let asked = fetch_of(&mut observer).topics[0].partitions[0].clone();
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (8, 4));
    let old = take(&mut observer, offered(8, 4));
    assert_eq!(old, Err(Refused::Useless(Useless::OldSnapshot(8))));
}

#[test]
fn a_snapshot_that_cannot_be_had_is_forgotten() {
    let bytes = snapshot(&[NoOp {}.into()]);
    let mut wrong = vec![
        piece(bytes.len(), 0, &[]).with_error_code(98),
        piece(bytes.len(), 0, &[]).with_error_code(99),
        piece(bytes.len(), 1, &bytes),
        piece(bytes.len() - 1, 0, &bytes[..bytes.len() - 1]),
    ];
    // A new term: another controller makes another snapshot.
    let mut newer = piece(0, 0, &[]).with_error_code(74);
    newer.current_leader.leader_epoch = 6;
    wrong.push(newer);
    for partition in wrong {
        let mut observer = loading();
        let _ = take_piece(&mut observer, partition);
        let asked = fetch_of(&mut observer).topics[0].partitions[0].clone();
        assert_eq!(asked.fetch_offset, 4);
        // The log says again which one to fetch.
        let begins = Ok(vec![Event::SnapshotBegins]);
        assert_eq!(take(&mut observer, offered(8, 4)), begins);
    }
    let mut observer = loading();
    let mut other = piece(bytes.len(), 0, &bytes);
    other.snapshot_id.end_offset = 9;
    let refused = take_piece(&mut observer, other);
    assert_eq!(refused, Err(Refused::Useless(Useless::Other)));
    // The leader is not there any more: where it is does not change what is loaded.
    let mut observer = loading();
    let mut moved = piece(0, 0, &[]).with_error_code(6);
    moved.current_leader.leader_id = BrokerId(-1);
    assert_eq!(take_piece(&mut observer, moved), Ok(Vec::new()));
    assert!(matches!(observer.next(18, 0).what, What::Snapshot(_)));
}
