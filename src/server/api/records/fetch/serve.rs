//! Drives: how fetches are served: a copy of the request waits for its turn; its answer, with the
//! records, is sent before the next request is taken up.

use std::rc::Rc;

use bytes::Bytes;
use futures_util::FutureExt;

use super::scratch::{CutOff, Scratch};
use super::{Answer, ROW};
use crate::io::budget::Reserved;
use crate::io::free;
use crate::server::api::Context;
use crate::server::api::client::Client;
use crate::server::api::refused::{CallError, Refused};
use crate::server::api::spares::Spares;
use crate::server::api::steps::{Arrived, TwoSteps, Waiting};
use crate::wire::cursor::Short;

/// How fetches are served.
#[derive(Default)]
pub struct Fetch {
    spares: Spares<Scratch>,
    cut_off: Rc<CutOff>,
}

/// What there is to send of a fetch.
pub struct Sending {
    /// `None` where the client takes no answers.
    answer: Option<Answer>,
    cx: Rc<Context>,
    body: Bytes,
    /// Counted until the answer is sent.
    _memory: Option<Reserved>,
}

// === impl Fetch ===

impl Fetch {
    /// Frees, in steps, what fetches of very many partitions held when their connections were
    /// closed under them.
    pub async fn free_cut_off(&self) {
        loop {
            let next = self.cut_off.borrow_mut().pop();
            let Some((mut scratch, _counted)) = next else {
                return;
            };
            scratch.empty().await;
        }
    }
}

impl TwoSteps for Fetch {
    type Begun = Waiting;
    type Answer = Sending;

    fn begin(
        &self,
        client: &Client,
        request: Arrived<'_>,
    ) -> impl Future<Output = Result<Option<Waiting>, Refused>> {
        Waiting::copy(client, request).map(|waiting| Ok(Some(waiting)))
    }

    /// Looks the records up, and waits for more where there are too few.
    async fn finish(
        &self,
        client: &Client,
        begun: Waiting,
        out: &mut Vec<u8>,
    ) -> Result<Sending, Refused> {
        begun.take_turn().await;
        let Waiting {
            cx, body, memory, ..
        } = begun;
        // For a client that takes no answers there is nothing to do.
        let answer = if client.outlet.takes_answers() {
            let mut scratch = self.spares.take();
            scratch.in_use = Some((self.cut_off.clone(), cx.clone()));
            let answer = scratch.answer(&cx, &body, out).await;
            Some(answer.map_err(|Short| match cx.memory.refused() {
                Some(refused) => Refused::Call(ROW.name, cx.version, CallError::NotMade(refused)),
                None => Refused::Malformed(ROW.name, cx.version),
            })?)
        } else {
            None
        };
        Ok(Sending {
            answer,
            cx,
            body,
            _memory: memory,
        })
    }

    async fn send(&self, client: &Client, sending: Sending, out: &[u8]) -> Result<(), Refused> {
        let Sending {
            answer,
            cx,
            body,
            _memory,
        } = sending;
        let taken_up = cx.now;
        if let Some(answer) = answer {
            let (scratch, sent) = answer.send(out, client.outlet.stream()).await;
            self.spares.keep(scratch);
            free::bytes(body).await;
            sent?;
            cx.memory.release();
            client.spare.give_back(cx);
        }
        let server = &client.server;
        server.probe.note(ROW.key, taken_up, server.now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;
    use crate::base::{TopicId, limits};
    use crate::server::state::fetch_sessions::{Key, Wanted};

    #[test]
    fn what_a_fetch_that_is_cut_off_holds_of_many_partitions_is_left_to_be_freed_in_steps() {
        let fetch = Fetch::default();
        let topic: Rc<str> = "many".into();
        let counted: Rc<dyn Any> = Rc::new(());
        let cut_off = |partitions: usize| {
            let mut scratch = fetch.spares.take();
            scratch.in_use = Some((fetch.cut_off.clone(), counted.clone()));
            scratch.wanted = Vec::with_capacity(partitions);
            for index in 0..partitions as i32 {
                let key = Key {
                    topic: topic.clone(),
                    topic_id: TopicId::ZERO,
                    index,
                };
                let wanted = Wanted {
                    offset: 0,
                    max_bytes: 1,
                    leader_epoch: -1,
                    last_fetched_epoch: -1,
                    start_offset: -1,
                };
                scratch.wanted.push((key, wanted));
            }
            drop(scratch);
        };
        let held = || (Rc::strong_count(&topic) - 1, Rc::strong_count(&counted) - 1);
        cut_off(limits::SPARE_PARTITIONS_MAX);
        assert_eq!(held(), (0, 0), "few are dropped at once");
        let many = limits::SPARE_PARTITIONS_MAX + 1;
        cut_off(many);
        assert_eq!(held(), (many, 1));
        fetch.free_cut_off().now_or_never().unwrap();
        assert_eq!(held(), (0, 0));
    }
}
