//! What clients make a broker hold: counted, bounded, and given back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use corelane_testing::admin::metrics;
use corelane_testing::requests::text;
use corelane_testing::{Broker, Client, ports};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
};

use crate::HERE;

/// JoinGroup without member ids given out first, LeaveGroup of several members.
const JOIN: i16 = 3;
const LEAVE: i16 = 3;

fn join(group: &str, metadata: &Bytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(metadata.clone());
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(text("test"))
        .with_protocols(vec![protocol])
}

/// Joins alone, again while the coordinator is not there yet.
fn joined(client: &mut Client, group: &str, metadata: &Bytes) -> JoinGroupResponse {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "no coordinator");
        // Asking for it has the topic of the groups made.
        let find = FindCoordinatorRequest::default().with_key(text(group));
        client.call(2, &find);
        let answer = client.call(JOIN, &join(group, metadata));
        match answer.error_code {
            14..=16 => std::thread::sleep(Duration::from_millis(50)),
            _ => return answer,
        }
    }
}

/// One number of the admin pages, all its labels being `labels`.
fn gauge(admin: u16, name: &str, label: &str) -> f64 {
    let page = metrics(admin).unwrap();
    let mut lines = page.lines();
    let line = lines.find(|line| line.starts_with(name) && line.contains(label));
    let line = line.unwrap_or_else(|| panic!("no {name} with {label} in\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn start(dir: &std::path::Path, port: u16) -> Broker {
    let admin = (port + 7).to_string();
    let file = dir.with_extension("properties");
    std::fs::write(&file, "group.initial.rebalance.delay.ms=2000\n").unwrap();
    let mut start = HERE.start(dir);
    start.port = port;
    start
        .arg("--admin-port", &admin)
        .arg("--config", file.to_str().unwrap())
        .ready()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn members_are_counted_and_their_memory_comes_back_when_they_have_left() {
    let dir = HERE.data_dir();
    let port = ports();
    let broker = start(dir.path(), port);
    let used = |label: &str| gauge(port + 7, "corelane_memory_bytes", label);
    let mut first = broker.client();
    let alone = joined(&mut first, "first", &Bytes::new());
    assert_eq!(alone.error_code, 0);
    let before = broker.resident_kib();
    let metadata = Bytes::from(vec![7; 100_000]);
    let mut members: Vec<Client> = (0..400).map(|_| broker.client()).collect();
    for member in &mut members {
        member.send(JOIN, &join("many", &metadata)).unwrap();
    }
    wait_until("all are counted", || used("use=\"groups\"") > 39e6);
    assert!(used("use=\"connections\"") >= 400.0 * 10_240.0);
    let ids: Vec<_> = members
        .iter_mut()
        .map(|member| {
            let answer = member.answer::<JoinGroupRequest>(JOIN).unwrap().1;
            assert_eq!(answer.error_code, 0);
            answer.member_id
        })
        .collect();
    let full = broker.resident_kib();
    assert!(full > before + 39_000, "{before} KiB, then {full}");
    let leaving = ids
        .into_iter()
        .map(|id| MemberIdentity::default().with_member_id(id));
    let leave = LeaveGroupRequest::default()
        .with_group_id(GroupId(text("many")))
        .with_members(leaving.collect());
    assert_eq!(first.call(LEAVE, &leave).error_code, 0);
    drop(members);
    wait_until("nothing of them is counted", || {
        used("use=\"groups\"") < 20_000.0
    });
    let mut after = 0;
    wait_until("their memory is the kernel's again", || {
        after = broker.resident_kib();
        after < before + 32_000
    });
    println!("{before} KiB, with 400 members of 100 KB {full} KiB, after they left {after} KiB");
    broker.stop();
    std::fs::remove_file(dir.path().with_extension("properties")).unwrap();
}
