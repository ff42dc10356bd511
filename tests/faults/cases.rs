//! The cases.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::mounts::{Mount, run};
use corelane_testing::requests::{create_topic, topic_name};
use corelane_testing::{PATIENCE, until_so};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{FindCoordinatorRequest, OffsetCommitRequest};
use kafka_protocol::protocol::StrBytes;

use crate::Case;
use crate::HERE;
use crate::scene::{STORAGE_ERROR, Scene, TOPIC};

const TOPIC_EXISTS: i16 = 36;

const fn case(name: &'static str, needs_root: bool, run: fn()) -> Case {
    Case {
        name,
        needs_root,
        run,
    }
}

pub const ALL: &[Case] = &[
    case("a full disk, ext4", true, || full("ext4", 64 << 20)),
    case("a full disk, xfs", true, || full("xfs", 320 << 20)),
    case("a full disk with everything on it", true, all_full),
    case(
        "a full disk and what the cluster is",
        true,
        full_of_metadata,
    ),
    case(
        "a full disk and compaction",
        true,
        crate::compaction::resumes,
    ),
    case("writes fail", true, writes_fail),
    case("a file shrinks", false, shrinks),
    case("a folder may not be written, root", true, immutable),
    case("a folder may not be written, another user", true, forbidden),
    case("a partition's folder is removed", false, partition_removed),
    case("the metadata log is removed", false, metadata_removed),
    case("the data folder is removed", false, removed),
];

