//! Drives: the balancer of a broker that runs alone: it asks the shards how busy they are, and
//! wants partitions to go from a busy one to one that is less so
//! (`corelane.shard.balance.enable`).

mod decide;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::base::config::BrokerConfig;
use crate::base::life::{Life, Stage};
use crate::io::event::Event;
use crate::io::runtime::Runtime;
use crate::metadata::controller::LocalController;
use crate::metadata::image::{Image, ResourceKind};
use crate::server::move_numbers::{BalancerState, MoveNumbers};
use crate::server::scrape::in_time;
use crate::shard::load::Load;
use crate::shard::mesh::ToShard;
use decide::{Balancer, Verdict};
pub use decide::{Key, Wanted};

/// What the balancer and the moves know of each other.
pub struct Balance {
    numbers: Rc<MoveNumbers>,
    balancer: RefCell<Balancer>,
    /// The partition that is to go and that was not asked for yet.
    wanted: Cell<Option<Wanted>>,
    decided: Event,
}

/// What the balancer looks at.
pub struct Sight {
    /// The executor.
    pub runtime: Runtime,
    /// The settings that the broker was started with.
    pub config: Arc<BrokerConfig>,
    /// The controller.
    pub controller: Rc<LocalController>,
    /// The ways to the shards, in order.
    pub shards: Vec<ToShard>,
    /// How far the process is.
    pub life: Arc<Life>,
}

/// Looks at the shards once in each period, for ever.
pub async fn run(sight: Sight, balance: Rc<Balance>) {
    let period = Duration::from_millis(sight.config.shard.balance_period_ms);
    let mut image = sight.controller.image();
    let mut is_enabled = sight.is_enabled(&image);
    if is_enabled {
        tell_whether(true);
    }
    loop {
        sight.runtime.sleep(period).await;
        let newest = sight.controller.image();
        if !Arc::ptr_eq(&image, &newest) {
            let was_enabled = std::mem::replace(&mut is_enabled, sight.is_enabled(&newest));
            if was_enabled != is_enabled {
                tell_whether(is_enabled);
            }
            image = newest;
        }
        if is_enabled {
            balance.look(&sight).await;
        } else {
            balance.balancer.borrow_mut().hindered();
            balance.numbers.balancer_is(BalancerState::default());
        }
    }
}

fn tell_whether(is_enabled: bool) {
    if is_enabled {
        tracing::info!("partitions go by themselves from busy shards to others from now on");
    } else {
        tracing::info!("no partition goes to another shard by itself from now on");
    }
}

// === impl Balance ===

impl Balance {
    /// A balancer that has seen nothing yet.
    pub fn new(numbers: Rc<MoveNumbers>) -> Rc<Balance> {
        Rc::new(Balance {
            numbers,
            balancer: RefCell::default(),
            wanted: Cell::new(None),
            decided: Event::default(),
        })
    }

    /// Waits for a partition that is to go.
    pub async fn wanted(&self) -> Wanted {
        loop {
            if let Some(wanted) = self.wanted.take() {
                return wanted;
            }
            self.decided.wait().await;
        }
    }

    /// A partition has come to another shard.
    pub fn has_moved(&self, key: Key) {
        self.balancer.borrow_mut().has_moved(key);
    }

    async fn look(&self, sight: &Sight) {
        let loads = match self.numbers.pending() {
            0 => sight.loads().await,
            _ => None,
        };
        // Also what began while the shards were asked.
        let is_free = self.numbers.pending() == 0 && !self.is_waiting();
        let mut balancer = self.balancer.borrow_mut();
        let (verdict, apart) = match loads.filter(|_| is_free) {
            Some(loads) => {
                let verdict = balancer.look(&loads, &sight.controller.image());
                (verdict, balancer.apart())
            }
            None => (balancer.hindered(), 0.0),
        };
        let name = verdict.name();
        self.numbers.balancer_is(BalancerState { name, apart });
        if let Verdict::Moves(wanted) = verdict {
            self.wanted.set(Some(wanted));
            self.decided.call();
        }
    }

    /// Whether what was decided before was not taken up yet.
    fn is_waiting(&self) -> bool {
        let wanted = self.wanted.take();
        self.wanted.set(wanted);
        wanted.is_some()
    }
}

// === impl Sight ===

impl Sight {
    /// Whether partitions may go by themselves: the first shard's setting counts, as on the page
    /// `/config`.
    fn is_enabled(&self, image: &Image) -> bool {
        let node = self.config.node_id(0).to_string();
        let own = image.configs.of(ResourceKind::Broker, &node);
        let config = self.config.with_dynamic(image.configs.all_brokers(), own);
        config.shard.balance && config.shards > 1
    }

    /// How busy the shards are; `None` while one of them does not say so, or something is wrong.
    async fn loads(&self) -> Option<Vec<Load>> {
        let faults = self.controller.faults(self.runtime.wall_ms());
        if self.life.stage() != Stage::Serving || !faults.is_empty() {
            return None;
        }
        let loads = self.shards.iter();
        let loads = loads.map(|shard| in_time(&self.runtime, shard.load()));
        let loads = join_all(loads).await;
        let faults = self.shards.iter();
        let faults = faults.map(|shard| in_time(&self.runtime, shard.faults()));
        let mut faults = join_all(faults).await.into_iter();
        let are_sound = faults.all(|faults| faults.is_some_and(|faults| faults.is_empty()));
        let loads: Option<Vec<Load>> = loads.into_iter().collect();
        loads.filter(|_| are_sound)
    }
}

#[cfg(test)]
mod tests;
