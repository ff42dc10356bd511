//! Pure: histograms of every thread, one set per second, merged and never averaged.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

/// One second, in nanoseconds.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Intervals stay open for the slowest thread so long, in seconds.
const OPEN_SECONDS: u64 = 2;

/// What a duration is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// From the intended send time to the ack.
    Produce,
    /// From the actual send to the ack: what a closed loop would have called latency.
    Service,
    /// From the intended send time to the record's arrival at the consumer.
    EndToEnd,
    /// From the intended send time to the moment in which loadgen turned to it.
    Late,
    /// Not a time: records in a batch.
    BatchRecords,
    /// Not a time: bytes of a batch as it travels.
    BatchBytes,
}

impl Kind {
    /// All kinds, in the order of the report.
    pub const ALL: [Kind; 6] = [
        Kind::Produce,
        Kind::Service,
        Kind::EndToEnd,
        Kind::Late,
        Kind::BatchRecords,
        Kind::BatchBytes,
    ];

    /// Whether it is in nanoseconds.
    pub fn is_time(self) -> bool {
        !matches!(self, Kind::BatchRecords | Kind::BatchBytes)
    }

    /// The tag in logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Produce => "produce",
            Kind::Service => "produce_service",
            Kind::EndToEnd => "e2e",
            Kind::Late => "lateness",
            Kind::BatchRecords => "batch_records",
            Kind::BatchBytes => "batch_bytes",
        }
    }
}

/// A histogram of nanoseconds up to an hour, three significant digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600 * SECOND_NS, 3).expect("the bounds are valid")
}

type Histograms = Vec<(Kind, Histogram<u64>)>;

/// One thread's histograms of one second.
pub struct Interval {
    /// Seconds from the clock's zero of the run to its beginning.
    second: u64,
    /// Whether it is a part of the warm-up.
    warm: bool,
    /// Bytes of values that were acked.
    bytes: u64,
    histograms: Histograms,
    /// Where they go back to once they are taken in.
    back: Sender<Histograms>,
}

/// When a block of a run is measured: from when on is not always known at its beginning.
#[derive(Clone, Debug)]
pub struct Window {
    /// Where the seconds of the run are counted from, by the run's clock.
    pub origin_ns: u64,
    /// The beginning of the measured part, a whole number of seconds behind the origin;
    /// `u64::MAX` while nobody knows.
    pub measure_from_ns: Arc<AtomicU64>,
}

/// A thread's end: records, and hands its histograms over as each second ends. The histograms
/// come back to be used again, so that no memory is asked for in the middle of a run.
pub struct Recorder {
    window: Window,
    current: Interval,
    ends_ns: u64,
    out: Sender<Interval>,
    spare: Receiver<Histograms>,
    kinds: &'static [Kind],
}

impl Window {
    /// A window whose measured part begins at `measure_from_ns`, from which seconds count.
    pub fn from(measure_from_ns: u64) -> Window {
        Window {
            origin_ns: measure_from_ns,
            measure_from_ns: Arc::new(AtomicU64::new(measure_from_ns)),
        }
    }

    fn second(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.origin_ns) / SECOND_NS
    }

    /// The beginning of the measured part.
    pub fn measured_ns(&self) -> u64 {
        self.measure_from_ns.load(Ordering::Relaxed)
    }
}

impl Recorder {
    /// A recorder of `kinds`. What was to be sent in the warm-up is kept apart, and left out
    /// where it ends in the measured part.
    pub fn new(kinds: &'static [Kind], window: Window, out: Sender<Interval>) -> Recorder {
        let (back, spare) = channel();
        // The first interval is still being taken in when the second has to begin.
        let _ = back.send(fresh(kinds));
        let current = Interval {
            second: 0,
            warm: window.origin_ns < window.measured_ns(),
            bytes: 0,
            histograms: fresh(kinds),
            back,
        };
        let ends_ns = window.origin_ns + SECOND_NS;
        Recorder {
            window,
            current,
            ends_ns,
            out,
            spare,
            kinds,
        }
    }

    /// The same, of which the first thing is intended for `start_ns`: what lies before is no
    /// second in which nothing was answered.
    pub fn starting(mut self, start_ns: u64) -> Recorder {
        let second = self.window.second(start_ns);
        let begins_ns = self.window.origin_ns + second * SECOND_NS;
        self.current.second = second;
        self.current.warm = begins_ns < self.window.measured_ns();
        self.ends_ns = begins_ns + SECOND_NS;
        self
    }

