//! Several folders of `log.dirs`: partitions spread over them, and one that is away or fails
//! takes its own partitions offline and no others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::mounts::Mount;
use corelane_testing::requests::{FETCH, PRODUCE, batch, create_topic, fetch, produce, read_all};
use corelane_testing::{Broker, Client, PATIENCE, until_so};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{DeleteTopicsRequest, DescribeLogDirsRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;
use tempfile::TempDir;

use crate::HERE;

pub const TOPIC: &str = "spread";
const PARTITIONS: i32 = 6;
pub const STORAGE_ERROR: i16 = 56;

/// What DescribeLogDirs says: by folder of `log.dirs` the error and the partitions.
fn described(client: &mut Client) -> BTreeMap<PathBuf, (i16, Vec<i32>)> {
    let answer = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
    let results = answer.results.iter().map(|result| {
        let path = Path::new(result.log_dir.as_str());
        if result.error_code == 0 {
            assert!(result.total_bytes >= result.usable_bytes && result.usable_bytes > 0);
        }
        let partitions = result.topics.iter().flat_map(|topic| &topic.partitions);
        let partitions = partitions
            .map(|partition| partition.partition_index)
            .collect();
        (
            path.parent().unwrap().to_owned(),
            (result.error_code, partitions),
        )
    });
    results.collect()
}

pub fn put(client: &mut Client, partition: i32, value: &str) -> i16 {
    let request = produce(TOPIC, partition, -1, batch(&[value.as_bytes()]));
    client.call(PRODUCE, &request).responses[0].partition_responses[0].error_code
}

fn fetch_error(client: &mut Client, partition: i32) -> i16 {
    let answer = client.call(FETCH, &fetch(TOPIC, partition, 0));
    answer.responses[0].partitions[0].error_code
}

/// Leader by partition, as Metadata shows it.
fn leaders(client: &mut Client) -> BTreeMap<i32, i32> {
    let answer = client.call(9, &MetadataRequest::default().with_topics(None));
    let topic = &answer.topics[0];
    let leader = |one: &kafka_protocol::messages::metadata_response::MetadataResponsePartition| {
        (one.partition_index, one.leader_id.0)
    };
    topic.partitions.iter().map(leader).collect()
}

/// Creates the topic and puts one record into each partition; the partitions of each folder.
fn filled(broker: &Broker, dirs: [&Path; 2]) -> [Vec<i32>; 2] {
    let mut client = broker.client();
    assert_eq!(create_topic(&mut client, TOPIC, PARTITIONS), 0);
    for partition in 0..PARTITIONS {
        assert_eq!(
            put(&mut client, partition, &format!("first of {partition}")),
            0
        );
    }
    let described = described(&mut client);
    let held = dirs.map(|dir| described[dir].1.clone());
    assert_eq!(held.each_ref().map(Vec::len), [3, 3], "{described:?}");
    for (dir, held) in dirs.iter().zip(&held) {
        for partition in held {
            // What is in the journal alone has none yet.
            let log = dir.join(format!("shard-0/{TOPIC}-{partition}"));
            until_so(|| format!("no {}", log.display()), || log.is_dir());
        }
    }
    held
}

pub fn delete_topic(client: &mut Client) {
    let topic =
        DeleteTopicState::default().with_name(Some(StrBytes::from_static_str(TOPIC).into()));
    let request = DeleteTopicsRequest::default();
    let request = request.with_topics(vec![topic]).with_timeout_ms(5_000);
    assert_eq!(client.call(6, &request).responses[0].error_code, 0);
}

/// What lies in the folder of the first shard under the name of partition 0 of the topic.
pub fn folders_of_zero(dir: &Path) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let entries = std::fs::read_dir(dir.join("shard-0")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .filter(|name| name.starts_with(&format!("{TOPIC}-0")))
            .collect();
        names.sort();
        // Files of deleted topics go a moment after the deletion was answered.
        let goes = |name: &String| name.ends_with("-delete");
        if !names.iter().any(goes) || begun.elapsed() > PATIENCE {
            return names;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Creates the topic with one partition; its one record is `value`.
pub fn with_one_record(client: &mut Client, value: &str) {
    assert_eq!(create_topic(client, TOPIC, 1), 0);
    assert_eq!(put(client, 0, value), 0);
    assert_eq!(read_all(client, TOPIC, 0), [(0, value.into())]);
}

/// The partitions `there` serve, the partitions `away` do not.
fn serves(broker: &Broker, there: &[i32], away: &[i32]) {
    let mut client = broker.client();
    let leaders = leaders(&mut client);
    for partition in there {
        assert_eq!(put(&mut client, *partition, "more"), 0);
        let records = read_all(&mut client, TOPIC, *partition);
        assert_eq!(records[0].1, format!("first of {partition}").as_bytes());
        assert_eq!(leaders[partition], 1);
    }
    for partition in away {
        assert_eq!(put(&mut client, *partition, "lost?"), STORAGE_ERROR);
        assert_eq!(fetch_error(&mut client, *partition), STORAGE_ERROR);
        assert_eq!(leaders[partition], -1);
    }
}

#[test]
fn partitions_are_spread_over_the_folders_and_found_again() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let dirs = [one.path(), two.path()];
    let broker = HERE.start_on(&dirs).ready();
    let held = filled(&broker, dirs);
    let all: Vec<i32> = (0..PARTITIONS).collect();
    broker.stop();
    for dir in dirs {
        assert!(dir.join("shard-0/.kafka_cleanshutdown").exists());
        assert!(
            dir.join("shard-0/recovery-point-offset-checkpoint")
                .exists()
        );
    }
    let broker = HERE.start_on(&dirs).ready();
    serves(&broker, &all, &[]);
    broker.kill();
    // The order of the settings may change, all but the first, which has the metadata log.
    let third = HERE.data_dir();
    let broker = HERE.start_on(&[dirs[0], third.path(), dirs[1]]).ready();
    serves(&broker, &all, &[]);
    let described = described(&mut broker.client());
    assert_eq!(described[third.path()], (0, vec![]));
    assert_eq!(
        (&described[dirs[0]].1, &described[dirs[1]].1),
        (&held[0], &held[1])
    );
    broker.stop();
}

#[test]
fn a_partition_whose_folder_was_taken_away_is_not_begun_anew() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let dirs = [one.path(), two.path()];
    let broker = HERE.start_on(&dirs).ready();
    let held = filled(&broker, dirs);
    broker.stop();
    let gone = held[0][0];
    std::fs::remove_dir_all(one.path().join(format!("shard-0/{TOPIC}-{gone}"))).unwrap();
    let others: Vec<i32> = (0..PARTITIONS).filter(|one| *one != gone).collect();
    // The first stop writes the checkpoints without the log: they must go on knowing of it.
    for _ in 0..2 {
        let broker = HERE.start_on(&dirs).ready();
        serves(&broker, &others, &[]);
        let mut client = broker.client();
        assert_eq!(put(&mut client, gone, "lost?"), STORAGE_ERROR);
        assert_eq!(fetch_error(&mut client, gone), STORAGE_ERROR);
        broker.stop();
    }
    // A topic of the same name that comes after begins anew.
    let broker = HERE.start_on(&dirs).ready();
    delete_topic(&mut broker.client());
    filled(&broker, dirs);
    broker.stop();
    let broker = HERE.start_on(&dirs).ready();
    serves(&broker, &(0..PARTITIONS).collect::<Vec<_>>(), &[]);
    broker.stop();
}

#[test]
fn a_folder_that_is_away_at_a_start_takes_its_partitions_only() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let dirs = [one.path(), two.path()];
    let broker = HERE.start_on(&dirs).ready();
    let held = filled(&broker, dirs);
    broker.stop();
    // Something that is no folder in its place: a mount that failed, a device that died.
    let aside = dirs[1].with_extension("aside");
    std::fs::rename(dirs[1], &aside).unwrap();
    std::fs::write(dirs[1], b"").unwrap();
    let broker = HERE.start_on(&dirs).ready();
    serves(&broker, &held[0], &held[1]);
    assert_eq!(
        described(&mut broker.client())[dirs[1]],
        (STORAGE_ERROR, vec![])
    );
    assert!(
        broker.log().contains("a log folder cannot be used"),
        "{}",
        broker.log()
    );
    broker.stop();
    // The one with the metadata log cannot be missed.
    let (status, said) = HERE.start_on(&[dirs[1], dirs[0]]).refused();
    assert!(
        !status.success() && said.contains(&dirs[1].display().to_string()),
        "{said}"
    );
    std::fs::remove_file(dirs[1]).unwrap();
    std::fs::rename(&aside, dirs[1]).unwrap();
    let broker = HERE.start_on(&dirs).ready();
    serves(&broker, &(0..PARTITIONS).collect::<Vec<_>>(), &[]);
    broker.stop();
}

