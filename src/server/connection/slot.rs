//! Drives: a request that was begun and not finished, of whichever API: the one place where the
//! implementations of [`TwoSteps`] are told apart.

use std::task::Waker;

use bytes::BytesMut;

use crate::io::free;
use crate::io::turn::{self, Work};
use crate::server::api::called::Called;
use crate::server::api::client::Client;
use crate::server::api::records::fetch::{self, Fetch};
use crate::server::api::records::produce::{self, Pending, Produce};
use crate::server::api::refused::Refused;
use crate::server::api::row::{Row, Run};
use crate::server::api::steps::{Arrived, TwoSteps, Waiting};
use crate::server::api::table;

/// The implementations of the APIs, and what they keep from one request for the next.
#[derive(Default)]
pub struct Handlers {
    produce: Produce,
    fetch: Fetch,
}

/// A request that was begun and not finished.
pub enum Slot {
    /// Its batches are appended and not acked.
    Produce(Box<Pending>),
    /// It has not looked for records yet.
    Fetch(Waiting),
    /// It has not been called yet.
    Call(Called, Waiting),
    /// Its answer is made.
    Ready(BytesMut),
}

// === impl Handlers ===

impl Handlers {
    /// Begins a request. `None`: the client wants no answer.
    pub async fn begin(
        &self,
        client: &Client,
        request: Arrived<'_>,
    ) -> Result<Option<Slot>, Refused> {
        let slot = match request.row.run {
            Run::Produce => {
                let begun = self.produce.begin(client, request).await?;
                begun.map(Slot::Produce)
            }
            Run::Fetch => self.fetch.begin(client, request).await?.map(Slot::Fetch),
            Run::Call(function) | Run::Relay(function) => {
                let called = Called(function);
                let begun = called.begin(client, request).await?;
                begun.map(|waiting| Slot::Call(called, waiting))
            }
        };
        Ok(slot)
    }

    /// Finishes a request and sends its answer. `out` is the writer's buffer. `more` gives the next
    /// request if its answer can go out in the same system call: see [`Slot::is_acked`].
    pub async fn finish(
        &self,
        client: &Client,
        slot: Slot,
        more: impl Fn() -> Option<Slot>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        out.clear();
        slot.work().into_iter().for_each(turn::spent_on);
        match slot {
            Slot::Produce(begun) => {
                self.produce.finish(client, begun, out).await?;
                while let Some(Slot::Produce(next)) = more() {
                    self.produce.finish(client, next, out).await?;
                }
                self.produce.send(client, (), out).await
            }
            Slot::Fetch(begun) => {
                let answer = self.fetch.finish(client, begun, out).await?;
                self.fetch.send(client, answer, out).await
            }
            Slot::Call(called, begun) => {
                let answer = called.finish(client, begun, out).await?;
                called.send(client, answer, out).await
            }
            Slot::Ready(frame) => client.outlet.send(&frame).await.map_err(Refused::Gone),
        }
    }

    /// Frees, in steps, what requests held that were cut off as they were finished.
    pub async fn free_cut_off(&self) {
        self.fetch.free_cut_off().await;
    }
}

// === impl Slot ===

impl Slot {
    /// Whether batches of it may not be acked yet.
    pub fn has_batches(&self) -> bool {
        matches!(self, Slot::Produce(_))
    }

    /// Whether all its batches are acked, or failed: a produce request that can be answered at
    /// once.
    pub fn is_acked(&self) -> bool {
        matches!(self, Slot::Produce(pending) if pending.is_decided())
    }

    /// Has `waker` woken by the ack without which it cannot be answered; `false` where it may be
    /// answered before any ack.
    pub fn wake_at_ack(&self, waker: &Waker) -> bool {
        match self {
            Slot::Produce(pending) => pending.park(waker),
            Slot::Fetch(_) | Slot::Call(..) | Slot::Ready(_) => false,
        }
    }

    /// Drops a request that will not be finished, and its memory in steps.
    pub async fn drop_unfinished(self) {
        if let Slot::Fetch(waiting) | Slot::Call(_, waiting) = self {
            free::bytes(waiting.body).await;
        }
    }

    /// What the turns that finish it count as.
    fn work(&self) -> Option<Work> {
        match self {
            Slot::Produce(_) => Some(work(&produce::ROW)),
            Slot::Fetch(_) => Some(work(&fetch::ROW)),
            Slot::Call(_, waiting) => Some(work(waiting.row)),
            Slot::Ready(_) => None,
        }
    }
}

/// What turns that are spent on requests of a row count as.
pub fn work(row: &Row) -> Work {
    Work::request(table::place(row.key).unwrap_or_default())
}
