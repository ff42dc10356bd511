//! Drives: one block of a load.

use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::Client;
use corelane_testing::requests::{create_topic, text};
use kafka_protocol::messages::FindCoordinatorRequest;

use crate::classic;
use crate::consumer;
use crate::drive::Lanes;
use crate::figures::Figures;
use crate::repeated::Committer;
use crate::role::{LATER, Role, comes_later};

/// The topic that members share, and its partitions.
pub const TOPIC: &str = "thousand";
const PARTITIONS: i32 = 1000;
/// The topic is there already.
const TOPIC_ALREADY_EXISTS: i16 = 36;
const FIND_COORDINATOR: i16 = 4;
/// How long a member may be silent, in milliseconds.
pub const SESSION_MS: i32 = 30_000;
/// Time between two heartbeats of a member while its group is made: a rebalance is known to all
/// by then, with either broker.
const PACE: Duration = Duration::from_millis(50);

/// What a member does once it has its partitions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// It stays.
    Long,
    /// It leaves, and joins again.
    Short,
}

#[derive(Clone, Copy)]
enum Protocol {
    Classic,
    Consumer,
}

/// A block that is asked for.
struct Asked<'a> {
    what: &'a str,
    protocol: Protocol,
    port: u16,
    count: usize,
    warm_up: Duration,
    time: Duration,
    /// Of this process, to tell groups apart.
    number: usize,
}

/// Runs the block that the line asks for.
pub fn run(line: &str, number: usize) -> Result<Figures, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [what, protocol, port, count, warm_up, time] = words[..] else {
        return Err("WHAT PROTOCOL PORT COUNT WARM_UP_MS MS are wanted".to_owned());
    };
    let number_of = |word: &str| {
        let parsed = word.parse::<u64>();
        parsed.map_err(|error| format!("{word}: {error}"))
    };
    let asked = Asked {
        what,
        protocol: match protocol {
            "classic" => Protocol::Classic,
            "consumer" => Protocol::Consumer,
            other => return Err(format!("there is no protocol {other}")),
        },
        port: number_of(port)? as u16,
        count: number_of(count)? as usize,
        warm_up: Duration::from_millis(number_of(warm_up)?),
        time: Duration::from_millis(number_of(time)?),
        number,
    };
    asked.prepare()?;
    match what {
        "joins" | "commits" => asked.apart(),
        "heartbeats" => asked.heartbeats(),
        "forms" | "grows" => asked.rebalances(),
        other => Err(format!("there is no load {other}")),
    }
}

impl Asked<'_> {
    fn prepare(&self) -> Result<(), String> {
        let mut client = Client::try_connect(self.port).map_err(|error| error.to_string())?;
        match create_topic(&mut client, TOPIC, PARTITIONS) {
            0 | TOPIC_ALREADY_EXISTS => {}
            code => return Err(format!("CreateTopics: error {code}")),
        }
        // The first question for a coordinator makes the topic of groups.
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]);
        loop {
            let answer = client.try_call(FIND_COORDINATOR, &request);
            match answer.map_err(|error| error.to_string())?.coordinators[0].error_code {
                0 => return Ok(()),
                code if comes_later(code) => thread::sleep(LATER),
                code => return Err(format!("FindCoordinator: error {code}")),
            }
        }
    }

    fn member(&self, group: &str, index: usize, life: Life, pace: Duration) -> Box<dyn Role> {
        let group = format!("{group}-{}", self.what);
        match self.protocol {
            Protocol::Classic => {
                Box::new(classic::Member::new(group, PARTITIONS as usize, life, pace))
            }
            Protocol::Consumer => {
                let id = format!("member-{}-{index}", self.number);
                Box::new(consumer::Member::new(group, id, life, pace))
            }
        }
    }

    /// Each has a group of its own.
    fn apart(&self) -> Result<Figures, String> {
        let mut lanes = Lanes::default();
        for index in 0..self.count {
            let group = format!("apart-{index}-{}", self.protocol.name());
            let role = match self.what {
                "commits" => Box::new(Committer::new(group)),
                _ => self.member(&group, index, Life::Short, Duration::ZERO),
            };
            lanes.add(self.port, role)?;
        }
        let figures = self.measure(&mut lanes)?;
        if self.what == "joins" {
            lanes.leave()?;
        }
        Ok(figures)
    }

    /// All are in one group.
    fn heartbeats(&self) -> Result<Figures, String> {
        let mut lanes = Lanes::default();
        let group = format!("together-{}", self.number);
        for index in 0..self.count {
            lanes.add(
                self.port,
                self.member(&group, index, Life::Long, Duration::ZERO),
            )?;
        }
        lanes.until_shared(PARTITIONS as usize)?;
        let figures = self.measure(&mut lanes)?;
        lanes.leave()?;
        Ok(figures)
    }

    fn measure(&self, lanes: &mut Lanes) -> Result<Figures, String> {
        let begin = Instant::now() + self.warm_up;
        lanes.measure(begin, begin + self.time)
    }

    /// One new group after another until the time is over.
    fn rebalances(&self) -> Result<Figures, String> {
        let mut figures = Figures::default();
        let begun = Instant::now();
        let begin = begun + self.warm_up;
        let end = begin + self.time;
        while figures.took.is_empty() || Instant::now() < end {
            let group = format!("forms-{}-{}", self.number, figures.all);
            let mut lanes = Lanes::default();
            let mut started = Instant::now();
            for index in 0..self.count {
                lanes.add(self.port, self.member(&group, index, Life::Long, PACE))?;
            }
            lanes.until_shared(PARTITIONS as usize)?;
            if self.what == "grows" {
                started = Instant::now();
                lanes.add(self.port, self.member(&group, self.count, Life::Long, PACE))?;
                lanes.until_shared(PARTITIONS as usize)?;
            }
            let took = started.elapsed();
            lanes.leave()?;
            figures.all += 1;
            if started >= begin {
                figures.took.push(took);
            }
        }
        figures.measured = begun.elapsed().saturating_sub(self.warm_up);
        Ok(figures)
    }
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Protocol::Classic => "classic",
            Protocol::Consumer => "consumer",
        }
    }
}