#[test]
fn a_folder_that_goes_while_the_broker_runs_takes_its_partitions_only() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let dirs = [one.path(), two.path()];
    let broker = HERE.start_on(&dirs).ready();
    let held = filled(&broker, dirs);
    let aside = dirs[1].with_extension("aside");
    std::fs::rename(dirs[1], &aside).unwrap();
    until_so(
        || broker.log(),
        || leaders(&mut broker.client())[&held[1][0]] == -1,
    );
    serves(&broker, &held[0], &held[1]);
    assert_eq!(
        described(&mut broker.client())[dirs[1]],
        (STORAGE_ERROR, vec![])
    );
    assert!(
        broker.log().contains("a log folder has failed"),
        "{}",
        broker.log()
    );
    broker.stop();
    let _ = std::fs::remove_dir_all(dirs[1]);
    std::fs::rename(&aside, dirs[1]).unwrap();
    let broker = HERE.start_on(&dirs).ready();
    serves(&broker, &(0..PARTITIONS).collect::<Vec<_>>(), &[]);
    broker.stop();
}

#[test]
fn the_metadata_log_may_have_a_folder_of_its_own() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let own = two.path().join("metadata");
    let file = two.path().join("server.properties");
    std::fs::write(&file, format!("metadata.log.dir={}\n", own.display())).unwrap();
    let start = || {
        HERE.start_on(&[one.path()])
            .arg("--config", file.to_str().unwrap())
    };
    let broker = start().ready();
    assert_eq!(create_topic(&mut broker.client(), TOPIC, 1), 0);
    assert_eq!(put(&mut broker.client(), 0, "first of 0"), 0);
    broker.stop();
    assert!(own.join("__cluster_metadata-0").is_dir() && !own.join("shard-0").exists());
    assert!(!one.path().join("__cluster_metadata-0").exists());
    let broker = start().ready();
    serves(&broker, &[0], &[]);
    broker.stop();
    // Without it the partitions are not taken for those of a new broker.
    std::fs::remove_dir_all(&own).unwrap();
    let (status, said) = start().refused();
    assert!(!status.success() && said.contains("metadata log"), "{said}");
}

