//! Pure: where the logs of the followers begin, which DeleteRecords waits for (KIP-107).

use super::Replicas;
use crate::base::{NodeId, Offset};

impl Replicas {
    /// The log of this follower begins at `start`.
    pub fn begins_at(&mut self, node: NodeId, start: Offset) {
        let mut followers = self.followers.iter_mut();
        let follower = followers.find(|it| it.node == node);
        follower.into_iter().for_each(|it| it.start = start);
    }

    /// Where the first of the followers' logs begins on nodes that are alive; -1 where one has not
    /// said so in this term, `None` where there are none.
    pub fn low_watermark(&self, is_alive: impl Fn(NodeId) -> bool) -> Option<Offset> {
        let alive = self.followers.iter().filter(|it| is_alive(it.node));
        alive.map(|it| it.start).min()
    }
}
