use super::*;
use crate::base::ErrorCode;

const LAG: Duration = Duration::from_secs(30);

fn at(second: u64) -> Instant {
    Instant::default().after(Duration::from_secs(second))
}

fn nodes(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().map(|id| NodeId(*id)).collect()
}

fn term(partition_epoch: i32, isr: &[i32]) -> Term {
    Term {
        leader: NodeId(1),
        leader_epoch: 5,
        partition_epoch,
        replicas: nodes(&[1, 2, 3]),
        isr: nodes(isr),
    }
}

/// Node 1 leads at second 0; at least two replicas shall be in sync.
fn leader(isr: &[i32]) -> Replicas {
    let mut replicas = Replicas::new(NodeId(1), 2);
    replicas.take_over(&term(9, isr), true, at(0));
    replicas
}

fn fetch(node: i32) -> FollowerFetch {
    FollowerFetch {
        node: NodeId(node),
        broker_epoch: 100 + i64::from(node),
        is_eligible: true,
    }
}

/// The change that is asked for.
fn asked(replicas: &Replicas) -> IsrChange {
    let (partition_epoch, isr) = replicas.wanted(7).unwrap_or_default();
    IsrChange {
        topic_id: crate::base::TopicId::ZERO,
        index: 0,
        leader_epoch: 5,
        partition_epoch,
        isr,
    }
}

fn altered(partition_epoch: i32, isr: &[i32]) -> Result<AlteredPartition, AlterPartitionError> {
    Ok(AlteredPartition {
        leader: NodeId(1),
        leader_epoch: 5,
        partition_epoch,
        isr: nodes(isr),
    })
}

#[test]
fn a_single_replica_commits_what_it_stores() {
    let mut replicas = Replicas::new(NodeId(1), 2);
    replicas.take_over(&Term::alone(NodeId(1), 0), true, at(0));
    assert!(!replicas.is_under_min());
    assert_eq!(replicas.committable(7, 9, || at(0), LAG), Some(7));
}

#[test]
fn what_all_in_sync_have_is_committed() {
    let mut replicas = leader(&[1, 2, 3]);
    assert_eq!(replicas.committable(10, 12, || at(0), LAG), None);
    replicas.fetched(&fetch(2), 8, 12, at(1));
    assert_eq!(replicas.committable(10, 12, || at(1), LAG), None);
    replicas.fetched(&fetch(3), 11, 12, at(1));
    assert_eq!(replicas.committable(10, 12, || at(1), LAG), Some(8));
    replicas.fetched(&fetch(2), 12, 12, at(2));
    assert_eq!(replicas.committable(10, 12, || at(2), LAG), Some(10));
}

#[test]
fn nothing_is_committed_while_too_few_are_in_sync() {
    let replicas = leader(&[1]);
    assert!(replicas.is_under_min());
    assert_eq!(replicas.committable(10, 12, || at(0), LAG), None);
}

#[test]
fn one_that_catches_up_is_waited_for_and_comes_into_sync() {
    let mut replicas = leader(&[1, 2]);
    replicas.fetched(&fetch(2), 100, 100, at(1));
    // Far behind: it is not waited for.
    replicas.fetched(&fetch(3), 20, 100, at(1));
    assert_eq!(replicas.committable(100, 100, || at(1), LAG), Some(100));
    assert!(!replicas.grow(NodeId(3), 100, 0));
    // It has what there was at its last fetch.
    replicas.fetched(&fetch(3), 100, 110, at(2));
    replicas.fetched(&fetch(2), 110, 110, at(2));
    assert_eq!(replicas.committable(110, 110, || at(2), LAG), Some(100));
    // Not before it has come to where the term began.
    assert!(!replicas.grow(NodeId(3), 100, 101));
    assert!(replicas.grow(NodeId(3), 100, 100));
    assert!(!replicas.grow(NodeId(3), 100, 100), "one change at a time");
    let (epoch, isr) = replicas.wanted(77).unwrap();
    assert_eq!(epoch, 9);
    let expected = [(1, 77), (2, 102), (3, 103)].map(|(node, epoch)| (NodeId(node), epoch));
    assert_eq!(isr, expected);
    // From now on it counts, whatever it does.
    assert_eq!(replicas.committable(110, 110, || at(90), LAG), Some(100));
    assert!(!replicas.altered(&asked(&replicas), &altered(10, &[1, 2, 3])));
    assert_eq!(replicas.isr(), nodes(&[1, 2, 3]));
    assert_eq!(replicas.wanted(77), None);
}

#[test]
fn one_that_is_fenced_or_registered_anew_does_not_come_into_sync() {
    let mut replicas = leader(&[1, 2]);
    let fenced = FollowerFetch {
        is_eligible: false,
        ..fetch(3)
    };
    replicas.fetched(&fenced, 100, 100, at(1));
    assert!(!replicas.grow(NodeId(3), 100, 0));
    replicas.fetched(&fetch(2), 100, 100, at(1));
    assert_eq!(replicas.committable(105, 105, || at(1), LAG), Some(100));
    replicas.fetched(&fetch(2), 105, 105, at(2));
    assert_eq!(replicas.committable(105, 105, || at(2), LAG), Some(105));
    // One that is fenced while it comes into sync is not waited for any more; one in sync is.
    replicas.fetched(&fetch(3), 105, 105, at(3));
    replicas.fetched(&fetch(2), 110, 110, at(4));
    assert_eq!(replicas.committable(110, 110, || at(4), LAG), Some(105));
    assert!(replicas.only_eligible(|_| false));
    assert!(!replicas.only_eligible(|_| false));
    assert_eq!(replicas.committable(110, 110, || at(4), LAG), Some(110));
    assert_eq!(replicas.committable(115, 115, || at(4), LAG), Some(110));
}