    /// Records that a thing intended for `intended_ns` took `taken_ns`.
    pub fn record(&mut self, kind: Kind, intended_ns: u64, taken_ns: u64) {
        self.record_n(kind, intended_ns, taken_ns, 1);
    }

    /// Whether what is intended for `intended_ns` counts in the current second.
    pub fn counts(&self, intended_ns: u64) -> bool {
        self.current.warm || intended_ns >= self.window.measured_ns()
    }

    /// Records the same for `count` things.
    pub fn record_n(&mut self, kind: Kind, intended_ns: u64, taken_ns: u64, count: u64) {
        if !self.counts(intended_ns) {
            return;
        }
        let mut own = self.current.histograms.iter_mut();
        if let Some((_, histogram)) = own.find(|(own, _)| *own == kind) {
            // Zero cannot be told from one nanosecond in a histogram.
            histogram.saturating_record_n(taken_ns.max(1), count);
        }
    }

    /// Counts bytes of values that were acked.
    pub fn add_bytes(&mut self, intended_ns: u64, bytes: u64) {
        if self.counts(intended_ns) {
            self.current.bytes += bytes;
        }
    }

    /// Hands over what belongs to seconds that are over at `now_ns`.
    pub fn tick(&mut self, now_ns: u64) {
        if now_ns < self.ends_ns {
            return;
        }
        let second = self.window.second(now_ns);
        let begins_ns = self.window.origin_ns + second * SECOND_NS;
        self.ends_ns = begins_ns + SECOND_NS;
        let histograms = self.spare.try_recv().unwrap_or_else(|_| fresh(self.kinds));
        let next = Interval {
            second,
            warm: begins_ns < self.window.measured_ns(),
            bytes: 0,
            histograms,
            back: self.current.back.clone(),
        };
        // Without a collector nobody wants the figures any more.
        let _ = self.out.send(std::mem::replace(&mut self.current, next));
    }

    /// Hands over the rest.
    pub fn finish(self) {
        let _ = self.out.send(self.current);
    }
}

fn fresh(kinds: &[Kind]) -> Histograms {
    kinds.iter().map(|kind| (*kind, histogram())).collect()
}

/// Histograms by what they are of.
pub type Totals = BTreeMap<Kind, Histogram<u64>>;

/// What all threads did in one second.
#[derive(Default, Debug)]
pub struct Second {
    /// The merged histograms.
    pub histograms: Totals,
    /// Bytes of values that were acked.
    pub bytes: u64,
    /// Whether it is a part of the warm-up.
    pub warm: bool,
}

/// All threads' histograms together.
pub struct Collector {
    about: String,
    /// What stands behind each tag in the log, after an @; nothing if empty.
    part: String,
    /// The first second that is measured, and when that was.
    zero: Option<(u64, SystemTime)>,
    totals: Totals,
    block: Totals,
    bytes: u64,
    open: BTreeMap<u64, Second>,
    lines: Vec<u8>,
}

