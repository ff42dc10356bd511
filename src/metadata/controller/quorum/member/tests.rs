use bytes::BytesMut;

use super::*;
use crate::wire::codec::encode;

pub fn facts(node: i32) -> Facts {
    Facts {
        node: NodeId(node),
        cluster_id: "id".to_owned(),
        incarnation: Uuid::from_u128(5),
        endpoint: Endpoint {
            name: "PLAINTEXT".to_owned(),
            host: "h".to_owned(),
            port: 9092,
            security_protocol: 0,
        },
        rack: Some("r".to_owned()),
        log_dirs: vec![Uuid::from_u128(1 << 100)],
        previous_epoch: 41,
        interval: Duration::from_secs(2),
    }
}

fn granted(epoch: i64) -> BrokerRegistrationResponse {
    BrokerRegistrationResponse::default().with_broker_epoch(epoch)
}

fn refused(code: i16) -> BrokerRegistrationResponse {
    granted(-1).with_error_code(code)
}

fn report(member: &Member, view: &View) -> BrokerHeartbeatRequest {
    match member.next(view) {
        Next::Report(report) => {
            encode(&report, 1, &mut BytesMut::new()).unwrap();
            report
        }
        Next::Register(_) => panic!("not registered"),
    }
}

fn registration(member: &Member) -> BrokerRegistrationRequest {
    match member.next(&View::default()) {
        Next::Register(request) => {
            encode(&request, 4, &mut BytesMut::new()).unwrap();
            request
        }
        Next::Report(_) => panic!("registered"),
    }
}

#[test]
fn a_node_registers_catches_up_opens_its_logs_and_is_unfenced() {
    let mut member = Member::new(facts(7));
    let request = registration(&member);
    assert_eq!(
        (request.broker_id.0, request.previous_broker_epoch),
        (7, 41)
    );
    assert_eq!(request.features[0].max_supported_version, 30);
    let mut view = View {
        applied: -1,
        ..View::default()
    };
    assert_eq!(member.pause(&view), HURRY);
    member.registered(&granted(100)).unwrap();
    let first = report(&member, &view);
    assert!(first.want_fence && !first.want_shut_down);
    assert_eq!(
        (first.broker_epoch, first.current_metadata_offset),
        (100, -1)
    );
    assert_eq!(member.pause(&view), HURRY);
    let answer = BrokerHeartbeatResponse::default();
    let caught_up = answer.clone().with_is_caught_up(true).with_is_fenced(true);
    member.reported(&caught_up).unwrap();
    // Logs may take their time to open.
    assert_eq!(member.pause(&view), Duration::from_secs(2));
    (view.opened, view.applied) = (true, 120);
    assert_eq!(member.pause(&view), HURRY);
    assert!(!report(&member, &view).want_fence && !member.is_unfenced());
    member.reported(&caught_up.with_is_fenced(false)).unwrap();
    assert!(member.is_unfenced());
    assert_eq!(member.pause(&view), Duration::from_secs(2));
    // Fenced while it was alive: it asks again at once, in the same epoch.
    let fenced = answer.with_is_caught_up(true).with_is_fenced(true);
    member.reported(&fenced).unwrap();
    assert_eq!(member.pause(&view), HURRY);
    assert_eq!(member.epoch(), Some(100));
    // It leaves.
    view.leaving = true;
    assert!(report(&member, &view).want_shut_down && !member.may_stop());
    member
        .reported(&fenced.with_should_shut_down(true))
        .unwrap();
    assert!(member.may_stop());
}

#[test]
fn errors_of_a_registration_are_waited_for_or_fatal() {
    let mut member = Member::new(facts(7));
    let node = NodeId(7);
    assert_eq!(member.late(), Fatal::Late(node));
    let denied = |member: &mut Member, code| member.registered(&refused(code)).unwrap_err();
    for code in [101, -1, 7, 90] {
        let again = Denied::Again(ErrorCode(code));
        assert_eq!(denied(&mut member, code), again);
    }
    denied(&mut member, 101);
    assert_eq!(member.late(), Fatal::Taken(node));
    assert_eq!(denied(&mut member, 41), Denied::NotController);
    let fatal = [
        (104, Fatal::OtherCluster(node), "another cluster"),
        (119, Fatal::Directories(node), "directory.id"),
        (35, Fatal::Features(node), "metadata.version 7 to 30"),
        (31, Fatal::Unauthorized(node), "ClusterAction"),
    ];
    for (code, fatal, says) in fatal {
        assert!(fatal.to_string().contains(says));
        assert_eq!(denied(&mut member, code), Denied::Fatal(fatal));
    }
    assert_eq!(member.epoch(), None);
}

#[test]
fn a_node_whose_epoch_is_not_known_any_more_registers_anew() {
    for code in [77, 102] {
        let mut member = Member::new(facts(7));
        member.registered(&granted(100)).unwrap();
        let stale = BrokerHeartbeatResponse::default().with_error_code(code);
        let again = Err(Denied::Again(ErrorCode(code)));
        assert_eq!(member.reported(&stale), again);
        assert!(!member.is_unfenced());
        let request = registration(&member);
        assert_eq!(
            request.previous_broker_epoch, -1,
            "what it had closed is open again"
        );
        member.registered(&granted(200)).unwrap();
        assert_eq!(member.epoch(), Some(200));
    }
    let mut member = Member::new(facts(7));
    member.registered(&granted(100)).unwrap();
    let other = BrokerHeartbeatResponse::default().with_error_code(41);
    assert_eq!(member.reported(&other), Err(Denied::NotController));
    assert_eq!(member.epoch(), Some(100));
}