#[test]
fn those_that_lag_go_out_of_sync_and_still_count_until_the_controller_agrees() {
    let mut replicas = leader(&[1, 2, 3]);
    replicas.fetched(&fetch(2), 50, 50, at(1));
    replicas.fetched(&fetch(3), 50, 50, at(20));
    assert!(!replicas.shrink(60, at(31), LAG));
    assert!(!replicas.shrink(50, at(999), LAG), "they have all there is");
    assert!(replicas.shrink(60, at(32), LAG));
    assert_eq!(
        replicas.wanted(7).unwrap().1,
        [(NodeId(1), 7), (NodeId(3), 103)]
    );
    replicas.fetched(&fetch(3), 60, 60, at(32));
    assert_eq!(replicas.committable(60, 60, || at(32), LAG), Some(50));
    assert!(!replicas.altered(&asked(&replicas), &altered(10, &[1, 3])));
    assert_eq!(replicas.committable(60, 60, || at(33), LAG), Some(60));
}

#[test]
fn a_change_that_is_refused_is_dropped_and_one_in_doubt_waits_for_the_metadata() {
    let ineligible = Err(AlterPartitionError::IneligibleReplica);
    let outdated = Err(AlterPartitionError::Outdated);
    let failed = Err(AlterPartitionError::Other(ErrorCode::UNKNOWN_SERVER_ERROR));
    let asks = || {
        let mut replicas = leader(&[1, 2]);
        replicas.fetched(&fetch(3), 10, 10, at(1));
        assert!(replicas.grow(NodeId(3), 10, 0));
        replicas
    };
    let mut replicas = asks();
    assert!(!replicas.altered(&asked(&replicas), &ineligible));
    assert!(replicas.grow(NodeId(3), 10, 0));

    let mut replicas = asks();
    assert!(replicas.altered(&asked(&replicas), &failed));
    assert!(replicas.wanted(7).is_some());

    let mut replicas = asks();
    let change = asked(&replicas);
    assert!(!replicas.altered(&change, &outdated));
    assert_eq!(replicas.wanted(7), None);
    assert!(
        !replicas.grow(NodeId(3), 10, 0),
        "what became of it is not known"
    );
    replicas.take_over(&term(9, &[1, 2]), false, at(2));
    assert!(!replicas.grow(NodeId(3), 10, 0), "that is not newer");
    replicas.take_over(&term(10, &[1, 2]), false, at(2));
    assert!(replicas.grow(NodeId(3), 10, 0));
    // A late answer to the first request says nothing of this one.
    assert!(!replicas.altered(&change, &outdated));
    assert!(replicas.wanted(7).is_some());
}

#[test]
fn metadata_that_is_older_than_the_controllers_answer_changes_nothing() {
    let mut replicas = leader(&[1, 2]);
    replicas.fetched(&fetch(3), 10, 10, at(1));
    assert!(replicas.grow(NodeId(3), 10, 0));
    replicas.altered(&asked(&replicas), &altered(11, &[1, 2, 3]));
    replicas.take_over(&term(10, &[1]), false, at(2));
    assert_eq!(replicas.isr(), nodes(&[1, 2, 3]));
    replicas.take_over(&term(12, &[1, 3]), false, at(2));
    assert_eq!(replicas.isr(), nodes(&[1, 3]));
}

#[test]
fn a_reader_is_sent_to_a_replica_near_it_that_has_what_it_wants() {
    let mut replicas = leader(&[1, 2, 3]);
    let near = |replicas: &Replicas, offset, ids: &[i32]| {
        let found = replicas.nearest(offset, &nodes(ids));
        found.map(|node| node.0)
    };
    assert_eq!(near(&replicas, 0, &[2]), None, "nothing is known of it");
    replicas.fetched(&fetch(2), 10, 20, at(1));
    replicas.fetched(&fetch(3), 15, 20, at(1));
    assert_eq!(near(&replicas, 5, &[2]), Some(2));
    assert_eq!(near(&replicas, 5, &[2, 3]), Some(3));
    assert_eq!(near(&replicas, 12, &[2]), None);
    assert_eq!(near(&replicas, 5, &[1, 2]), None);
    assert_eq!(near(&replicas, 5, &[7]), None);
}

#[test]
fn a_new_term_knows_nothing_of_the_followers() {
    let mut replicas = leader(&[1, 2]);
    replicas.fetched(&fetch(2), 10, 10, at(1));
    assert_eq!(replicas.committable(10, 10, || at(1), LAG), Some(10));
    replicas.take_over(&term(10, &[1, 2]), true, at(40));
    assert_eq!(replicas.committable(10, 10, || at(40), LAG), None);
    // Those in sync have time to show themselves.
    assert!(!replicas.shrink(10, at(69), LAG));
    assert!(replicas.shrink(10, at(71), LAG));
}

#[test]
fn what_is_deleted_everywhere_shows_by_where_the_logs_of_those_alive_begin() {
    let mut replicas = leader(&[1, 2, 3]);
    let low =
        |replicas: &Replicas, alive: &[i32]| replicas.low_watermark(|node| alive.contains(&node.0));
    assert_eq!(low(&replicas, &[1]), None);
    assert_eq!(low(&replicas, &[1, 2, 3]), Some(-1));
    replicas.begins_at(NodeId(2), 7);
    replicas.begins_at(NodeId(3), 9);
    replicas.begins_at(NodeId(8), 1);
    assert_eq!(low(&replicas, &[1, 2, 3]), Some(7));
    assert_eq!(low(&replicas, &[1, 3]), Some(9));
    replicas.take_over(&term(10, &[1, 2, 3]), true, at(1));
    assert_eq!(low(&replicas, &[1, 2, 3]), Some(-1), "a new term");
}
