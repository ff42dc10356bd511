//! Drives: one producer: sends what is due, and never waits for an answer to do so.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use core_affinity::CoreId;
use corelane::wire::batch::{BatchBuilder, NewRecord};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::client::{self, ClientError, Clock, Connection, Home, PRODUCE};
use crate::latency::{Kind, Recorder};
use crate::schedule::Schedule;
use crate::verify::{Numbers, Stamp};

/// What a producer records.
pub const KINDS: &[Kind] = &[Kind::Produce, Kind::Service, Kind::Late];

/// The longest sleep, so that ends and seconds are noticed, in nanoseconds.
const SLEEP_MAX_NS: u64 = 50_000_000;

/// What the threads of a run tell each other.
#[derive(Debug)]
pub struct Shared {
    /// Nothing is to be sent that is due from here on.
    pub stop_ns: AtomicU64,
    /// Producers that are done.
    pub done: AtomicUsize,
    /// Records that these were promised, for the consumer to wait for.
    pub promised: AtomicU64,
}

/// A producer's part of the run.
#[derive(Clone)]
pub struct Job {
    /// Its number, from 0.
    pub number: u32,
    /// When it sends.
    pub schedule: Schedule,
    /// Where to, in turn.
    pub homes: Vec<Home>,
    /// The topic.
    pub topic: String,
    /// Bytes of a value.
    pub size: usize,
    /// -1, 1 or 0.
    pub acks: i16,
    /// The run's mark in each record.
    pub run: u64,
    /// The run's clock.
    pub clock: Clock,
    /// How long before a send to stop sleeping.
    pub spin_ns: u64,
    /// How long to wait for answers after the last send was due.
    pub drain_ns: u64,
    /// The core to be pinned to.
    pub core: Option<CoreId>,
}

/// What became of it.
#[derive(Default, Debug)]
pub struct Outcome {
    /// Records that were due.
    pub due: u64,
    /// Records that were sent.
    pub sent: u64,
    /// Records that the broker vouched for; with acks=0 those that were sent.
    pub promised: Numbers,
    /// Records without an answer.
    pub unanswered: u64,
    /// Records refused, by Kafka error code.
    pub refused: BTreeMap<i16, u64>,
    /// Why it ended early.
    pub failure: Option<String>,
    /// When it ended, by the run's clock.
    pub ended_ns: u64,
}

struct Waiting {
    sequence: u64,
    intended_ns: u64,
    sent_ns: u64,
}

struct Prepared {
    sequence: u64,
    intended_ns: u64,
    /// Index of the connection.
    to: usize,
    frame: Vec<u8>,
}

struct Producer<'a> {
    job: &'a Job,
    connections: Vec<Connection>,
    waiting: Vec<VecDeque<Waiting>>,
    /// The connection of each home.
    routes: Vec<usize>,
    value: Vec<u8>,
    recorder: Recorder,
    outcome: Outcome,
}

/// Connections to the leaders of `homes`, each once, and which of them each home has.
pub fn connect(homes: &[Home]) -> Result<(Vec<Connection>, Vec<usize>), ClientError> {
    let mut addresses: Vec<&str> = Vec::new();
    let mut connections = Vec::new();
    let mut routes = Vec::new();
    for home in homes {
        let known = addresses
            .iter()
            .position(|address| *address == home.address);
        routes.push(known.unwrap_or(addresses.len()));
        if known.is_none() {
            addresses.push(&home.address);
            connections.push(Connection::open(&home.address)?);
        }
    }
    Ok((connections, routes))
}

