//! Drives: the connections of a block, all by one thread.

use std::time::{Duration, Instant};

use crate::connection::{Connection, wait};
use crate::figures::Figures;
use crate::role::{Next, Role, Share, Step};

/// A connection and what it is for.
struct Lane {
    connection: Connection,
    role: Box<dyn Role>,
    /// When it goes on after a pause.
    due: Option<Instant>,
    /// When the operation that is under way has begun.
    begun: Instant,
}

/// All connections.
#[derive(Default)]
pub struct Lanes {
    lanes: Vec<Lane>,
}

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Lanes {
    /// One more, which begins at once.
    pub fn add(&mut self, port: u16, role: Box<dyn Role>) -> Result<(), String> {
        let connection = Connection::to(port).map_err(|error| error.to_string())?;
        let now = Instant::now();
        self.lanes.push(Lane {
            connection,
            role,
            due: Some(now),
            begun: now,
        });
        Ok(())
    }

    /// Goes on until `end`; operations that end from `begin` on are measured.
    pub fn measure(&mut self, begin: Instant, end: Instant) -> Result<Figures, String> {
        let mut figures = Figures {
            measured: end - begin,
            ..Figures::default()
        };
        while Instant::now() < end {
            self.turn(|took, now| {
                figures.all += 1;
                if now >= begin && now < end {
                    figures.took.push(took);
                }
            })?;
        }
        Ok(figures)
    }

    /// Goes on until so many partitions are shared evenly by all, in one epoch.
    pub fn until_shared(&mut self, partitions: usize) -> Result<(), String> {
        self.until("an assignment", |lanes| {
            let shares: Option<Vec<Share>> = lanes.iter().map(|lane| lane.role.share()).collect();
            shares.is_some_and(|shares| are_even(&shares, partitions))
        })
    }

    /// Has all members leave.
    pub fn leave(&mut self) -> Result<(), String> {
        let now = Instant::now();
        for lane in &mut self.lanes {
            lane.role.leave();
            // Those that pause go on at once.
            lane.due = lane.due.map(|_| now);
        }
        self.until("the end of a group", |lanes| {
            lanes.iter().all(|lane| lane.role.has_left())
        })
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&[Lane]) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.lanes) {
            if Instant::now() > deadline {
                return Err(format!("{what} did not come in time"));
            }
            self.turn(|_, _| ())?;
        }
        Ok(())
    }

    /// Takes what has come, and does what is due; says how long an operation took that has ended.
    fn turn(&mut self, mut over: impl FnMut(Duration, Instant)) -> Result<(), String> {
        let now = Instant::now();
        let due = self.lanes.iter().filter_map(|lane| lane.due).min();
        let idle = due.map_or(Duration::from_millis(100), |due| {
            due.saturating_duration_since(now)
        });
        let connections = self.lanes.iter().map(|lane| &lane.connection);
        let ready = wait(connections, idle).map_err(|error| error.to_string())?;
        for index in ready {
            self.lanes[index].take(&mut over)?;
        }
        let now = Instant::now();
        for lane in &mut self.lanes {
            if lane.due.is_some_and(|due| due <= now) {
                lane.due = None;
                let step = lane.role.step(None)?;
                lane.go(step, now, &mut over)?;
            }
        }
        Ok(())
    }
}

impl Lane {
    fn take(&mut self, over: &mut impl FnMut(Duration, Instant)) -> Result<(), String> {
        while let Some(answer) = self.connection.answer().map_err(|it| it.to_string())? {
            let now = Instant::now();
            let step = self.role.step(Some(answer))?;
            self.go(step, now, over)?;
        }
        Ok(())
    }

    fn go(
        &mut self,
        step: Step,
        now: Instant,
        over: &mut impl FnMut(Duration, Instant),
    ) -> Result<(), String> {
        if step.is_over {
            over(now - self.begun, now);
            self.begun = now;
        }
        match step.next {
            Next::Send(frame) => self.connection.send(&frame).map_err(|it| it.to_string()),
            Next::Pause(time) => {
                self.due = Some(now + time);
                Ok(())
            }
        }
    }
}

/// Whether all partitions are there, each member has an even part, and all are of one epoch.
fn are_even(shares: &[Share], partitions: usize) -> bool {
    let total: usize = shares.iter().map(|share| share.partitions).sum();
    let least = shares.iter().map(|share| share.partitions).min();
    let most = shares.iter().map(|share| share.partitions).max();
    let epoch = shares.first().map(|share| share.epoch);
    total == partitions
        && most
            .zip(least)
            .is_some_and(|(most, least)| most - least <= 1)
        && shares.iter().all(|share| Some(share.epoch) == epoch)
}
