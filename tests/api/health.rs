//! What /health and /ready say of a broker that serves only a part of what it should.

use corelane_testing::Broker;
use corelane_testing::requests::{PRODUCE, batch, create_topic, produce};

use crate::HERE;

const PARTITIONS: i32 = 4;
const STORAGE_ERROR: i16 = 56;

/// How many partitions take a record, and how many are offline.
fn served(broker: &Broker) -> (usize, usize) {
    let mut client = broker.client();
    let codes: Vec<i16> = (0..PARTITIONS)
        .map(|partition| {
            let request = produce("t", partition, -1, batch(&[b"x"]));
            client.call(PRODUCE, &request).responses[0].partition_responses[0].error_code
        })
        .collect();
    let count = |wanted| codes.iter().filter(|code| **code == wanted).count();
    (count(0), count(STORAGE_ERROR))
}

#[test]
fn a_folder_that_the_settings_name_no_more_is_missed() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let both = [one.path(), two.path()];
    let broker = HERE.start_on(&both).ready();
    assert_eq!(create_topic(&mut broker.client(), "t", PARTITIONS), 0);
    assert_eq!(served(&broker), (4, 0));
    assert_eq!(broker.page("/ready"), (200, "ready\n".to_owned()));
    assert_eq!(broker.page("/health"), (200, "healthy\n".to_owned()));
    broker.stop();

    let broker = HERE.start_on(&both[..1]).ready();
    let (_, offline) = served(&broker);
    assert_eq!(offline, 2);
    let log = broker.log();
    let said = log.lines().find(|line| line.contains("not among log.dirs"));
    let said = said.unwrap_or_else(|| panic!("nothing says so:\n{log}"));
    assert!(
        said.contains("ERROR") && said.contains("partitions=2"),
        "{said}"
    );
    let (status, page) = broker.page("/ready");
    assert_eq!(status, 503, "{page}");
    assert_eq!(
        page.matches("node 1: partition offline").count(),
        2,
        "{page}"
    );
    // A restart would change nothing: a probe that kills is told that all is well with that.
    let (status, page) = broker.page("/health");
    assert!(status == 200 && page.contains("2 faults"), "{page}");
    let (_, metrics) = broker.page("/metrics");
    let count = "corelane_faults{kind=\"partition offline\",node=\"1\"} 2\n";
    assert!(metrics.contains(count), "{metrics}");
    broker.stop();

    let broker = HERE.start_on(&both).ready();
    assert_eq!(served(&broker), (4, 0));
    assert_eq!(broker.page("/ready").0, 200);
    broker.stop();
}

#[test]
fn a_partition_that_did_not_open_is_missed() {
    let dir = HERE.data_dir();
    let data = dir.path().join("data");
    let broker = HERE.start_on(&[&data]).ready();
    assert_eq!(create_topic(&mut broker.client(), "t", PARTITIONS), 0);
    assert_eq!(served(&broker), (4, 0));
    broker.stop();
    std::fs::remove_dir_all(data.join("shard-0/t-2")).unwrap();
    let broker = HERE.start_on(&[&data]).ready();
    assert_eq!(served(&broker), (3, 1));
    let page = broker.wait_page("/ready", 503, "partition offline");
    assert!(
        page.contains("t-2") && page.contains("could not be opened"),
        "{page}"
    );
    assert_eq!(broker.page("/health").0, 200);
    broker.stop();
}