/// Pins this thread and asks the kernel to end its sleeps on time.
pub fn settle(core: Option<CoreId>) {
    // Neither is possible everywhere; the lateness histogram shows what comes of it.
    core.map(core_affinity::set_for_current);
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// Sends all that is due and collects the answers. `connected` is called once the
/// connections stand, before the first send.
pub fn run(job: &Job, shared: &Shared, recorder: Recorder, connected: impl FnOnce()) -> Outcome {
    settle(job.core);
    let opened = connect(&job.homes);
    connected();
    let mut outcome = match opened {
        Ok((connections, routes)) => {
            let mut producer = Producer {
                job,
                waiting: connections.iter().map(|_| VecDeque::new()).collect(),
                connections,
                routes,
                value: filler(job.size),
                recorder,
                outcome: Outcome::default(),
            };
            let failure = producer.drive(shared).err();
            producer.outcome.failure = failure.map(|error| error.to_string());
            producer.outcome.unanswered = producer.under_way() as u64;
            producer.recorder.finish();
            producer.outcome
        }
        Err(error) => Outcome {
            failure: Some(error.to_string()),
            ..Outcome::default()
        },
    };
    outcome.ended_ns = job.clock.now_ns();
    outcome.due = job
        .schedule
        .due_before(shared.stop_ns.load(Ordering::Relaxed));
    shared
        .promised
        .fetch_add(outcome.promised.count(), Ordering::Relaxed);
    shared.done.fetch_add(1, Ordering::Release);
    outcome
}

/// Bytes that do not compress well, the same in every run.
fn filler(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

impl Producer<'_> {
    fn drive(&mut self, shared: &Shared) -> Result<(), ClientError> {
        self.connections
            .iter_mut()
            .try_for_each(Connection::never_wait)?;
        let mut next = self.prepare(0)?;
        let mut give_up_ns = u64::MAX;
        loop {
            let now = self.job.clock.now_ns();
            let stop_ns = shared.stop_ns.load(Ordering::Relaxed);
            let due = next.as_ref().filter(|next| next.intended_ns < stop_ns);
            let (wake_ns, is_due) = match due {
                Some(next) => (next.intended_ns, next.intended_ns <= now),
                None => (u64::MAX, false),
            };
            let blocked = is_due && !self.send(&mut next)?;
            let received = self.receive()?;
            self.recorder.tick(now);
            if due_is_over(&next, stop_ns) {
                let last = stop_ns
                    .min(self.job.schedule.end_ns)
                    .max(self.job.schedule.start_ns);
                give_up_ns = last.saturating_add(self.job.drain_ns);
                if self.under_way() == 0 && !self.connections.iter().any(Connection::is_blocked) {
                    return Ok(());
                }
            } else if now > self.job.schedule.end_ns.min(stop_ns) {
                let last = stop_ns.min(self.job.schedule.end_ns);
                give_up_ns = last.saturating_add(self.job.drain_ns);
            }
            if now > give_up_ns {
                return Ok(());
            }
            if received || (is_due && !blocked) {
                continue;
            }
            let until = if blocked { u64::MAX } else { wake_ns };
            let gap = until.saturating_sub(self.job.clock.now_ns());
            if gap > self.job.spin_ns {
                let asleep = (gap - self.job.spin_ns).min(SLEEP_MAX_NS);
                // A frame that the kernel has no room for waits without a mark to be seen.
                client::sleep(&self.connections, if blocked { 50_000 } else { asleep });
            }
        }
    }

    /// The next record's frame, made ahead so that only the sending itself is left to be done
    /// when it is due: all that it holds is known.
    fn prepare(&mut self, sequence: u64) -> Result<Option<Prepared>, ClientError> {
        let Some(intended_ns) = self.job.schedule.intended_ns(sequence) else {
            return Ok(None);
        };
        let place = (sequence % self.routes.len() as u64) as usize;
        let producer = self.job.number;
        Stamp {
            run: self.job.run,
            producer,
            sequence,
            intended_ns,
        }
        .write(&mut self.value);
        let mut batch = BatchBuilder::new();
        let time = self.job.clock.wall_ms(intended_ns);
        batch.push(NewRecord::new(time, None, Some(&self.value)));
        let partition = PartitionProduceData::default()
            .with_index(self.job.homes[place].partition)
            .with_records(Some(batch.build().into()));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(self.job.topic.clone())))
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_acks(self.job.acks)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic]);
        let frame = client::frame(&request, PRODUCE, sequence as i32)?;
        Ok(Some(Prepared {
            sequence,
            intended_ns,
            to: self.routes[place],
            frame,
        }))
    }

    /// Sends the record that is due; false if the kernel has no room for it.
    fn send(&mut self, next: &mut Option<Prepared>) -> Result<bool, ClientError> {
        let Some(due) = next else {
            return Ok(true);
        };
        let sent_ns = self.job.clock.now_ns();
        if !self.connections[due.to].try_send(&due.frame)? {
            return Ok(false);
        }
        let Prepared {
            sequence,
            intended_ns,
            to,
            ..
        } = *due;
        self.outcome.sent += 1;
        self.recorder
            .record(Kind::Late, intended_ns, sent_ns - intended_ns);
        if self.job.acks == 0 {
            self.outcome.promised.insert(sequence);
        } else {
            self.waiting[to].push_back(Waiting {
                sequence,
                intended_ns,
                sent_ns,
            });
        }
        *next = self.prepare(sequence + 1)?;
        Ok(true)
    }

    /// Takes in what has arrived; whether anything had.
    fn receive(&mut self) -> Result<bool, ClientError> {
        let mut any = false;
        for (connection, waiting) in self.connections.iter_mut().zip(&mut self.waiting) {
            connection.flush()?;
            if !connection.receive()? {
                continue;
            }
            any = true;
            // All answers of this read arrived by now: one time for them all.
            let now = self.job.clock.now_ns();
            while let Some(answer) = connection.next_frame()? {
                let (id, answer) = client::open::<ProduceResponse>(answer, PRODUCE)?;
                let asked = waiting
                    .pop_front()
                    .filter(|asked| asked.sequence as i32 == id);
                let Some(asked) = asked else {
                    return Err(ClientError::Malformed(format!("answer {id} was not due")));
                };
                let topic = answer.responses.first();
                let partition = topic.and_then(|topic| topic.partition_responses.first());
                match partition.map(|partition| partition.error_code) {
                    Some(0) => drop(self.outcome.promised.insert(asked.sequence)),
                    Some(code) => *self.outcome.refused.entry(code).or_default() += 1,
                    None => return Err(ClientError::Malformed("an empty answer".to_owned())),
                }
                // A refusal is an answer too: leaving it out would flatter the broker.
                self.recorder
                    .record(Kind::Produce, asked.intended_ns, now - asked.intended_ns);
                self.recorder
                    .record(Kind::Service, asked.intended_ns, now - asked.sent_ns);
            }
        }
        Ok(any)
    }

    fn under_way(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }
}

