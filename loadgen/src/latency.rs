//! Pure: histograms of every thread, one set per second, merged and never averaged.

use std::collections::BTreeMap;
use std::io;
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
    /// From the intended send time to the actual send.
    Late,
}

impl Kind {
    /// All kinds, in the order of the report.
    pub const ALL: [Kind; 4] = [Kind::Produce, Kind::Service, Kind::EndToEnd, Kind::Late];

    /// The tag in logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Produce => "produce",
            Kind::Service => "produce_service",
            Kind::EndToEnd => "e2e",
            Kind::Late => "lateness",
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
    second: u64,
    histograms: Histograms,
    /// Where they go back to once they are taken in.
    back: Sender<Histograms>,
}

/// A thread's end: records, and hands its histograms over as each second ends. The histograms
/// come back to be used again, so that no memory is asked for in the middle of a run.
pub struct Recorder {
    measure_from_ns: u64,
    current: Interval,
    out: Sender<Interval>,
    spare: Receiver<Histograms>,
    kinds: &'static [Kind],
}

impl Recorder {
    /// A recorder of `kinds` that leaves out what was to be sent before `measure_from_ns`.
    pub fn new(kinds: &'static [Kind], measure_from_ns: u64, out: Sender<Interval>) -> Recorder {
        let (back, spare) = channel();
        // The first interval is still being taken in when the second has to begin.
        let _ = back.send(fresh(kinds));
        let current = Interval {
            second: 0,
            histograms: fresh(kinds),
            back,
        };
        Recorder {
            measure_from_ns,
            current,
            out,
            spare,
            kinds,
        }
    }

    /// Records that a thing intended for `intended_ns` took `taken_ns`.
    pub fn record(&mut self, kind: Kind, intended_ns: u64, taken_ns: u64) {
        if intended_ns < self.measure_from_ns {
            return;
        }
        let own = self
            .current
            .histograms
            .iter_mut()
            .find(|(own, _)| *own == kind);
        if let Some((_, histogram)) = own {
            // Zero cannot be told from one nanosecond in a histogram.
            histogram.saturating_record(taken_ns.max(1));
        }
    }

    /// Hands over what belongs to seconds that are over at `now_ns`.
    pub fn tick(&mut self, now_ns: u64) {
        let second = now_ns.saturating_sub(self.measure_from_ns) / SECOND_NS;
        if second != self.current.second {
            let histograms = self.spare.try_recv().unwrap_or_else(|_| fresh(self.kinds));
            let next = Interval {
                second,
                histograms,
                back: self.current.back.clone(),
            };
            // Without a collector nobody wants the figures any more.
            let _ = self.out.send(std::mem::replace(&mut self.current, next));
        }
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

/// All threads' histograms together.
pub struct Collector {
    totals: Totals,
    open: BTreeMap<u64, Totals>,
    log: Vec<u8>,
}

impl Collector {
    /// An empty collector of a run whose measured part began at `started`; `about` goes to the
    /// head of the interval log.
    pub fn new(started: SystemTime, about: &str) -> io::Result<Collector> {
        let mut log = Vec::new();
        let mut head = log_builder();
        head.add_comment(about)
            .add_comment("[Histogram log format version 1.2]");
        head.with_base_time(started).with_start_time(started);
        head.begin_log_with(&mut log, &mut V2DeflateSerializer::new())?;
        log.extend_from_slice(b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",");
        log.extend_from_slice(b"\"Interval_Compressed_Histogram\"\n");
        let totals = Kind::ALL
            .into_iter()
            .map(|kind| (kind, histogram()))
            .collect();
        Ok(Collector {
            totals,
            open: BTreeMap::new(),
            log,
        })
    }

    /// Takes in an interval and gives its histograms back, empty.
    pub fn add(&mut self, interval: Interval) {
        let mut histograms = interval.histograms;
        let second = self.open.entry(interval.second).or_default();
        for (kind, histogram) in &mut histograms {
            if !histogram.is_empty() {
                let total = self.totals.entry(*kind).or_insert_with(self::histogram);
                let merged = second.entry(*kind).or_insert_with(self::histogram);
                for sum in [total, merged] {
                    sum.add(&*histogram)
                        .expect("all histograms have the same bounds");
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
        mut closed: impl FnMut(u64, &Totals),
    ) -> io::Result<()> {
        while let Some(first) = self.open.first_entry() {
            if first.key().saturating_add(OPEN_SECONDS) > second {
                break;
            }
            let (at, histograms) = first.remove_entry();
            closed(at, &histograms);
            for (kind, histogram) in &histograms {
                self.write(at, *kind, histogram)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, at: u64, kind: Kind, histogram: &Histogram<u64>) -> io::Result<()> {
        let (mut lines, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        log_builder()
            .begin_log_with(&mut lines, &mut serializer)?
            .write_histogram(
                histogram,
                Duration::from_secs(at),
                Duration::from_secs(1),
                Tag::new(kind.name()),
            )
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        // Every writer begins with the divisor, which the head has said already.
        let line = lines
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|line| line[0] != b'#');
        line.for_each(|line| self.log.extend_from_slice(line));
        Ok(())
    }

    /// The merged histograms and the interval log with the seconds closed so far.
    pub fn finish(mut self) -> io::Result<(Totals, Vec<u8>)> {
        self.close_before(u64::MAX, |_, _| ())?;
        Ok((self.totals, self.log))
    }
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
        let mut collector = Collector::new(SystemTime::UNIX_EPOCH, "a test").unwrap();
        for thread in 1..=2u64 {
            let mut recorder = Recorder::new(&[Kind::Produce, Kind::Late], 100, out.clone());
            recorder.record(Kind::Produce, 99, 5); // Warm-up.
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
