//! Drives: channels between executors, for metadata and coordination only.
//!
//! Low volume by design, so that plain wakers across threads do; nothing of a produce or a
//! fetch goes through here.

use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;

/// The sending end; cheap to clone, may live on any executor.
pub struct Sender<T>(mpsc::UnboundedSender<T>);

/// The receiving end; lives on the executor that serves the messages.
pub struct Receiver<T>(mpsc::UnboundedReceiver<T>);

/// The other end of the channel is gone: its executor has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnected;

/// A channel of messages to one executor.
pub fn channel<T: Send>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::unbounded();
    (Sender(sender), Receiver(receiver))
}

/// A message of a call: the request and where its answer goes.
pub struct Call<Q, A> {
    /// What is asked.
    pub request: Q,
    answer: oneshot::Sender<A>,
}

/// Where the answer of a call arrives.
pub struct Answer<A>(oneshot::Receiver<A>);

impl<Q, A> Call<Q, A> {
    /// A call of `request`, and where its answer arrives.
    pub fn new(request: Q) -> (Call<Q, A>, Answer<A>) {
        let (answer, wait) = oneshot::channel();
        (Call { request, answer }, Answer(wait))
    }

    /// Answers the call; a caller that went away meanwhile is no error.
    pub fn answer(self, answer: A) {
        let _ = self.answer.send(answer);
    }

    /// Splits the call into its request and a function that answers it.
    pub fn split(self) -> (Q, impl FnOnce(A)) {
        let answer = self.answer;
        (self.request, move |value| drop(answer.send(value)))
    }
}

// === impl Sender ===

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Sender<T> {
    /// Queues a message; never waits.
    pub fn send(&self, message: T) -> Result<(), Disconnected> {
        self.0.unbounded_send(message).map_err(|_| Disconnected)
    }
}

// === impl Answer ===

impl<A> Answer<A> {
    /// Waits for the answer.
    pub async fn wait(self) -> Result<A, Disconnected> {
        self.0.await.map_err(|_| Disconnected)
    }
}

// === impl Receiver ===

impl<T> Receiver<T> {
    /// The next message; `None` once every sender is gone.
    pub async fn next(&mut self) -> Option<T> {
        self.0.next().await
    }
}
