//! Pure: all threads' histograms, merged second by second and written to the interval log.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::{Interval, Kind, Totals, histogram};

/// Intervals stay open for the slowest thread so long, in seconds.
const OPEN_SECONDS: u64 = 2;

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
        // Its thread may have ended; then the histograms are dropped.
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
        // Every writer begins with the divisor, which stands in the head already.
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
