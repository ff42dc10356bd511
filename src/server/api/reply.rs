//! Drives: the answer to a call: its frame, the memory for it, and sending it.

use std::io::{self, IoSlice};
use std::rc::Rc;

use bytes::Bytes;

use super::context::Context;
use super::outlet::Outlet;
use super::refused::CallError;
use crate::base::limits;
use crate::io::budget::Reserved;
use crate::io::{free, turn};
use crate::server::state::answer_memory::NotMade;
use crate::server::state::shared_answers::SharedAnswer;

/// A whole response frame, or why there is none.
pub type Answer = Result<Reply, CallError>;

/// A whole response frame, and the memory that it is counted with until it is sent.
pub struct Reply {
    /// Length and header, and the body unless it is the next.
    pub(super) head: Bytes,
    pub(super) body: Bytes,
    pub(super) _shared: Option<Rc<SharedAnswer>>,
    pub(super) _memory: Option<Reserved>,
}

/// Why an answer was not made, once memory for it was refused.
pub(super) fn refused(cx: &Context) -> CallError {
    let refused = cx.memory.refused();
    CallError::NotMade(refused.unwrap_or(NotMade::Panicked))
}

// === impl Reply ===

impl Reply {
    /// The frame of an answer that came whole from the controller: its length, and the rest.
    pub(super) fn relayed(cx: &Context, length: Bytes, answer: Bytes) -> Reply {
        Reply {
            _memory: Some(cx.memory.seal(&cx.shard.budget, answer.len())),
            _shared: None,
            head: length,
            body: answer,
        }
    }

    /// Hands the whole frame to the kernel. A large one is sent in pieces, each in a turn of its
    /// own.
    pub async fn send(self, outlet: &Outlet) -> io::Result<()> {
        if self.head.len() + self.body.len() < limits::LARGE_ANSWER_BYTES {
            let mut slices = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
            return outlet.send_vectored(&mut slices).await;
        }
        let sent = self.send_pieces(outlet).await;
        let Reply {
            head,
            body,
            _shared,
            _memory,
        } = self;
        free::bytes(head).await;
        free::bytes(body).await;
        sent
    }

    async fn send_pieces(&self, outlet: &Outlet) -> io::Result<()> {
        for part in [&self.head, &self.body] {
            for piece in part.chunks(limits::ANSWER_PIECE_BYTES) {
                if piece.len() >= limits::LARGE_ANSWER_BYTES {
                    turn::give_way().await;
                }
                outlet.send(piece).await?;
            }
        }
        Ok(())
    }
}
