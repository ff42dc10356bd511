//! A disk that is full when a log is to be compacted: that is made up for once there is space.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use corelane_testing::batches::{TIME_MS, record};
use corelane_testing::mounts::Mount;
use corelane_testing::requests::{PRODUCE, produce, read_all};

use crate::HERE;
use crate::cases::fill;
use crate::scene::{Scene, TOPIC};

/// Bytes of a record's value.
const VALUE_BYTES: usize = 60_000;
/// Records of one key, four segments of them.
const RECORDS: usize = 60;

fn keyed(number: usize) -> Bytes {
    let value = vec![number as u8; VALUE_BYTES];
    record(TIME_MS, Some(b"key"), Some(&value))
}

/// Names in `folder` that end with `suffix`.
fn names(folder: &Path, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(suffix)).collect()
}

/// One of two folders is on a disk without space for a compacted segment. A compaction there fails;
/// it is done without a restart soon after there is space.
pub fn resumes() {
    let here = HERE.data_dir();
    let mount = Mount::sized(HERE, "ext4", 64 << 20).unwrap();
    let other = mount.path().join("data");
    let file = here.path().join("server.properties");
    fs::write(&file, "log.cleaner.backoff.ms=100\n").unwrap();
    let data = here.path().join("data");
    let settings = HERE
        .start_on(&[&data, &other])
        .arg("--config", file.to_str().unwrap());
    let topic = [("segment.bytes", "1048576")];
    let mut scene = Scene::new(settings, &topic);
    let (on_full, folder) = scene.partition_in(&other);
    for number in 0..RECORDS {
        let request = produce(TOPIC, on_full, -1, keyed(number));
        let answer = scene.client().call(PRODUCE, &request);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    let filler = fill(&mount.path(), 16 << 10);
    scene.alter_topic("cleanup.policy", "compact");
    scene.says(&["ERROR", "cannot compact the log"]);
    assert_eq!(names(&folder, ".cleaned"), [""; 0], "nothing is left of it");
    fs::remove_file(filler).unwrap();
    scene.says(&["INFO", "the log is compacted again"]);
    let left = read_all(&mut scene.client(), TOPIC, on_full);
    assert!(left.len() < RECORDS / 2, "{} of {RECORDS} left", left.len());
    let newest = left.last().unwrap();
    assert_eq!(newest.1, vec![(RECORDS - 1) as u8; VALUE_BYTES]);
    scene.stop();
}
