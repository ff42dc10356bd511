//! Records without timestamps are as old as the last append to their segment, also in a broker
//! that is started again before they are old enough to be deleted.

use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::PATIENCE;
use corelane_testing::batches::record;
use corelane_testing::requests::{PRODUCE, create_topic, produce};

use crate::HERE;
use crate::deleted::earliest;

const TOPIC: &str = "untimed";
/// Longer than the broker lives each time, far shorter than all its lives.
const RETENTION: Duration = Duration::from_secs(8);
const LIFE: Duration = Duration::from_secs(2);

#[test]
fn records_without_timestamps_are_deleted_however_often_the_broker_starts() {
    let dir = HERE.data_dir();
    let file = dir.path().join("server.properties");
    let retention_ms = RETENTION.as_millis();
    let settings =
        format!("log.retention.ms={retention_ms}\nlog.retention.check.interval.ms=300\n");
    std::fs::write(&file, settings).unwrap();
    let data = dir.path().join("data");
    let start = HERE.start(&data).arg("--config", file.to_str().unwrap());
    let mut broker = start.ready();
    assert_eq!(create_topic(&mut broker.client(), TOPIC, 1), 0);
    let request = produce(TOPIC, 0, -1, record(-1, None, Some(b"one")));
    let answer = broker.client().call(PRODUCE, &request);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    let appended = Instant::now();
    for life in 0.. {
        thread::sleep(LIFE);
        if earliest(&mut broker.client(), TOPIC, 0) > 0 {
            assert!(appended.elapsed() >= RETENTION, "deleted too early");
            break;
        }
        assert!(appended.elapsed() < RETENTION + PATIENCE, "never deleted");
        match life % 2 {
            0 => broker.kill(),
            _ => broker.stop(),
        }
        broker = start.ready();
    }
    broker.stop();
}
