//! Replicas go from one folder of `log.dirs` to another of a running broker (AlterReplicaLogDirs).

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::requests::{PRODUCE, produce, read_all, text, topic_name, try_create_topic};
use corelane_testing::{Broker, Client, PATIENCE, until_so};
use corelane_wire::batch::{BatchBuilder, NewRecord};
use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{
    AlterReplicaLogDirsRequest, DescribeLogDirsRequest, IncrementalAlterConfigsRequest,
};

use crate::HERE;
use crate::folders::Devices;

const TOPIC: &str = "goes";
const UNKNOWN_PARTITION: i16 = 3;
const INVALID_TOPIC: i16 = 17;
const DIR_NOT_FOUND: i16 = 57;

/// The folders of node 1, as DescribeLogDirs names them.
fn own(dir: &Path) -> String {
    dir.join("shard-0").display().to_string()
}

/// Asks for partitions to go to folders; the codes.
fn ask(client: &mut Client, wanted: &[(&str, &str, i32)]) -> Vec<(i32, i16)> {
    let dirs = wanted.iter().map(|(path, topic, index)| {
        let topic = AlterReplicaLogDirTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![*index]);
        AlterReplicaLogDir::default()
            .with_path(text(*path))
            .with_topics(vec![topic])
    });
    let request = AlterReplicaLogDirsRequest::default().with_dirs(dirs.collect());
    let answer = client.call(2, &request);
    let results = answer.results.iter().flat_map(|topic| &topic.partitions);
    let codes = results.map(|it| (it.partition_index, it.error_code));
    codes.collect()
}

/// Where partition 0 is: each folder that has it, and whether as a copy that is being made.
fn places(client: &mut Client) -> Vec<(String, bool)> {
    places_of(client, 0)
}

fn places_of(client: &mut Client, index: i32) -> Vec<(String, bool)> {
    let answer = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
    let mut places = Vec::new();
    for result in &answer.results {
        let topics = result.topics.iter().filter(|it| it.name.as_str() == TOPIC);
        let partitions = topics.flat_map(|topic| &topic.partitions);
        for partition in partitions.filter(|it| it.partition_index == index) {
            assert!(partition.is_future_key || partition.offset_lag == 0);
            places.push((result.log_dir.to_string(), partition.is_future_key));
        }
    }
    places
}

fn wait_until_in(broker: &Broker, dir: &str) {
    let mut client = broker.client();
    let only = [(dir.to_owned(), false)];
    until_so(|| broker.log(), || places(&mut client) == only);
}

/// The batch of an idempotent producer with this one record of so many bytes.
fn numbered(sequence: i32, bytes: usize) -> bytes::Bytes {
    let mut builder = BatchBuilder::new().producer(4_000, 0, sequence);
    let mut value = "0".repeat(bytes.saturating_sub(8));
    value += &format!("{sequence:08}");
    builder.push(NewRecord::new(1, None, Some(value.as_bytes())));
    builder.build().into()
}

/// Appends such a batch to a partition; the code.
fn append(client: &mut Client, index: i32, sequence: i32, bytes: usize) -> i16 {
    let request = produce(TOPIC, index, -1, numbered(sequence, bytes));
    let answer = client.call(PRODUCE, &request);
    answer.responses[0].partition_responses[0].error_code
}

/// Appends numbered records, one at a time, until told to stop. Returns how many were acked, and
/// the longest time between two acks. No move shows in an answer.
fn append_all(mut client: Client, bytes: usize, stop: &AtomicBool) -> (i32, Duration) {
    let (mut sequence, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let code = append(&mut client, 0, sequence, bytes);
        assert_eq!(code, 0, "record {sequence}");
        longest = longest.max(begun.elapsed());
        sequence += 1;
    }
    (sequence, longest)
}