/// A folder on the machine's own device, and one on a device that is made for it.
pub struct Devices {
    own: TempDir,
    device: Mount,
    other: PathBuf,
}

impl Devices {
    /// `None` where nothing can be mounted.
    pub fn new() -> Option<Devices> {
        let device = Mount::sized(HERE, "ext4", 64 << 20).ok()?;
        Some(Devices {
            own: HERE.data_dir(),
            other: device.path().join("data"),
            device,
        })
    }

    /// The folders, for `log.dirs`.
    pub fn dirs(&self) -> [&Path; 2] {
        [self.own.path(), &self.other]
    }

    /// Where the other device is mounted.
    pub fn mount(&self) -> PathBuf {
        self.device.path()
    }
}

#[test]
fn a_device_that_goes_takes_its_partitions_only() {
    // Only root can mount; the tests above run the same on one device.
    let Some(devices) = Devices::new() else {
        return;
    };
    let dirs = devices.dirs();
    let broker = HERE.start_on(&dirs).ready();
    let held = filled(&broker, dirs);
    let all: Vec<i32> = (0..PARTITIONS).collect();
    serves(&broker, &all, &[]);
    broker.kill();
    let broker = HERE.start_on(&dirs).ready();
    serves(&broker, &all, &[]);
    let space = |client: &mut Client| {
        let answer = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
        answer
            .results
            .iter()
            .map(|result| result.total_bytes)
            .collect::<Vec<_>>()
    };
    let space = space(&mut broker.client());
    assert!(space[1] < 64 << 20 && space[0] != space[1], "{space:?}");
    // A read-only device takes no more records, and its partitions with it.
    let options = ["-o", "remount,ro,noload"];
    let _ = Command::new("sync").status();
    let forced = Command::new("mount")
        .args(options)
        .arg(devices.mount())
        .output()
        .unwrap();
    if !forced.status.success() {
        // Files are open for writing: the same through the back door of the file system.
        let done = Command::new("umount")
            .arg("-l")
            .arg(devices.mount())
            .status()
            .unwrap();
        assert!(done.success());
    }
    until_so(
        || broker.log(),
        || {
            let _ = put(&mut broker.client(), held[1][0], "more");
            leaders(&mut broker.client())[&held[1][0]] == -1
        },
    );
    serves(&broker, &held[0], &held[1]);
    broker.stop();
}
