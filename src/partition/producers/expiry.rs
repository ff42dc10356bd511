//! Pure: forgetting producers that are idle.

use crate::base::{ProducerId, WallMs};

use super::{Producer, Producers};

/// Kafka's default of `producer.id.expiration.ms`: one day.
pub const DEFAULT_EXPIRATION_MS: i64 = 24 * 60 * 60 * 1000;
/// Most producers remembered per partition, about 12 MB. A client that takes a new id for every
/// batch cannot make a partition grow without end: the ones idle longest are forgotten early.
pub const PRODUCER_COUNT_MAX: usize = 1 << 16;

/// Memory that a remembered producer takes, with what its map keeps free to grow.
pub const PRODUCER_BYTES: usize = 2 * (size_of::<Producer>() + size_of::<ProducerId>());

impl Producers {
    /// Changes the length after which an idle producer may be forgotten.
    pub fn set_expiration_ms(&mut self, expiration_ms: i64) {
        self.expiration_ms = expiration_ms;
    }

    /// Forgets the producers whose last batch is `producer.id.expiration.ms` old, by its max
    /// timestamp as in Kafka; one with an open transaction stays. To be called now and then
    /// (Kafka: every ten minutes). Returns how many were forgotten.
    pub fn expire(&mut self, now_ms: WallMs) -> usize {
        let before = self.by_id.len();
        let expiration_ms = self.expiration_ms;
        self.by_id
            .retain(|_, producer| !is_expired(producer, now_ms, expiration_ms));
        self.verifications.expire(now_ms, expiration_ms);
        self.give_back();
        before - self.by_id.len()
    }

    /// A map that has much more memory than it needs gives it back.
    fn give_back(&mut self) {
        if self.by_id.capacity() > 4 * self.by_id.len() + 64 {
            self.by_id.shrink_to_fit();
        }
    }

    /// Forgets the quarter that is idle longest, at least one; those with an open transaction
    /// stay. Returns how many were forgotten.
    pub fn forget_idle(&mut self) -> usize {
        let before = self.by_id.len();
        self.forget_oldest();
        self.give_back();
        before - self.by_id.len()
    }

    /// Forgets the quarter that is idle longest.
    pub(super) fn forget_oldest(&mut self) {
        let idle = |producer: &&Producer| producer.transaction_start().is_none();
        let mut times: Vec<WallMs> = self
            .by_id
            .values()
            .filter(idle)
            .map(Producer::last_timestamp)
            .collect();
        let Some(last) = times.len().checked_sub(1) else {
            return;
        };
        let (_, newest_to_go, _) = times.select_nth_unstable(last / 4);
        let newest_to_go = *newest_to_go;
        let mut left = last / 4 + 1;
        self.by_id.retain(|_, producer| {
            let goes = left > 0 && idle(&&*producer) && producer.last_timestamp() <= newest_to_go;
            left -= usize::from(goes);
            !goes
        });
    }
}

pub(super) fn is_expired(producer: &Producer, now_ms: WallMs, expiration_ms: i64) -> bool {
    producer.transaction_start().is_none()
        && now_ms.saturating_sub(producer.last_timestamp()) >= expiration_ms
}
