//! Drives: calls between cores: metadata, coordination, numbers. Never a record.
//! May use: `io::channel`, `metadata`. Never: carries bytes that a client produced or fetches.

mod message;

pub use message::{ControlCall, ControlMessage, ShardCall, ShardMessage};

use std::sync::Arc;

use crate::io::channel::{Call, Disconnected, Receiver, Sender, channel};
use crate::metadata::controller;
use crate::metadata::image::Image;

/// The way from any core to the control executor.
#[derive(Clone)]
pub struct ToControl(Sender<ControlMessage>);

/// The way from the control executor, or the main thread, to one shard.
#[derive(Clone)]
pub struct ToShard(Sender<ShardMessage>);

/// A channel to the control executor.
pub fn control() -> (ToControl, Receiver<ControlMessage>) {
    let (sender, receiver) = channel();
    (ToControl(sender), receiver)
}

/// A channel to a shard.
pub fn shard() -> (ToShard, Receiver<ShardMessage>) {
    let (sender, receiver) = channel();
    (ToShard(sender), receiver)
}

// === impl ToControl ===

impl ToControl {
    /// Asks the controller and waits until its decision is durable and published.
    pub async fn decide(
        &self,
        request: controller::Request,
    ) -> Result<controller::Reply, Disconnected> {
        let (call, answer) = Call::new(request);
        self.0.send(ControlMessage::Decide(call))?;
        answer.wait().await
    }

    /// Ends the control executor once everything asked before is done.
    pub async fn stop(&self) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(());
        self.0.send(ControlMessage::Stop(call))?;
        answer.wait().await
    }
}

// === impl ToShard ===

impl ToShard {
    /// Hands over a new image; answered when the shard serves by it.
    pub async fn publish(&self, image: Arc<Image>) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(image);
        self.0.send(ShardMessage::Publish(call))?;
        answer.wait().await
    }

    /// The shard's numbers.
    pub async fn metrics(&self) -> Result<crate::base::metrics::Snapshot, Disconnected> {
        let (call, answer) = Call::new(());
        self.0.send(ShardMessage::Metrics(call))?;
        answer.wait().await
    }

    /// Stops serving, flushes and closes every log; answered when all is on disk.
    pub async fn stop(&self) -> Result<(), Disconnected> {
        let (call, answer) = Call::new(());
        self.0.send(ShardMessage::Stop(call))?;
        answer.wait().await
    }
}
