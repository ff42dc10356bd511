//! Drives: what loadgen itself adds to a latency, beside a bare loop that does the same.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use core_affinity::CoreId;
use corelane_wire::batch::Codec;
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};

use crate::load::frame::{Batch, Filler, Head};
use crate::load::schedule::Pace;
use crate::load::stamp::Stamp;
use crate::load::{Keys, Load, Sizes};
use crate::measure::clock::Clock;
use crate::measure::cluster::{Cluster, Home};
use crate::measure::latency::{Collector, Kind, SECOND_NS, Window, histogram};
use crate::measure::null::{self, Answer};
use crate::measure::worker::{self, Begin, Shared};

/// Rounds of each, in turns, and how long each takes: many short ones, so that what else the
/// host does meets both alike.
const ROUNDS: u32 = 40;
const ROUND_NS: u64 = SECOND_NS / 10;
/// Records per second: one at a time, with time to spare.
const RATE: u64 = 2_000;
const LEAD_NS: u64 = 20_000_000;

/// Half of the rounds may lie so far apart, in nanoseconds: beyond, what is found is what else
/// the host does.
const SPREAD_MOST_NS: i64 = 20_000;
/// loadgen may seem quicker than the bare loop by so much, in nanoseconds: that is how well it
/// can be told. It does the same and more.
const QUICKER_MOST_NS: i64 = 5_000;

/// What was found.
pub struct OwnCost {
    /// A bare loop: write, read, sleep until the next one is due.
    pub bare: Histogram<u64>,
    /// loadgen's own produce latency, from the intended send time.
    pub own: Histogram<u64>,
    /// The difference of the medians in each round, in nanoseconds, sorted.
    pub added_ns: Vec<i64>,
    /// CPU time of the bare loop's thread, in nanoseconds.
    pub bare_cpu_ns: u64,
    /// CPU time of loadgen's thread for as many requests, in nanoseconds.
    pub own_cpu_ns: u64,
}

impl OwnCost {
    /// The median of the rounds.
    pub fn median_ns(&self) -> i64 {
        self.added_ns[self.added_ns.len() / 2]
    }

    /// Half of the rounds lie between these.
    pub fn half_ns(&self) -> (i64, i64) {
        let count = self.added_ns.len();
        (self.added_ns[count / 4], self.added_ns[count * 3 / 4])
    }

    /// CPU time of the asking thread for one request in microseconds, what it spins before a send
    /// included: of the bare loop, and of loadgen.
    pub fn cpu_us(&self) -> (f64, f64) {
        let each = |ns: u64, count: u64| ns as f64 / 1e3 / count.max(1) as f64;
        (
            each(self.bare_cpu_ns, self.bare.len()),
            each(self.own_cpu_ns, self.own.len()),
        )
    }

    /// Why the figure must not be quoted, if it must not.
    pub fn unfit(&self) -> Option<String> {
        let us = |ns: i64| ns as f64 / 1e3;
        let (low, high) = self.half_ns();
        if high - low > SPREAD_MOST_NS {
            return Some(format!(
                "half of the rounds are {:.0} µs apart, more than {:.0}: something else uses the \
                 CPUs",
                us(high - low),
                us(SPREAD_MOST_NS)
            ));
        }
        let median = self.median_ns();
        (median < -QUICKER_MOST_NS).then(|| {
            format!(
                "loadgen seems {:.0} µs quicker than a loop that does less: something else uses \
                 the CPUs",
                us(-median)
            )
        })
    }
}

/// Measures both against the same server, which answers at once, with records of `size` bytes.
/// Threads of the asking side stop sleeping `spin_ns` before they send.
pub fn measure(size: usize, spin_ns: u64, cores: &[CoreId]) -> Result<OwnCost, Box<dyn Error>> {
    let own = cores.first().copied();
    let mut others = core_affinity::get_core_ids()
        .unwrap_or_default()
        .into_iter();
    let other = others.find(|core| Some(*core) != own);
    let server = null::start(|_| Answer::After(0), false, other)?;
    let mut found = OwnCost {
        bare: histogram(),
        own: histogram(),
        added_ns: Vec::new(),
        bare_cpu_ns: 0,
        own_cpu_ns: 0,
    };
    for round in 0..ROUNDS {
        let pair = [round % 2 == 0, round % 2 == 1].map(|bare| match bare {
            true => bare_round(&server.address, size, spin_ns, own).map(|found| (true, found)),
            false => own_round(&server.address, size, spin_ns, own).map(|found| (false, found)),
        });
        let mut medians = [0; 2];
        for one in pair {
            let (bare, Round { times, cpu_ns }) = one?;
            medians[usize::from(bare)] = times.value_at_quantile(0.5) as i64;
            let (all, cpu) = if bare {
                (&mut found.bare, &mut found.bare_cpu_ns)
            } else {
                (&mut found.own, &mut found.own_cpu_ns)
            };
            all.add(times).map_err(|error| format!("{error:?}"))?;
            *cpu += cpu_ns;
        }
        found.added_ns.push(medians[0] - medians[1]);
    }
    found.added_ns.sort_unstable();
    server.delays();
    Ok(found)
}

/// What one round gave.
struct Round {
    times: Histogram<u64>,
    /// CPU time of the asking thread from its first request on, in nanoseconds.
    cpu_ns: u64,
}

/// CPU time of the calling thread so far, in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}

