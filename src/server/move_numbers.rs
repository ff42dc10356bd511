//! Pure: counts of partitions that go from shard to shard, and what the balancer is doing.

use std::cell::Cell;
use std::time::Duration;

use crate::base::metrics::{Counter, Histogram, SampleValue, Snapshot};

/// What is known of the moves of a broker that runs alone.
#[derive(Debug, Default)]
pub struct MoveNumbers {
    done: Counter,
    put_off: Counter,
    /// Partitions that wait for their turn.
    planned: Cell<usize>,
    /// Whether one is being handed over.
    is_going: Cell<bool>,
    held_up: Histogram,
    last_held_up_us: Cell<u64>,
    balanced: Counter,
    balancer: Cell<BalancerState>,
}

/// What the balancer is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BalancerState {
    /// One of [`STATES`].
    pub name: &'static str,
    /// How much busier the busiest shard is than the least busy one, as a share of a core.
    pub apart: f64,
}

/// What the balancer may be doing.
pub const STATES: [&str; 6] = [OFF, "hindered", "measuring", "even", "none fits", "resting"];
/// It is switched off.
pub const OFF: &str = "off";

impl Default for BalancerState {
    fn default() -> BalancerState {
        BalancerState {
            name: OFF,
            apart: 0.0,
        }
    }
}

// === impl MoveNumbers ===

impl MoveNumbers {
    /// So many partitions wait for their turn.
    pub fn are_planned(&self, count: usize) {
        self.planned.set(count);
    }

    /// A partition is being handed over from here on, until it is said how that went.
    pub fn begins(&self) {
        self.is_going.set(true);
    }

    /// A partition has gone; its requests waited for so long.
    pub fn is_done(&self, held_up: Duration) {
        let us = held_up.as_micros() as u64;
        self.is_going.set(false);
        self.done.add(1);
        self.held_up.record_us(us);
        self.last_held_up_us.set(us);
    }

    /// A partition could not go, and is tried again.
    pub fn is_put_off(&self) {
        self.is_going.set(false);
        self.put_off.add(1);
    }

    /// A partition was to go, and is to go nowhere any more.
    pub fn is_given_up(&self) {
        self.is_going.set(false);
    }

    /// The balancer wants a partition to go.
    pub fn is_balanced(&self) {
        self.balanced.add(1);
    }

    /// The balancer is doing this.
    pub fn balancer_is(&self, state: BalancerState) {
        self.balancer.set(state);
    }

    /// Partitions that are to go to other shards and have not gone yet.
    pub fn pending(&self) -> usize {
        self.planned.get() + usize::from(self.is_going.get())
    }

    /// Adds them to a snapshot.
    pub fn export(&self, to: &mut Snapshot) {
        to.counter(
            "corelane_moves_total",
            "Partitions that went from one shard to another.",
            self.done.get(),
        );
        to.counter(
            "corelane_moves_put_off_total",
            "Times that a partition could not go to another shard and was put off; the log says \
             why.",
            self.put_off.get(),
        );
        to.gauge(
            "corelane_moves_pending",
            "Partitions that are to go to another shard and have not gone yet. \
             Kafka: kafka.server:type=ReplicaManager,name=ReassigningPartitions",
            self.pending() as f64,
        );
        to.latency(
            "corelane_move_seconds",
            "How long moves held up the requests of their partition.",
            Vec::new(),
            self.held_up.read(),
        );
        to.gauge(
            "corelane_move_last_seconds",
            "How long the last move held up the requests of its partition.",
            self.last_held_up_us.get() as f64 / 1e6,
        );
        to.counter(
            "corelane_balancer_moves_total",
            "Moves that the balancer wanted (corelane.shard.balance.enable).",
            self.balanced.get(),
        );
        let BalancerState { name, apart } = self.balancer.get();
        for state in STATES {
            to.push(
                "corelane_balancer_state",
                "1 for what the balancer is doing: off, hindered (a move is pending, a shard is \
                 silent or something has failed), measuring, even, none fits (no partition would \
                 make it more even) or resting (its last moves did not help).",
                vec![("state", state.to_owned())],
                SampleValue::Gauge(f64::from(u8::from(state == name))),
            );
        }
        to.gauge(
            "corelane_balancer_apart",
            "How much busier the busiest shard is than the least busy one, as a share of a core; 0 \
             while that is not measured.",
            apart,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::metrics::to_prometheus;

    fn page(numbers: &MoveNumbers) -> String {
        let mut snapshot = Snapshot::default();
        numbers.export(&mut snapshot);
        to_prometheus(&[snapshot])
    }

    #[test]
    fn a_move_is_pending_until_it_is_done_or_given_up() {
        let numbers = MoveNumbers::default();
        numbers.are_planned(2);
        assert_eq!(numbers.pending(), 2);
        numbers.are_planned(1);
        numbers.begins();
        assert_eq!(numbers.pending(), 2);
        numbers.is_put_off();
        numbers.are_planned(2);
        assert_eq!(numbers.pending(), 2);
        numbers.are_planned(1);
        numbers.begins();
        numbers.is_done(Duration::from_millis(20));
        numbers.are_planned(0);
        numbers.begins();
        numbers.is_given_up();
        assert_eq!(numbers.pending(), 0);
        let text = page(&numbers);
        for line in [
            "moves_total 1",
            "moves_put_off_total 1",
            "moves_pending 0",
            "move_seconds_count 1",
            "move_last_seconds 0.02",
            "balancer_state{state=\"off\"} 1",
        ] {
            assert!(text.contains(&format!("corelane_{line}\n")), "{text}");
        }
    }

    #[test]
    fn the_balancer_is_in_one_state() {
        let numbers = MoveNumbers::default();
        let (name, apart) = ("even", 0.125);
        numbers.balancer_is(BalancerState { name, apart });
        let text = page(&numbers);
        assert!(text.contains("corelane_balancer_state{state=\"even\"} 1\n"));
        assert_eq!(text.matches("corelane_balancer_state{").count(), 6);
        assert_eq!(text.matches("\"} 1\n").count(), 1);
        assert!(text.contains("corelane_balancer_apart 0.125\n"));
    }
}
