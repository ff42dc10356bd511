//! Pure: stories of transactions, told by the text files in `tests/scripts/transactions`, and a
//! random walk.
//!
//! A line at the margin is a command, the indented lines after it are what came of it.
//! `UPDATE_SCRIPTS=1` writes down what comes of each command now; read the difference.

mod story;
mod walk;

use super::*;
use crate::coordinator::record::Encoded;
use crate::coordinator::record::transaction::TransactionValue;
use story::Story;

#[test]
fn stories_go_as_they_are_told() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/transactions");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let script = std::fs::read_to_string(&path).unwrap();
        let told = Story::tell(&script);
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&path, told).unwrap();
        } else if told != script {
            let mut lines = script.lines().zip(told.lines()).enumerate();
            let differs = lines.find(|(_, (was, is))| was != is);
            let (number, (was, is)) = differs.unwrap_or_default();
            let (path, number) = (path.display(), number + 1);
            panic!("{path}:{number}: the story says\n{was}\nbut it went\n{is}");
        }
    }
}

#[test]
fn many_that_time_out_or_expire_do_so_in_small_steps() {
    let mut story = Story::new();
    for number in 0..250 {
        let producer = 1_000 + number;
        story.command(&format!("init id{number} timeout=1000"));
        story.command(&format!("add id{number} by={producer}/0 t/0"));
    }
    story.command("init idle");
    story.pass(10_000);
    let ongoing = |story: &Story| {
        let mut counts = StateCounts::new();
        story.machine.count_states(&mut counts);
        counts.get("Ongoing").copied().unwrap_or(0)
    };
    story.step(|machine, now, out| machine.expire(now, out));
    let mut left = Vec::new();
    while story.machine.has_work() {
        story.step(|machine, now, out| machine.work(now, out));
        left.push(ongoing(&story));
    }
    assert_eq!(left, [150, 50, 0]);
    assert_eq!(story.machine.probe.timeouts.get(), 250);
    // Those whose markers are on their way are not forgotten, however long that takes.
    story.pass(8 * 24 * 3_600_000);
    story.step(|machine, now, out| machine.expire(now, out));
    while story.machine.has_work() {
        story.step(|machine, now, out| machine.work(now, out));
    }
    assert_eq!(story.machine.count(), 250);
    assert_eq!(story.machine.probe.expired_ids.get(), 1);
}

/// Memory of which so many bytes are left.
struct Scarce(usize);

impl Memory for Scarce {
    fn can_take(&self, bytes: usize) -> bool {
        bytes <= self.0
    }

    fn count(&mut self, _: usize) {}
}

#[test]
fn without_memory_there_are_no_new_ids_and_no_more_partitions() {
    let mut story = Story::new();
    story.command("init a");
    story.command("add a by=1000/0 t/0");
    story.machine.memory = Box::new(Scarce(0));
    story.out.clear();
    for command in [
        "init b",
        "add a by=1000/0 t/1",
        "add a by=1000/0 t/0",
        "end a by=1000/0 commit",
    ] {
        story.command(command);
    }
    let told: Vec<_> = story.out.lines().map(str::trim).collect();
    assert_eq!(told[..3], ["#3: NoMemory", "#4: NoMemory", "#5: ok"]);
    assert_eq!(told[4], "#6: ok 1000/1");
}

#[test]
fn a_transaction_is_no_larger_than_its_log_takes() {
    let mut story = Story::new();
    story.machine.config.record_bytes_max = 300;
    story.command("init a");
    let partitions = (0..40).map(|index| format!(" t/{index}"));
    let partitions: String = partitions.collect();
    story.out.clear();
    story.command(&format!("add a by=1000/0{partitions}"));
    assert_eq!(story.out, "    #2: RecordTooLarge\n");
    let long = "x".repeat(300);
    story.command(&format!("init {long}"));
    assert!(story.out.ends_with("#3: RecordTooLarge\n"));
}

#[test]
fn what_ids_take_is_given_back_with_them() {
    let mut story = Story::new();
    for command in [
        "init a",
        "init b",
        "add a by=1000/0 t/0,1 u/7",
        "end a by=1000/0 commit",
        "marked a by=1000/1 t/0",
    ] {
        story.command(command);
        let transactions = story.machine.transactions.iter();
        let bytes = transactions.map(|(id, it)| it.bytes(id)).sum::<usize>();
        assert_eq!(story.machine.bytes, bytes, "{command}");
    }
    story.command("marked a by=1000/1 t/1 u/7");
    let left = memory::of_id("a") + memory::of_id("b");
    assert_eq!(story.machine.bytes, left);
}

#[test]
fn a_log_that_kafka_wrote_is_taken_over_and_written_byte_by_byte() {
    use crate::wire::batch::{Records, batches};
    let log = include_bytes!("../../../tests/golden/transactions/kafka-4.3.1.log");
    let mut story = Story::new();
    let mut states = BTreeMap::new();
    for batch in batches(log) {
        let batch = batch.unwrap();
        for record in Records::of(&batch) {
            let record = record.unwrap();
            let decoded = TransactionRecord::decode(record.key, record.value).unwrap();
            let TransactionRecord::State(id, value) = &decoded else {
                panic!("a key that is not known: {decoded:?}");
            };
            let flexible = record.value.is_none_or(|value| value[1] == 1);
            let encoded = encode(id, value.as_ref(), flexible);
            assert_eq!(Some(&*encoded.key), record.key);
            assert_eq!(encoded.value.as_deref(), record.value);
            let name = value.as_ref().map_or("removed", |value| value.state.name());
            assert!(flexible, "Kafka 4.3 writes version 1");
            *states.entry(name).or_insert(0) += 1;
            story.machine.replay(&decoded, Origin::NEW);
        }
    }
    let states: Vec<_> = states.into_iter().collect();
    assert_eq!(
        states,
        [
            ("CompleteAbort", 28),
            ("CompleteCommit", 12),
            ("Empty", 70),
            ("Ongoing", 56),
            ("PrepareAbort", 28),
            ("PrepareCommit", 12),
        ]
    );
}
