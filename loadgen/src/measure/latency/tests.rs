//! Pure: tests of what is recorded, merged and logged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::sync::mpsc::channel;

use super::*;

#[test]
fn intervals_are_merged_logged_and_read_back() {
    let (out, intervals) = channel();
    let mut collector = Collector::new("a test");
    for thread in 1..=2u64 {
        let mut recorder =
            Recorder::new(&[Kind::Produce, Kind::Late], Window::from(100), out.clone());
        recorder.record(Kind::Produce, 99, 5); // Due before the measured part.
        recorder.record(Kind::Produce, 100, thread * 1_000_000);
        recorder.record(Kind::EndToEnd, 100, 1); // Not of this thread.
        recorder.tick(100 + SECOND_NS);
        recorder.record(Kind::Produce, 200, 3_000_000);
        recorder.record(Kind::Late, 200, 0);
        recorder.finish();
    }
    drop(out);
    for interval in intervals {
        collector.add(interval);
    }
    let (totals, log) = collector.finish().unwrap();
    assert_eq!(totals[&Kind::Produce].len(), 4);
    assert_eq!(
        totals[&Kind::Produce].count_between(2_990_000, 3_010_000),
        2
    );
    assert_eq!(totals[&Kind::Late].len(), 2);
    assert!(totals[&Kind::EndToEnd].is_empty());

    let mut found = Vec::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .unwrap();
            let tag = interval.tag().unwrap().as_str().to_owned();
            found.push((interval.start_timestamp().as_secs(), tag, histogram.len()));
        }
    }
    let expected = [(0, "produce", 2), (1, "produce", 2), (1, "lateness", 2)];
    assert_eq!(
        found,
        expected.map(|(at, tag, count)| (at, tag.to_owned(), count))
    );
}

#[test]
fn a_warm_up_is_shown_and_not_counted() {
    let (out, intervals) = channel();
    let window = Window {
        origin_ns: 100,
        measure_from_ns: Arc::new(AtomicU64::new(u64::MAX)),
    };
    let mut recorder = Recorder::new(&[Kind::Produce], window.clone(), out);
    recorder.record(Kind::Produce, 150, 10);
    recorder.add_bytes(150, 7);
    recorder.tick(100 + SECOND_NS);
    window
        .measure_from_ns
        .store(100 + 2 * SECOND_NS, Ordering::Relaxed);
    recorder.record(Kind::Produce, SECOND_NS, 10);
    recorder.tick(100 + 2 * SECOND_NS);
    recorder.record(Kind::Produce, 99 + 2 * SECOND_NS, 10); // Due in the warm-up.
    recorder.record_n(Kind::Produce, 100 + 2 * SECOND_NS, 10, 3);
    recorder.add_bytes(100 + 2 * SECOND_NS, 30);
    recorder.finish();
    let mut collector = Collector::new("a test");
    intervals
        .into_iter()
        .for_each(|interval| collector.add(interval));
    let mut seen = Vec::new();
    let each =
        |at, second: &Second| seen.push((at, second.warm, second.histograms[&Kind::Produce].len()));
    collector.close_before(u64::MAX, each).unwrap();
    assert_eq!(seen, [(0, true, 1), (1, true, 1), (2, false, 3)]);
    let (block, bytes) = collector.take_block();
    assert_eq!((block[&Kind::Produce].len(), bytes), (3, 30));
    assert!(collector.take_block().0[&Kind::Produce].is_empty());
    assert_eq!(collector.finish().unwrap().0[&Kind::Produce].len(), 3);
}

#[test]
fn what_passes_before_the_first_record_is_due_is_no_second_without_answers() {
    let (out, intervals) = channel();
    // A later block, in which connecting took until the seventh second.
    let window = Window {
        origin_ns: 0,
        measure_from_ns: Arc::new(AtomicU64::new(8 * SECOND_NS)),
    };
    let recorder = Recorder::new(&[Kind::Produce], window, out);
    let mut recorder = recorder.starting(7 * SECOND_NS);
    recorder.tick(6 * SECOND_NS);
    recorder.tick(7 * SECOND_NS + 1);
    recorder.tick(8 * SECOND_NS);
    recorder.finish();
    let mut collector = Collector::new("a test");
    intervals
        .into_iter()
        .for_each(|interval| collector.add(interval));
    let mut seen = Vec::new();
    let each = |at, second: &Second| seen.push((at, second.warm));
    collector.close_before(u64::MAX, each).unwrap();
    assert_eq!(seen, [(7, true), (8, false)]);
}
