//! Drives: a producer's connection to one leader: what is being sent, what waits for its answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::load::frame::Batch;
use crate::measure::client::{ClientError, Connection};
use crate::measure::clock::Clock;
use crate::measure::cluster::{Cluster, Home};

/// A pause after what failed.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(3);

/// A connection, or the place of one that is being made again.
pub struct Link {
    /// The leader, as host:port.
    pub address: String,
    /// The connection; `None` while there is none.
    pub connection: Option<Connection>,
    /// Batches to be sent; the first one may be half sent.
    queue: VecDeque<Batch>,
    /// Bytes of the first one that are sent.
    at: usize,
    /// Batches that are sent and not answered, oldest first.
    pub waiting: VecDeque<Batch>,
    /// The producer's partitions that wait until fewer of its requests are under way.
    pub stalled: VecDeque<usize>,
    /// Whether the poll reports space in the socket's buffer.
    pub polls_for_space: bool,
    next_id: i32,
}

impl Link {
    /// A link without a connection.
    pub fn new(address: &str) -> Link {
        Link {
            address: address.to_owned(),
            connection: None,
            queue: VecDeque::new(),
            at: 0,
            waiting: VecDeque::new(),
            stalled: VecDeque::new(),
            polls_for_space: false,
            next_id: 0,
        }
    }

    /// Requests under way.
    pub fn under_way(&self) -> usize {
        self.queue.len() + self.waiting.len()
    }

    /// Whether the socket has no space for what there is to send.
    pub fn is_blocked(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes on a batch.
    pub fn push(&mut self, mut batch: Batch) {
        batch.name(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.queue.push_back(batch);
    }

    /// Sends as much as the kernel takes; `sent` is called with each batch that is out.
    pub fn flush(&mut self, clock: Clock, mut sent: impl FnMut(&Batch)) -> Result<(), ClientError> {
        let Some(connection) = &mut self.connection else {
            return Ok(());
        };
        while let Some(first) = self.queue.front_mut() {
            if self.at == 0 {
                first.sent_ns = clock.now_ns();
            }
            self.at += connection.write(&first.frame[self.at..])?;
            if self.at < first.frame.len() {
                return Ok(());
            }
            self.at = 0;
            if let Some(first) = self.queue.pop_front() {
                sent(&first);
                self.waiting.push_back(first);
            }
        }
        Ok(())
    }

    /// Gives up the connection. Gives back all batches in order, and how many of them, from the
    /// first on, may have reached the broker.
    pub fn cut(&mut self) -> (Vec<Batch>, usize) {
        self.connection = None;
        self.polls_for_space = false;
        let reached = self.waiting.len() + usize::from(self.at > 0);
        self.at = 0;
        let all = self.waiting.drain(..).chain(self.queue.drain(..));
        (all.collect(), reached)
    }

    /// The records that are not answered, whether out or not.
    pub fn records(&self) -> u64 {
        let all = self.waiting.iter().chain(&self.queue);
        all.map(|batch| batch.records.len() as u64).sum()
    }
}

/// What a [`Fixer`] is asked for.
pub enum Ask {
    /// A connection for link number two of producer number one.
    Dial(usize, usize, String),
    /// Where the partitions live now.
    Look,
}

/// What it says.
pub enum Fixed {
    /// The connection, if there is one by now.
    Dialed(usize, usize, Option<Connection>),
    /// The partitions; `None` if no broker answered.
    Looked(Option<Vec<Home>>),
}

/// A thread that does what may wait, so that the one that sends never does.
pub struct Fixer {
    asks: Sender<Ask>,
    answers: Receiver<Fixed>,
    /// Questions without an answer.
    pub open: usize,
    looks: bool,
}

impl Fixer {
    /// Starts the thread; it ends when the fixer is gone.
    pub fn start(cluster: Arc<Cluster>) -> Fixer {
        let (asks, asked) = channel::<Ask>();
        let (answer, answers) = channel();
        std::thread::spawn(move || {
            for ask in asked {
                let fixed = match ask {
                    Ask::Dial(producer, link, address) => {
                        let dialed = dial(&address).ok();
                        Fixed::Dialed(producer, link, dialed)
                    }
                    Ask::Look => {
                        // Asked at once, the broker would give the same answer again.
                        std::thread::sleep(PAUSE);
                        Fixed::Looked(cluster.homes().ok())
                    }
                };
                if matches!(fixed, Fixed::Dialed(_, _, None)) {
                    std::thread::sleep(PAUSE);
                }
                if answer.send(fixed).is_err() {
                    return;
                }
            }
        });
        Fixer {
            asks,
            answers,
            open: 0,
            looks: false,
        }
    }

    /// Asks for something; where partitions live only once at a time.
    pub fn ask(&mut self, ask: Ask) {
        if matches!(ask, Ask::Look) && std::mem::replace(&mut self.looks, true) {
            return;
        }
        if self.asks.send(ask).is_ok() {
            self.open += 1;
        }
    }

    /// What has been done meanwhile.
    pub fn next(&mut self) -> Option<Fixed> {
        let fixed = self.answers.try_recv().ok()?;
        self.open -= 1;
        self.looks &= !matches!(fixed, Fixed::Looked(_));
        Some(fixed)
    }
}

/// A connection for a link.
pub fn dial(address: &str) -> Result<Connection, ClientError> {
    let mut connection = Connection::open_within(address, PATIENCE)?;
    connection.never_wait()?;
    Ok(connection)
}