fn check_records(broker: &Broker, count: i32) {
    let found = read_all(&mut broker.client(), TOPIC, 0);
    let numbers = found.iter().map(|(offset, value)| {
        let text = std::str::from_utf8(value).expect("text");
        (*offset, text.parse::<i32>().expect("a number"))
    });
    let expected = (0..count).map(|number| (i64::from(number), number));
    assert!(numbers.eq(expected), "{} of {count}", found.len());
}

fn create(client: &mut Client, partitions: i32, configs: &[(&str, &str)]) {
    let created = try_create_topic(client, TOPIC, partitions, configs);
    assert_eq!(created.unwrap(), 0);
}

/// Sets how fast replicas are copied, in bytes a second.
fn bound_copies(client: &mut Client, rate: &str) {
    let config = AlterableConfig::default()
        .with_name(text("replica.alter.log.dirs.io.max.bytes.per.second"))
        .with_value(Some(text(rate)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(text("1"))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(1, &request).responses[0].error_code, 0);
}

/// Moves the partition to and fro while records of so many bytes are appended to it.
fn goes_to_and_fro(broker: &Broker, dirs: [&Path; 2], (times, bytes): (usize, usize)) -> i32 {
    let mut client = broker.client();
    let stop = Arc::new(AtomicBool::new(false));
    let (producing, told) = (broker.client(), stop.clone());
    let producer = thread::spawn(move || append_all(producing, bytes, &told));
    let first = usize::from(places(&mut client) == [(own(dirs[0]), false)]);
    for time in 0..times {
        thread::sleep(Duration::from_millis(300));
        let to = own(dirs[(first + time) % 2]);
        assert_eq!(ask(&mut client, &[(&to, TOPIC, 0)]), [(0, 0)]);
        wait_until_in(broker, &to);
    }
    stop.store(true, Ordering::Relaxed);
    let (count, longest) = producer.join().expect("appends");
    let log = broker.log();
    let waits = log
        .lines()
        .filter_map(|line| line.split("waited_ms=").nth(1));
    let waits: Vec<_> = waits.filter_map(|rest| rest.split(' ').next()).collect();
    println!("{count} records, at most {longest:?} for an ack; waits in ms: {waits:?}");
    assert!(longest < PATIENCE);
    check_records(broker, count);
    count
}

#[test]
fn a_partition_goes_to_another_folder_under_load_and_is_there_after_a_restart() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let dirs = [one.path(), two.path()];
    let broker = HERE.start_on(&dirs).ready();
    create(&mut broker.client(), 1, &[]);
    let count = goes_to_and_fro(&broker, dirs, (7, 100));
    let lies = places(&mut broker.client());
    let moves = broker.page("/metrics").1;
    assert!(moves.contains("corelane_log_dir_moves_total{node=\"1\"} 7"));
    assert!(moves.contains("corelane_log_dir_copied_bytes_total{node=\"1\"} 0"));
    broker.stop();
    let broker = HERE.start_on(&dirs).ready();
    assert_eq!(places(&mut broker.client()), lies);
    check_records(&broker, count);
    broker.kill();
    let broker = HERE.start_on(&dirs).ready();
    assert_eq!(places(&mut broker.client()), lies);
    check_records(&broker, count);
    broker.stop();
}

#[test]
fn the_controller_need_not_have_heard_where_a_log_has_gone() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let dirs = [one.path(), two.path()];
    let broker = HERE.start_on(&dirs).ready();
    create(&mut broker.client(), 1, &[]);
    let request = produce(TOPIC, 0, -1, numbered(0, 8));
    let answer = broker.client().call(PRODUCE, &request);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    broker.stop();
    // As a stop between the change of name and the record leaves it.
    let at = |dir: &Path| dir.join("shard-0").join(format!("{TOPIC}-0"));
    let (from, to) = match at(dirs[0]).is_dir() {
        true => (dirs[0], dirs[1]),
        false => (dirs[1], dirs[0]),
    };
    std::fs::rename(at(from), at(to)).unwrap();
    for _ in 0..2 {
        let broker = HERE.start_on(&dirs).ready();
        wait_until_in(&broker, &own(to));
        check_records(&broker, 1);
        broker.stop();
    }
}