/// Fills the file system that `dir` is on, all but `left` bytes; the file that does it.
pub fn fill(dir: &Path, left: u64) -> std::path::PathBuf {
    let filler = dir.join("filler");
    for _ in 0..20 {
        let free = run("df", &["--output=avail", "-B1", &dir.to_string_lossy()]).unwrap();
        let free: u64 = free.lines().last().unwrap().trim().parse().unwrap();
        let bytes = free.saturating_sub(left).to_string();
        if run("fallocate", &["-l", &bytes, &filler.to_string_lossy()]).is_ok() {
            return filler;
        }
        // The broker took some of it in between, for what it prepares.
        fs::remove_file(&filler).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
    panic!("what is free on {} changes all the time", dir.display());
}

/// Fills the file system to its last block, those kept for root too; the file that does it.
fn fill_up(dir: &Path) -> std::path::PathBuf {
    let filler = fill(dir, 0);
    let mut file = fs::OpenOptions::new().append(true).open(&filler).unwrap();
    let mut bytes = 1 << 16;
    while bytes > 0 {
        match file
            .write_all(&vec![1; bytes])
            .and_then(|()| file.sync_all())
        {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => bytes /= 4,
            Err(error) => panic!("{error}"),
        }
    }
    filler
}

/// One of two folders is on a disk that fills up.
fn full(fs: &str, bytes: u64) {
    let here = HERE.data_dir();
    let mount = Mount::sized(HERE, fs, bytes).unwrap();
    let other = mount.path().join("data");
    let mut scene = Scene::new(HERE.start_on(&[here.path(), &other]), &[]);
    let (on_full, _) = scene.partition_in(&other);
    let elsewhere = 1 - on_full;
    for round in 0..2 {
        let filler = fill(&mount.path(), 2 << 20);
        scene.put_until_refused(on_full, 60_000);
        scene.says(&["ERROR", "no room for more records", "free space"]);
        // Readers and the other folder's partition go on.
        scene.holds_all(on_full);
        assert_eq!(scene.put(elsewhere, 60_000), 0);
        scene.holds_all(elsewhere);
        assert_eq!(scene.put(on_full, 60_000), STORAGE_ERROR);
        if round == 1 {
            // A start says what is in its way, and serves the rest.
            scene.kill_and_start();
            if scene.fetch_error(on_full, 0) != 0 {
                scene.says(&["ERROR", "no room left", "free some"]);
            }
            scene.holds_all(elsewhere);
        }
        fs::remove_file(filler).unwrap();
        if round == 1 {
            scene.kill_and_start();
            scene.holds_all(on_full);
        }
        scene.put_until_taken(on_full);
        if round == 0 {
            scene.says(&["INFO", "there is room again"]);
        }
        scene.holds_all(on_full);
    }
    scene.kill_and_start();
    scene.holds_all(on_full);
    scene.stop();
}

/// Metadata and groups are on the full disk too; a clean stop while it is full comes to an end.
fn all_full() {
    let mount = Mount::sized(HERE, "ext4", 64 << 20).unwrap();
    let dir = mount.path().join("data");
    let mut scene = Scene::new(HERE.start_on(&[&dir]), &[]);
    let filler = fill(&mount.path(), 1 << 20);
    scene.put_until_refused(0, 60_000);
    scene.put_until_refused(1, 60_000);
    // A restart is no cure, and who sends clients may know.
    let page = scene.broker().wait_page("/ready", 503, "disk full");
    assert!(
        page.contains("t-0") && page.contains("free space"),
        "{page}"
    );
    assert_eq!(scene.broker().page("/health").0, 200);
    let (_, metrics) = scene.broker().page("/metrics");
    let count = "corelane_faults{kind=\"disk full\",node=\"1\"} 2\n";
    assert!(metrics.contains(count), "{metrics}");
    scene.holds_all(0);
    scene.holds_all(1);
    // The metadata log has space of its own prepared.
    let code = create_topic(&mut scene.client(), "more", 3);
    assert!(matches!(code, 0 | STORAGE_ERROR), "{code}");
    fs::remove_file(filler).unwrap();
    scene.put_until_taken(0);
    scene.put_until_taken(1);
    scene.broker().wait_page("/ready", 200, "ready");
    let filler = fill(&mount.path(), 1 << 20);
    scene.put_until_refused(0, 60_000);
    scene.stop();
    fs::remove_file(filler).unwrap();
    scene.broker = Some(scene.start.ready());
    scene.holds_all(0);
    scene.holds_all(1);
    scene.put_until_taken(0);
    scene.stop();
}

/// Longest that a request may take which the disk has no space for, however full it is.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Commits an offset of a group; the error code.
fn commit(scene: &Scene) -> i16 {
    // Large, so that what is prepared does not last for long.
    let note = StrBytes::from_string("x".repeat(4_000));
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(1)
        .with_committed_metadata(Some(note));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(StrBytes::from_static_str("g").into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let answer = scene.client().call(8, &request);
    answer.topics[0].partitions[0].error_code
}

/// Asks for the coordinator of the group until there is one.
fn find_coordinator(scene: &Scene) {
    let request = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("g"));
    until_so(
        || scene.broker().log(),
        || scene.client().call(3, &request).error_code == 0 && commit(scene) == 0,
    );
}

/// What is decided about the cluster, and what groups commit, has no space: it is refused in time,
/// and done once there is space. A decision that was written after its refusal counts.
fn full_of_metadata() {
    const PARTITIONS: i32 = 9_000;
    let mount = Mount::sized(HERE, "ext4", 64 << 20).unwrap();
    let dir = mount.path().join("data");
    let mut scene = Scene::new(HERE.start_on(&[&dir]), &[]);
    find_coordinator(&scene);
    for round in 0..2 {
        let filler = fill_up(&mount.path());
        let timed = |what: &str, act: &dyn Fn() -> i16| {
            let begun = Instant::now();
            let code = act();
            let took = begun.elapsed();
            assert!(took < ANSWER_MAX, "{what} took {took:?}");
            code
        };
        let large = format!("large-{round}");
        // The metadata log has less prepared than this takes.
        let code = timed("a large topic", &|| {
            create_topic(&mut scene.client(), &large, PARTITIONS)
        });
        assert_eq!(code, STORAGE_ERROR);
        let small = || create_topic(&mut scene.client(), "small", 1);
        assert_eq!(timed("a small topic", &small), STORAGE_ERROR);
        let begun = Instant::now();
        while timed("a commit", &|| commit(&scene)) == 0 {
            assert!(begun.elapsed() < PATIENCE, "every commit is taken");
        }
        if round == 1 {
            // Nothing that waits for space keeps it from ending.
            let begun = Instant::now();
            scene.stop();
            let took = begun.elapsed();
            assert!(took < ANSWER_MAX, "the stop took {took:?}");
        }
        fs::remove_file(filler).unwrap();
        if round == 1 {
            scene.broker = Some(scene.start.ready());
        }
        // The same once more says whether it is there by now.
        let codes = [0, TOPIC_EXISTS];
        until_so(
            || scene.broker().log(),
            || codes.contains(&create_topic(&mut scene.client(), &large, PARTITIONS)),
        );
        find_coordinator(&scene);
    }
    assert_eq!(create_topic(&mut scene.client(), "small", 1), 0);
    scene.put_until_taken(0);
    scene.kill_and_start();
    scene.holds_all(0);
    assert_eq!(
        create_topic(&mut scene.client(), "large-0", 1),
        TOPIC_EXISTS
    );
    scene.stop();
}

/// The device fails where a log is about to write: thin storage that has run out under it.
fn writes_fail() {
    let here = HERE.data_dir();
    let outer = Mount::sized(HERE, "ext4", 128 << 20).unwrap();
    let image = outer.path().join("thin");
    let image_name = image.to_string_lossy().into_owned();
    // All of it is there, so that only what is punched out below can fail.
    let zeros = ["if=/dev/zero", "bs=1M", "count=96", "conv=fsync"];
    run(
        "dd",
        &[zeros.as_slice(), &[&format!("of={image_name}")]].concat(),
    )
    .unwrap();
    run(
        "mkfs.ext4",
        &["-q", "-F", "-b", "4096", "-O", "^has_journal", &image_name],
    )
    .unwrap();
    let at = outer.path().join("inner");
    fs::create_dir(&at).unwrap();
    let at_name = at.to_string_lossy().into_owned();
    mount(&image_name, &at_name);
    let other = at.join("data");
    let mut scene = Scene::new(HERE.start_on(&[here.path(), &other]), &[]);
    let (partition, folder) = scene.partition_in(&other);
    for _ in 0..20 {
        assert_eq!(scene.put(partition, 10_000), 0);
    }
    // What lies ahead of the writes is taken away from the image, and the space for it.
    let segment = folder.join("00000000000000000000.log");
    let written = 22 * 10_000 / 4096 + 1;
    let mut holes = 0;
    for (first, physical, blocks) in extents(&segment) {
        let skip = written.max(first) - first;
        if skip < blocks {
            let offset = ((physical + skip) * 4096).to_string();
            let length = ((blocks - skip) * 4096).to_string();
            let punch = ["-p", "-o", &offset, "-l", &length, &image_name];
            run("fallocate", &punch).unwrap();
            holes += 1;
        }
    }
    assert!(holes > 0, "no prepared space found");
    fill(&outer.path(), 0);
    scene.put_until_refused(partition, 10_000);
    // Some kernels pass on that the storage below is full, others say EIO.
    scene.says(&["ERROR", "partition", "error"]);
    assert_eq!(scene.put(1 - partition, 10_000), 0);
    scene.holds_all(1 - partition);
    scene.stop();
    // The device is well again: all that was acked is there.
    fs::remove_file(outer.path().join("filler")).unwrap();
    // Else the kernel tells of its old errors once more.
    run("umount", &[&at_name]).unwrap();
    mount(&image_name, &at_name);
    scene.broker = Some(scene.start.ready());
    scene.holds_all(partition);
    scene.put_until_taken(partition);
    scene.stop();
    run("umount", &["--lazy", &at_name]).unwrap();
}

/// Mounts an image with direct I/O to the file below.
fn mount(image: &str, at: &str) {
    let device = run("losetup", &["-f", "--show", "--direct-io=on", image]).unwrap();
    run("mount", &[&device, at]).unwrap();
    run("losetup", &["-d", &device]).unwrap();
}

/// First block, physical block and count of blocks of each extent of a file.
fn extents(path: &Path) -> Vec<(u64, u64, u64)> {
    let text = run("filefrag", &["-v", "-b4096", &path.to_string_lossy()]).unwrap();
    let numbers = |line: &str| -> Vec<u64> {
        let words = line.split(|c: char| !c.is_ascii_digit());
        words.filter_map(|word| word.parse().ok()).collect()
    };
    let rows = text.lines().filter(|line| line.contains(".."));
    // ext: first..last: physical..last: length: ...
    rows.map(numbers)
        .map(|row| (row[1], row[3], row[5]))
        .collect()
}

/// A data file is cut short behind the broker's back.
fn shrinks() {
    let here = HERE.data_dir();
    let properties = here.path().join("server.properties");
    fs::write(
        &properties,
        // The newest records may take half of this memory: the cut shall hit older ones.
        "corelane.shard.memory.bytes=67108864\n\
         log.retention.check.interval.ms=200\n",
    )
    .unwrap();
    let data = here.path().join("data");
    let start = HERE
        .start_on(&[&data])
        .arg("--config", &properties.to_string_lossy());
    let mut scene = Scene::new(start, &[("retention.ms", "-1")]);
    for _ in 0..250 {
        assert_eq!(scene.put(0, 100_000), 0);
        assert_eq!(scene.put(1, 100_000), 0);
    }
    // A round of housekeeping notes how far the log is flushed.
    std::thread::sleep(std::time::Duration::from_millis(600));
    let segment = data.join(format!("shard-0/{TOPIC}-0/00000000000000000000.log"));
    let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
    file.set_len(1_500_000).unwrap();
    // The middle of the log is no longer there: said, and not answered with anything else.
    assert_eq!(scene.fetch_error(0, 30), STORAGE_ERROR);
    scene.put_until_refused(0, 100_000);
    scene.says(&["ERROR", "shrunk", "t-0"]);
    assert_eq!(scene.put(1, 100_000), 0);
    scene.holds_all(1);
    scene.kill_and_start();
    // Never taken for a torn end: what was acked is not silently given up.
    assert_eq!(scene.put(0, 1_000), STORAGE_ERROR);
    scene.says(&["ERROR", "damaged", "t-0"]);
    scene.holds_all(1);
    scene.stop();
}

/// A partition's folder becomes immutable: even root creates nothing in it.
fn immutable() {
    let here = HERE.data_dir();
    let mount = Mount::sized(HERE, "ext4", 64 << 20).unwrap();
    let data = mount.path().join("data");
    let mut scene = Scene::new(HERE.start_on(&[&data]), &[("segment.bytes", "1048576")]);
    let folder = data.join(format!("shard-0/{TOPIC}-0"));
    let folder_name = folder.to_string_lossy().into_owned();
    run("chattr", &["+i", &folder_name]).unwrap();
    only_one_stops(&mut scene);
    scene.stop();
    run("chattr", &["-i", &folder_name]).unwrap();
    scene.broker = Some(scene.start.ready());
    scene.holds_all(0);
    scene.put_until_taken(0);
    scene.stop();
    drop(here);
}

/// Another user than root runs the broker and loses the permission.
fn forbidden() {
    const OTHER_USER: &str = "65534";
    let mount = Mount::sized(HERE, "ext4", 64 << 20).unwrap();
    let data = mount.path().join("data");
    fs::create_dir(&data).unwrap();
    run("chown", &[OTHER_USER, &data.to_string_lossy()]).unwrap();
    let start = HERE.start_on(&[&data]).user(OTHER_USER);
    let mut scene = Scene::new(start, &[("segment.bytes", "1048576")]);
    let folder = data.join(format!("shard-0/{TOPIC}-0"));
    let folder = folder.to_string_lossy().into_owned();
    run("chmod", &["0500", &folder]).unwrap();
    only_one_stops(&mut scene);
    scene.stop();
    run("chmod", &["0755", &folder]).unwrap();
    scene.broker = Some(scene.start.ready());
    scene.holds_all(0);
    scene.put_until_taken(0);
    scene.stop();
}

/// Partition 0 cannot begin a new segment; partition 1 can.
fn only_one_stops(scene: &mut Scene) {
    scene.put_until_refused(0, 100_000);
    scene.says(&["ERROR", "the log takes no more writes", "t-0"]);
    for _ in 0..30 {
        assert_eq!(scene.put(1, 100_000), 0);
    }
    scene.holds_all(1);
}

/// The folder of one partition goes while records are written to it.
fn partition_removed() {
    let here = HERE.data_dir();
    let data = here.path().join("data");
    let mut scene = Scene::new(HERE.start_on(&[&data]), &[]);
    scene.broker().wait_page("/ready", 200, "ready");
    let folder = data.join(format!("shard-0/{TOPIC}-0"));
    fs::remove_dir_all(&folder).unwrap();
    let begun = Instant::now();
    scene.put_until_refused(0, 1_000);
    let took = begun.elapsed();
    // A fifth of a second, and much more for a machine that is busy.
    assert!(
        took < Duration::from_secs(3),
        "acked into nothing for {took:?}"
    );
    // Found by the look for the file, or by a file that cannot be made, whatever comes first.
    scene.says(&["ERROR", "the log takes no more writes", "t-0"]);
    let page = scene.broker().wait_page("/ready", 503, "takes no writes");
    assert!(page.contains("t-0"), "{page}");
    let (status, page) = scene.broker().page("/health");
    assert!(
        status == 200 && page.contains("not all is served (1 faults)"),
        "{page}"
    );
    assert_eq!(scene.put(1, 1_000), 0);
    scene.holds_all(1);
    scene.stop();
}

/// The metadata log goes: partitions are served on, the cluster does not change, a probe is told.
fn metadata_removed() {
    let here = HERE.data_dir();
    let data = here.path().join("data");
    let mut scene = Scene::new(HERE.start_on(&[&data]), &[]);
    fs::remove_dir_all(data.join("__cluster_metadata-0")).unwrap();
    let page = scene
        .broker()
        .wait_page("/health", 503, "a restart is the cure");
    assert!(page.contains("controller: metadata log failed"), "{page}");
    scene
        .broker()
        .wait_page("/ready", 503, "metadata log failed");
    scene.says(&["ERROR", "metadata log has failed"]);
    let (_, metrics) = scene.broker().page("/metrics");
    assert!(metrics.contains("corelane_faults{kind=\"metadata log failed\"} 1\n"));
    assert_ne!(create_topic(&mut scene.client(), "more", 1), 0);
    assert_eq!(scene.put(0, 1_000), 0);
    scene.holds_all(0);
    scene.stop();
}

/// All files go while the broker runs.
fn removed() {
    let here = HERE.data_dir();
    let data = here.path().join("data");
    let mut scene = Scene::new(HERE.start_on(&[&data]), &[]);
    // Files may be made while others are removed.
    let gone = (0..100).any(|_| fs::remove_dir_all(&data).is_ok());
    assert!(gone, "{} is removed", data.display());
    // Its last folder is gone: it ends by itself, as Kafka does, and says why.
    let mut broker = scene.broker.take().unwrap();
    let status = broker.ends();
    assert_eq!(status.code(), Some(1));
    let log = broker.log();
    for words in [
        "no folder of log.dirs is left",
        "corelane: stopped, since every folder",
    ] {
        assert!(log.contains(words), "{log}");
    }
    assert!(!log.contains("panicked"), "{log}");
}