/// The same requests from a loop that does nothing else.
fn bare_round(
    address: &str,
    size: usize,
    spin_ns: u64,
    core: Option<CoreId>,
) -> Result<Round, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut batch = Batch::new();
    batch.open(&Head::new(8, -1, null::TOPIC, 0), 0, 0);
    let stamp = Stamp {
        run: 1,
        producer: 0,
        sequence: 0,
        intended_ns: 0,
    };
    batch.push(&Filler::new(size, 0, 1, false), &stamp, None, size, 0);
    batch.seal(Codec::None, None);
    let asking = thread::spawn(move || {
        worker::prepare_thread(core);
        let (clock, mut found, mut answer) = (Clock::start(), histogram(), Vec::new());
        let before_ns = thread_cpu_ns();
        for number in 0..RATE * ROUND_NS / SECOND_NS {
            let due_ns = LEAD_NS + number * SECOND_NS / RATE;
            let gap_ns = due_ns.saturating_sub(clock.now_ns());
            if gap_ns > spin_ns {
                thread::sleep(Duration::from_nanos(gap_ns - spin_ns));
            }
            while clock.now_ns() < due_ns {
                std::hint::spin_loop();
            }
            stream.write_all(&batch.frame)?;
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            answer.resize(u32::from_be_bytes(length) as usize, 0);
            stream.read_exact(&mut answer)?;
            found.saturating_record(clock.now_ns() - due_ns);
        }
        io::Result::Ok(Round {
            times: found,
            cpu_ns: thread_cpu_ns() - before_ns,
        })
    });
    Ok(asking.join().map_err(|_| "a thread panicked")??)
}

/// loadgen as it is in a run.
fn own_round(
    address: &str,
    size: usize,
    spin_ns: u64,
    core: Option<CoreId>,
) -> Result<Round, Box<dyn Error>> {
    let clock = Clock::start();
    let job = job(address, size, spin_ns, core, clock)?;
    let shared = Shared {
        stop_ns: AtomicU64::new(u64::MAX),
        done: AtomicUsize::new(0),
        promised: AtomicU64::new(0),
    };
    let (out, intervals) = channel();
    let asked = thread::scope(|scope| {
        let (job, shared) = (&job, &shared);
        let asking = move || {
            let mut before_ns = 0;
            let begin = || {
                let start_ns = clock.now_ns() + LEAD_NS;
                shared.stop_ns.store(start_ns + ROUND_NS, Ordering::Relaxed);
                before_ns = thread_cpu_ns();
                Begin {
                    start_ns,
                    window: Window::from(start_ns),
                }
            };
            let outcomes = worker::run(job, shared, out, begin);
            (outcomes, thread_cpu_ns() - before_ns)
        };
        scope.spawn(asking).join()
    });
    let (outcomes, cpu_ns) = asked.map_err(|_| "a thread panicked")?;
    if let Some(why) = outcomes.iter().find_map(|one| one.failure.clone()) {
        return Err(why.into());
    }
    let mut collector = Collector::new("own cost");
    intervals
        .into_iter()
        .for_each(|interval| collector.add(interval));
    let (mut totals, _) = collector.finish()?;
    Ok(Round {
        times: totals.remove(&Kind::Produce).unwrap_or_else(histogram),
        cpu_ns,
    })
}

/// One producer, which sends one record at a time.
fn job(
    address: &str,
    size: usize,
    spin_ns: u64,
    core: Option<CoreId>,
    clock: Clock,
) -> Result<worker::Job, Box<dyn Error>> {
    Ok(worker::Job {
        cluster: Arc::new(Cluster::assumed(null::TOPIC, address)),
        homes: Arc::new([Home {
            topic: 0,
            partition: 0,
            address: address.to_owned(),
        }]),
        load: Load {
            pace: Pace::Constant(RATE),
            sizes: size.to_string().parse::<Sizes>()?,
            keys: "none".parse::<Keys>()?,
            seed: 1,
            acks: -1,
            linger_ns: 0,
            batch_bytes: 0,
            in_flight: usize::MAX,
            codec: Codec::None,
            idempotent: false,
            repeat: false,
            spin_ns,
            drain_ns: SECOND_NS,
        },
        filler: Arc::new(Filler::new(size, 0, 1, false)),
        numbers: vec![0],
        producers: 1,
        run: 1,
        clock,
        core,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_do_the_same_work() {
        let cores = crate::measure::ground::cores(&[]).unwrap();
        let found = measure(1024, 20_000, &cores).unwrap();
        let each = u64::from(ROUNDS) * RATE * ROUND_NS / SECOND_NS;
        assert_eq!((found.bare.len(), found.own.len()), (each, each));
        // How little it is is for `loadgen floors --self` to say, on a machine that is quiet.
        let (bare_us, own_us) = found.cpu_us();
        assert!(bare_us > 1.0 && own_us > 1.0, "{bare_us} {own_us} µs");
        let added = found.median_ns();
        assert!(added < 200_000 || found.unfit().is_some(), "{added} ns");
    }

    fn of_rounds(added_ns: impl IntoIterator<Item = i64>) -> OwnCost {
        let mut added_ns: Vec<i64> = added_ns.into_iter().collect();
        added_ns.sort_unstable();
        OwnCost {
            bare: histogram(),
            own: histogram(),
            added_ns,
            bare_cpu_ns: 0,
            own_cpu_ns: 0,
        }
    }

    #[test]
    fn what_a_busy_machine_gives_is_unfit() {
        assert_eq!(of_rounds((0..40).map(|n| 2_000 + n * 100)).unfit(), None);
        // The outer half may be anything.
        let outliers = (0..40).map(|n| if n < 9 { -1_000_000_000 } else { 3_000 });
        assert_eq!(of_rounds(outliers).unfit(), None);
        let wide = of_rounds((0..40).map(|n| (n - 20) * 60_000_000)).unfit();
        assert!(wide.unwrap().contains("1200000 µs apart"));
        let quick = of_rounds([-1_184_104_000; 40]).unfit();
        assert!(quick.unwrap().contains("1184104 µs quicker"));
    }
}