#[test]
fn who_asks_for_what_cannot_be_is_told_why() {
    let (one, two) = (HERE.data_dir(), HERE.data_dir());
    let dirs = [one.path(), two.path()];
    let broker = HERE.start_on(&dirs).shards(2).ready();
    let mut client = broker.client();
    create(&mut client, 2, &[]);
    let (first, second) = (own(dirs[0]), own(dirs[1]));
    let here = (0..2).find(|index| ask(&mut client, &[(&first, TOPIC, *index)])[0].1 == 0);
    let here = here.expect("one of two partitions is on each shard");
    let there = 1 - here;
    assert_eq!(ask(&mut client, &[(&first, TOPIC, there)]), [(there, 9)]);
    let slash = format!("{first}/");
    for path in ["", "/", "relative", &slash, one.path().to_str().unwrap()] {
        let asked = ask(&mut client, &[(path, TOPIC, here)]);
        assert_eq!(asked, [(here, DIR_NOT_FOUND)], "{path}");
    }
    let unknown = ask(&mut client, &[(&first, "nowhere", 0), (&first, TOPIC, 7)]);
    let told = [(7, UNKNOWN_PARTITION), (0, UNKNOWN_PARTITION)];
    assert_eq!(unknown, told);
    let long = "x".repeat(230);
    assert_eq!(
        ask(&mut client, &[(&first, &long, 0)]),
        [(0, INVALID_TOPIC)]
    );
    // The last folder that is named counts.
    let twice = [(&*second, TOPIC, here), ("/", TOPIC, here)];
    assert_eq!(ask(&mut client, &twice), [(here, DIR_NOT_FOUND)]);
    assert_eq!(ask(&mut client, &[]), []);
    broker.stop();
}

#[test]
fn a_partition_is_copied_to_another_device_while_it_is_appended_to() {
    // Only root can mount; the copy itself is tested with the log.
    let Some(devices) = Devices::new() else {
        return;
    };
    let dirs = devices.dirs();
    let broker = HERE.start_on(&dirs).ready();
    create(&mut broker.client(), 1, &[("segment.bytes", "1048576")]);
    let count = goes_to_and_fro(&broker, dirs, (4, 4_000));
    let lies = places(&mut broker.client());
    broker.kill();
    let broker = HERE.start_on(&dirs).ready();
    assert_eq!(places(&mut broker.client()), lies);
    check_records(&broker, count);
    broker.stop();
}

#[test]
fn a_copy_goes_on_after_a_kill_and_is_given_up_where_it_is_not_wanted() {
    let Some(devices) = Devices::new() else {
        return;
    };
    let dirs = devices.dirs();
    let broker = HERE.start_on(&dirs).ready();
    let mut client = broker.client();
    create(&mut client, 1, &[("segment.bytes", "1048576")]);
    for sequence in 0..40 {
        assert_eq!(append(&mut client, 0, sequence, 400_000), 0);
    }
    let lies = places(&mut client)[0].0.clone();
    let all = [own(dirs[0]), own(dirs[1])];
    let to = all.iter().find(|dir| **dir != lies).expect("another");
    bound_copies(&mut client, "100000");
    assert_eq!(ask(&mut client, &[(to, TOPIC, 0)]), [(0, 0)]);
    let under_way = |client: &mut Client| places(client).contains(&(to.clone(), true));
    assert!(under_way(&mut client));
    // Where it is: the move is given up.
    assert_eq!(ask(&mut client, &[(&lies, TOPIC, 0)]), [(0, 0)]);
    assert!(!under_way(&mut client));
    assert_eq!(ask(&mut client, &[(to, TOPIC, 0)]), [(0, 0)]);
    broker.kill();
    let broker = HERE.start_on(&dirs).ready();
    let mut client = broker.client();
    assert!(under_way(&mut client), "{}", broker.log());
    check_records(&broker, 40);
    bound_copies(&mut client, "1000000000");
    wait_until_in(&broker, to);
    check_records(&broker, 40);
    let left = || {
        let entries = all.iter().flat_map(|dir| std::fs::read_dir(dir).unwrap());
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        names.filter(|it| it.starts_with(TOPIC)).count()
    };
    until_so(|| broker.log(), || left() == 1);
    broker.stop();
}

