//! Pure: requests that find a transaction whose markers are still on their way. They wait for its
//! end for a while before they are told to come again: that is sooner than a client would.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::{Instant, limits};

use super::{Now, Outcome, Reply, Request, Timer, Token, TransactionError, TransactionMachine};

/// Requests by the transactional id whose transaction they wait for, oldest first.
#[derive(Default, Debug)]
pub(super) struct Waiting {
    requests: BTreeMap<(Rc<str>, Token), (Request, Instant)>,
}

impl TransactionMachine {
    /// Does what a request asks for, or lets it wait.
    pub(super) fn attempt(&mut self, token: Token, request: Request, now: Now, out: &mut Outcome) {
        let until = now.instant.after_ms(limits::TRANSACTION_WAIT_MS);
        self.attempt_until(token, request, until, now, out);
    }

    fn attempt_until(
        &mut self,
        token: Token,
        request: Request,
        until: Instant,
        now: Now,
        out: &mut Outcome,
    ) {
        let reply = match &request {
            Request::Init(init) => Reply::Producer(self.init(init, now, out)),
            Request::End(end) => Reply::Producer(self.end(end, now, out)),
            Request::Add(add) => Reply::Added(self.add(add, now, out)),
            Request::NextMarkers(_) => request.refusal(TransactionError::Unexpected),
        };
        let is_early = reply.error() == Some(TransactionError::Concurrent);
        let has_room = self.waiting.requests.len() < limits::TRANSACTION_WAITERS_MAX;
        if !is_early || !has_room || until <= now.instant {
            return out.replies.push((token, reply));
        }
        let Some(id) = request.id().cloned() else {
            return out.replies.push((token, reply));
        };
        let found = self.transactions.get(&id);
        if !found.is_some_and(|found| found.durable.is_prepared()) {
            // An open one without partitions was aborted, which has ended it at once.
            return self.attempt_until(token, request, until, now, out);
        }
        self.timers.set(Timer::Waiting(id.clone(), token), until);
        self.waiting.requests.insert((id, token), (request, until));
    }

    /// A transaction has ended: the requests that wait for it are tried again.
    pub(super) fn wake(&mut self, id: &Rc<str>, now: Now, out: &mut Outcome) {
        let from = (id.clone(), Token(0));
        let upto = (id.clone(), Token(u64::MAX));
        let woken = self.waiting.requests.range(from..=upto);
        let woken: Vec<_> = woken.map(|(key, _)| key.clone()).collect();
        for key in woken {
            let Some((request, until)) = self.waiting.requests.remove(&key) else {
                continue;
            };
            let token = key.1;
            self.timers.cancel(&Timer::Waiting(key.0, token));
            self.attempt_until(token, request, until, now, out);
        }
    }

    pub(super) fn give_up_waiting(&mut self, id: &Rc<str>, token: Token, out: &mut Outcome) {
        let waited = self.waiting.requests.remove(&(id.clone(), token));
        if let Some((request, _)) = waited {
            let refusal = request.refusal(TransactionError::Concurrent);
            out.replies.push((token, refusal));
        }
    }
}