impl Collector {
    /// An empty collector; `about` goes to the head of the interval log.
    pub fn new(about: &str) -> Collector {
        Collector {
            about: about.to_owned(),
            part: String::new(),
            zero: None,
            totals: no_totals(),
            block: no_totals(),
            bytes: 0,
            open: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    /// Has what follows logged with tags of its own: `produce@PART` instead of `produce`.
    pub fn part(&mut self, part: String) {
        self.part = part;
    }

    /// Says which second is the first that is measured, and when that was; later calls change
    /// nothing.
    pub fn measured_from(&mut self, second: u64, started: SystemTime) {
        self.zero.get_or_insert((second, started));
    }

    /// The first second that is measured.
    pub fn first_second(&self) -> u64 {
        self.zero.map_or(0, |(zero, _)| zero)
    }

    fn head(&self) -> io::Result<Vec<u8>> {
        let started = self
            .zero
            .map_or(SystemTime::UNIX_EPOCH, |(_, started)| started);
        let mut log = Vec::new();
        let mut head = log_builder();
        head.add_comment(&self.about)
            .add_comment("[Histogram log format version 1.2]");
        head.with_base_time(started).with_start_time(started);
        head.begin_log_with(&mut log, &mut V2DeflateSerializer::new())?;
        log.extend_from_slice(b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",");
        log.extend_from_slice(b"\"Interval_Compressed_Histogram\"\n");
        Ok(log)
    }

    /// Takes in an interval and gives its histograms back, empty.
    pub fn add(&mut self, interval: Interval) {
        let mut histograms = interval.histograms;
        let second = self.open.entry(interval.second).or_default();
        second.warm |= interval.warm;
        second.bytes += interval.bytes;
        if !interval.warm {
            self.bytes += interval.bytes;
        }
        for (kind, histogram) in &mut histograms {
            if !histogram.is_empty() {
                let merged = second
                    .histograms
                    .entry(*kind)
                    .or_insert_with(self::histogram);
                merge(merged, histogram);
                if !interval.warm {
                    for sums in [&mut self.totals, &mut self.block] {
                        merge(sums.entry(*kind).or_insert_with(self::histogram), histogram);
                    }
                }
                histogram.reset();
            }
        }
        // Its thread may be gone; then nobody needs them.
        let _ = interval.back.send(histograms);
    }

    /// Closes the seconds that are over long enough at `second`, and calls `closed` with each.
    pub fn close_before(
        &mut self,
        second: u64,
        mut closed: impl FnMut(u64, &Second),
    ) -> io::Result<()> {
        while let Some(first) = self.open.first_entry() {
            if first.key().saturating_add(OPEN_SECONDS) > second {
                break;
            }
            let (at, found) = first.remove_entry();
            let at = at.saturating_sub(self.first_second());
            closed(at, &found);
            if !found.warm {
                for (kind, histogram) in &found.histograms {
                    let tag = match self.part.as_str() {
                        "" => kind.name().to_owned(),
                        part => format!("{}@{part}", kind.name()),
                    };
                    self.write(at, &tag, histogram)?;
                }
            }
        }
        Ok(())
    }

    /// The histograms since the last call, and bytes of values that were acked in all.
    pub fn take_block(&mut self) -> (Totals, u64) {
        (std::mem::replace(&mut self.block, no_totals()), self.bytes)
    }

    /// Logs a floor of the host with the tag that its name makes, at second `at`.
    pub fn add_floor(&mut self, at: u64, name: &str, times: &Histogram<u64>) -> io::Result<()> {
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        let words = words.into_iter().filter(|word| !word.is_empty());
        let tag = words.fold("floor".to_owned(), |tag, word| tag + "_" + word);
        match times.is_empty() {
            true => Ok(()),
            false => self.write(at, &tag, times),
        }
    }

    fn write(&mut self, at: u64, tag: &str, histogram: &Histogram<u64>) -> io::Result<()> {
        let (mut lines, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        log_builder()
            .begin_log_with(&mut lines, &mut serializer)?
            .write_histogram(
                histogram,
                Duration::from_secs(at),
                Duration::from_secs(1),
                Tag::new(tag),
            )
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        // Every writer begins with the divisor, which the head has said already.
        let line = lines
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line[0] != b'#');
        line.for_each(|line| self.lines.extend_from_slice(line));
        Ok(())
    }

    /// The merged histograms and the interval log with the seconds closed so far.
    pub fn finish(mut self) -> io::Result<(Totals, Vec<u8>)> {
        self.close_before(u64::MAX, |_, _| ())?;
        let mut log = self.head()?;
        log.append(&mut self.lines);
        Ok((self.totals, log))
    }
}

fn no_totals() -> Totals {
    Kind::ALL
        .into_iter()
        .map(|kind| (kind, histogram()))
        .collect()
}

fn merge(sum: &mut Histogram<u64>, more: &Histogram<u64>) {
    sum.add(more).expect("all histograms have the same bounds");
}

/// Maxima in the log are in milliseconds, as HdrHistogram's own tools write them.
fn log_builder() -> IntervalLogWriterBuilder {
    let mut builder = IntervalLogWriterBuilder::new();
    builder.with_max_value_divisor(1e6);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use std::sync::mpsc::channel;

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
                use base64_of_log::decode;
                let bytes = decode(interval.encoded_histogram());
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
        let each = |at, second: &Second| {
            seen.push((at, second.warm, second.histograms[&Kind::Produce].len()))
        };
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

    /// The log's base64, so that the test needs no crate for it.
    mod base64_of_log {
        pub fn decode(text: &str) -> Vec<u8> {
            let value = |byte: u8| match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                _ => 63,
            };
            let digits: Vec<u8> = text.bytes().filter(|b| *b != b'=').map(value).collect();
            let mut bytes = Vec::new();
            for four in digits.chunks(4) {
                let bits = four
                    .iter()
                    .fold(0u32, |bits, digit| bits << 6 | u32::from(*digit));
                let bits = bits << (6 * (4 - four.len()));
                bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
            }
            bytes
        }
    }
}