#[test]
fn a_device_that_has_no_room_for_a_copy_leaves_the_partition_as_it_is() {
    let Some(devices) = Devices::new() else {
        return;
    };
    let dirs = devices.dirs();
    let broker = HERE.start_on(&dirs).ready();
    let mut client = broker.client();
    create(&mut client, 2, &[("segment.bytes", "10485760")]);
    // The one that lies on the machine's own device.
    let to = own(dirs[1]);
    let index = (0..2).find(|index| {
        let log = dirs[0].join(format!("shard-0/{TOPIC}-{index}"));
        assert_eq!(append(&mut client, *index, 0, 200_000), 0);
        thread::sleep(Duration::from_millis(1_500));
        log.is_dir()
    });
    let index = index.expect("one in each folder");
    for sequence in 1..90 {
        assert_eq!(append(&mut client, index, sequence, 900_000), 0);
    }
    assert_eq!(ask(&mut client, &[(&to, TOPIC, index)]), [(index, 0)]);
    broker.wait_log(&["cannot move the replica to another folder", "No space left"]);
    assert_eq!(append(&mut client, index, 90, 8), 0);
    assert_eq!(read_all(&mut client, TOPIC, index).len(), 91);
    broker.stop();
}

#[test]
fn a_log_that_cannot_be_copied_now_does_not_hold_the_others_up() {
    let Some(devices) = Devices::new() else {
        return;
    };
    let dirs = devices.dirs();
    let broker = HERE.start_on(&dirs).ready();
    let mut client = broker.client();
    create(&mut client, 4, &[]);
    let [to, full] = dirs.map(own);
    let mut there = (0..4).filter(|index| places_of(&mut broker.client(), *index)[0].0 == full);
    let (stuck, empty) = (there.next().expect("two"), there.next().expect("two"));
    let mut fits = |sequence| append(&mut client, stuck, sequence, 900_000) == 0;
    assert!((0..20).all(&mut fits));
    // Its only segment holds all of it, and there is no room for another one.
    let filler = devices.mount().join("filler");
    fill(&filler);
    let count = (20..60).find(|sequence| !fits(*sequence));
    let count = count.expect("the device is full");
    assert_eq!(ask(&mut client, &[(&to, TOPIC, stuck)]), [(stuck, 0)]);
    assert_eq!(ask(&mut client, &[(&to, TOPIC, empty)]), [(empty, 0)]);
    let is_there = |client: &mut Client, index| places_of(client, index) == [(to.clone(), false)];
    until_so(|| broker.log(), || is_there(&mut client, empty));
    let stays = [(to.clone(), true), (full, false)];
    let found = places_of(&mut client, stuck);
    assert!(stays.iter().all(|place| found.contains(place)), "{found:?}");
    std::fs::remove_file(filler).unwrap();
    until_so(|| broker.log(), || is_there(&mut client, stuck));
    assert!(read_all(&mut client, TOPIC, stuck).len() >= count as usize);
    broker.stop();
    let left = std::fs::read_dir(&to).unwrap();
    let mut names = left.map(|it| it.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|it| !it.ends_with("-future")));
}

/// Fills the file system that a file is to lie on.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for bytes in [1 << 20, 1 << 12] {
        while file.write_all(&vec![1; bytes]).is_ok() {}
    }
    let _ = file.sync_all();
}