fn due_is_over(next: &Option<Prepared>, stop_ns: u64) -> bool {
    next.as_ref().is_none_or(|next| next.intended_ns >= stop_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::{Collector, SECOND_NS, Totals};
    use crate::null::{self, Answer};
    use hdrhistogram::Histogram;
    use std::sync::mpsc::channel;
    use std::time::SystemTime;

    const MS: u64 = 1_000_000;

    /// One producer against a null server: its outcome, histograms, and the server's own figures.
    fn against(
        rate: u64,
        records: u64,
        answer: impl Fn(u64) -> Answer + Send + 'static,
    ) -> (Outcome, Totals, Histogram<u64>) {
        let server = null::start(answer);
        let clock = Clock::start();
        let start_ns = clock.now_ns() + 50 * MS;
        let end_ns = start_ns + records * SECOND_NS / rate;
        let job = Job {
            number: 0,
            schedule: Schedule {
                start_ns,
                end_ns,
                rate,
                producers: 1,
                turn: 0,
            },
            homes: vec![Home {
                partition: 0,
                address: server.address.clone(),
            }],
            topic: "null".to_owned(),
            size: 1024,
            acks: -1,
            run: 1,
            clock,
            spin_ns: 20_000,
            drain_ns: 500 * MS,
            core: None,
        };
        let shared = Shared {
            stop_ns: AtomicU64::new(u64::MAX),
            done: AtomicUsize::new(0),
            promised: AtomicU64::new(0),
        };
        let (out, intervals) = channel();
        let outcome = run(&job, &shared, Recorder::new(KINDS, start_ns, out), || ());
        let mut collector = Collector::new(SystemTime::now(), "test").unwrap();
        intervals
            .into_iter()
            .for_each(|interval| collector.add(interval));
        (outcome, collector.finish().unwrap().0, server.delays())
    }

    #[test]
    fn a_known_delay_is_measured_as_it_is() {
        // Four delays, evenly; the gap between records is longer than any of them.
        let delays = [10 * MS, 15 * MS, 20 * MS, 25 * MS];
        let (outcome, found, actual) =
            against(33, 48, move |n| Answer::After(delays[(n % 4) as usize]));
        assert_eq!((outcome.due, outcome.sent, outcome.unanswered), (48, 48, 0));
        assert_eq!(outcome.promised.count(), 48);
        // The middle of each of the four steps, beside what the server says it took. The
        // allowance over 2 % is for the two wake-ups on a busy machine.
        for quantile in [0.12, 0.37, 0.62, 0.87] {
            let (own, real) = (
                found[&Kind::Service].value_at_quantile(quantile),
                actual.value_at_quantile(quantile),
            );
            let most = real + real / 50 + MS;
            assert!(
                (real..=most).contains(&(own + own / 500)),
                "{quantile}: {own} for {real}"
            );
        }
    }

    #[test]
    fn a_stall_shows_at_its_full_size() {
        // 1,000 records/s; the answer to the 200th takes 100 ms, all others none. So about 100
        // records are held up, by 100, 99, 98, … ms. A closed loop would show one of them.
        let (outcome, found, actual) = against(1_000, 600, |n| match n {
            200 => Answer::After(100 * MS),
            _ => Answer::After(0),
        });
        assert_eq!((outcome.sent, outcome.promised.count()), (600, 600));
        let produce = &found[&Kind::Produce];
        assert!(produce.max() >= 100 * MS, "max {}", produce.max());
        assert!(
            actual.count_between(90 * MS, u64::MAX / 2) == 1,
            "the server stalled once"
        );
        for (above_ms, expected) in [(25, 75), (50, 50), (75, 25)] {
            let held = produce.count_between(above_ms * MS, 3_600 * SECOND_NS);
            // A busy machine may add stalls of its own; it cannot take one away.
            assert!(held >= expected - 2, "{held} records over {above_ms} ms");
        }
        let p95 = produce.value_at_quantile(0.95);
        assert!(p95 >= 65 * MS, "p95 {p95}");
    }

    #[test]
    fn answers_that_do_not_come_and_refusals_are_counted() {
        let (outcome, found, _) = against(200, 20, |n| match n {
            3 => Answer::Refuse(7),
            19 => Answer::Never,
            _ => Answer::After(0),
        });
        assert_eq!((outcome.sent, outcome.unanswered), (20, 1));
        assert_eq!(outcome.refused, BTreeMap::from([(7, 1)]));
        assert_eq!(outcome.promised.count(), 18);
        assert_eq!(found[&Kind::Produce].len(), 19);
        assert_eq!(found[&Kind::Late].len(), 20);
    }

    #[test]
    fn a_connection_that_ends_is_said() {
        let (outcome, _, _) = against(200, 40, |n| match n {
            10 => Answer::Close,
            _ => Answer::After(0),
        });
        assert!(outcome.failure.is_some());
        assert_eq!((outcome.due, outcome.promised.count()), (40, 10));
        assert!(outcome.unanswered >= 1);
    }
}
