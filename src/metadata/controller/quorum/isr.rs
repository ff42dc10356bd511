//! Drives: the AlterPartition requests of one node: one at a time, with all changes that wait.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::io::channel::Call;
use crate::io::event::Event;
use crate::wire::codec::messages::AlterPartitionResponse;

use super::super::request::{AlterPartitionFailure, AlterPartitionReply, IsrChange};
use super::alter::{self, Results};
use super::calls::Line;
use super::node::Node;

/// Changes in one request, but for those of a single caller.
const CHANGES_MAX: usize = 2_000;

type Waiting = Call<Vec<IsrChange>, AlterPartitionReply>;

/// The changes of one node that wait.
pub struct Changes {
    node: Rc<Node>,
    line: Line,
    waiting: RefCell<VecDeque<Waiting>>,
    more: Event,
}

// === impl Changes ===

impl Changes {
    pub fn new(node: Rc<Node>, line: Line) -> Rc<Changes> {
        Rc::new(Changes {
            node,
            line,
            waiting: RefCell::default(),
            more: Event::default(),
        })
    }

    /// Has the active controller make `changes`, with others in one request.
    pub async fn make(&self, changes: Vec<IsrChange>) -> AlterPartitionReply {
        let (call, answer) = Call::new(changes);
        self.waiting.borrow_mut().push_back(call);
        self.more.call();
        let reply = answer.wait().await;
        reply.unwrap_or(Err(AlterPartitionFailure::Unanswered))
    }

    /// Sends the requests, for ever.
    pub async fn run(self: Rc<Self>) {
        loop {
            let calls = self.take();
            if calls.is_empty() {
                self.more.wait().await;
                continue;
            }
            let results = match self.node.epoch() {
                Some(epoch) => self.ask(epoch, &calls).await,
                None => Results::none(),
            };
            for call in calls {
                let reply = results.of(&call.request);
                call.answer(reply);
            }
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let (mut calls, mut count) = (Vec::new(), 0);
        while let Some(call) = waiting.pop_front() {
            count += call.request.len();
            if count > CHANGES_MAX && !calls.is_empty() {
                waiting.push_front(call);
                break;
            }
            calls.push(call);
        }
        calls
    }

    async fn ask(&self, epoch: i64, calls: &[Waiting]) -> Results {
        let changes = calls.iter().flat_map(|call| &call.request);
        let request = alter::request(self.node.id(), epoch, changes);
        let code = |answer: &AlterPartitionResponse| answer.error_code;
        let answer = self.line.ask((3, 3), &request, code).await;
        answer.map_or_else(Results::none, Results::read)
    }
}
