//! Drives: clients' requests that the active controller answers, in Envelopes: bounded in count,
//! bytes and time, over a few connections, each of which answers in order.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::semaphore::Semaphore;
use crate::metadata::source::quorum::Watch;

use super::calls::{Forward, ForwardError, Line};

/// Requests that may wait for the controller.
const WAITING_MAX: usize = 256;
/// Bytes of them.
const BYTES_MAX: usize = 32 << 20;
/// Connections.
const LINES: usize = 4;
/// How long a client waits at most.
const WITHIN: Duration = Duration::from_secs(60);

/// What is forwarded.
pub struct Forwards {
    net: Net,
    runtime: Runtime,
    watch: Watch,
    name: String,
    waiting: Cell<usize>,
    bytes: Cell<usize>,
    turns: Rc<Semaphore>,
    /// Connections that are not in use.
    free: RefCell<Vec<Line>>,
}

// === impl Forwards ===

impl Forwards {
    /// Nothing is forwarded yet; the controller knows the connections by `name`.
    pub fn new(net: &Net, runtime: &Runtime, watch: &Watch, name: String) -> Forwards {
        Forwards {
            net: net.clone(),
            runtime: runtime.clone(),
            watch: watch.clone(),
            name,
            waiting: Cell::new(0),
            bytes: Cell::new(0),
            turns: Semaphore::new(LINES),
            free: RefCell::default(),
        }
    }

    /// Has the active controller answer a client's request.
    pub async fn forward(&self, forward: Forward) -> Result<Bytes, ForwardError> {
        let bytes = forward.request.len();
        if self.waiting.get() >= WAITING_MAX || self.bytes.get() + bytes > BYTES_MAX {
            return Err(ForwardError::TooMany);
        }
        self.waiting.set(self.waiting.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
        let answer = self.runtime.within(WITHIN, self.over_a_line(&forward));
        let answer = answer.await;
        self.waiting.set(self.waiting.get() - 1);
        self.bytes.set(self.bytes.get() - bytes);
        answer.unwrap_or(Err(ForwardError::Unreachable))
    }

    async fn over_a_line(&self, forward: &Forward) -> Result<Bytes, ForwardError> {
        let _turn = self.turns.take(1).await;
        let free = self.free.borrow_mut().pop();
        let line = free
            .unwrap_or_else(|| Line::new(&self.net, &self.runtime, &self.watch, self.name.clone()));
        let answer = line.forward(forward).await;
        self.free.borrow_mut().push(line);
        answer
    }
}
