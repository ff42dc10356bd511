//! Pure: which metrics clients are asked for, and the newest that they have pushed (KIP-714,
//! `ClientMetricsManager` of Kafka).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use regex::Regex;

use crate::base::config::{Facts, client_metrics_setting, client_pattern};
use crate::base::ids::Uuid;
use crate::base::{WallMs, limits};
use crate::metadata::image::Overrides;
use crate::shard::numbers::ClientNumbers;
use crate::wire::otlp::{Sample, Samples};

/// Stands for all metrics.
const ALL: &str = "*";
/// How often a client pushes that no subscription asks, in milliseconds.
const INTERVAL_MS: i64 = 300_000;
/// An instance that is silent for so long, or for three of its intervals, is forgotten; in ms.
const SILENT_MS: i64 = 60_000;

/// One subscription to clients' metrics.
#[derive(Debug)]
pub struct Subscription {
    metrics: Vec<String>,
    interval_ms: i64,
    patterns: Vec<(usize, Regex)>,
}

impl Subscription {
    /// The subscription with these settings; entries that cannot be read match no client.
    pub fn of(settings: &Overrides) -> Subscription {
        let list = |name: &str| {
            let row = client_metrics_setting(name)?;
            let value = row.parse(settings.get(name)?).ok()?;
            Some(value.items().to_vec())
        };
        let entries: Vec<String> = list("match").unwrap_or_default();
        let mut patterns: BTreeMap<usize, Regex> = BTreeMap::new();
        let mut is_readable = true;
        for entry in &entries {
            match client_pattern(entry) {
                // As in Kafka the last entry of a property counts.
                Some((place, regex)) => drop(patterns.insert(place, regex)),
                None => is_readable = false,
            }
        }
        let interval = settings
            .get("interval.ms")
            .and_then(|text| text.parse().ok());
        Subscription {
            metrics: match is_readable {
                true => list("metrics").unwrap_or_default(),
                false => Vec::new(),
            },
            interval_ms: interval.unwrap_or(INTERVAL_MS),
            patterns: patterns.into_iter().collect(),
        }
    }

    fn asks(&self, facts: &Facts) -> bool {
        self.patterns
            .iter()
            .all(|(place, regex)| regex.is_match(&facts[*place]))
    }
}

/// What a client instance is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Changes with everything else here.
    pub id: i32,
    /// Prefixes of names; `*` for all.
    pub metrics: Vec<String>,
    /// How often it pushes, in milliseconds.
    pub interval_ms: i64,
}

/// A client that asks or pushes.
#[derive(Debug)]
pub struct Client {
    /// Its instance's id.
    pub instance: Uuid,
    /// Where it comes from: another address or port is another connection.
    pub from: SocketAddr,
    /// What is known of it.
    pub facts: Arc<Facts>,
}

/// What a push says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Push {
    /// The id of what was asked for.
    pub subscription: i32,
    /// Whether it is the last one.
    pub terminating: bool,
    /// Whether it is compressed as some client of Kafka does.
    pub has_known_codec: bool,
    /// Whether it is larger than a push may be.
    pub is_too_large: bool,
}

/// Why a client is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TelemetryError {
    /// It comes before its interval is over.
    TooEarly,
    /// It has said that it had pushed for the last time.
    Terminated,
    /// It pushes what was asked for before.
    UnknownSubscription,
    /// It compresses in an unknown way.
    UnknownCodec,
    /// It pushes too much at a time.
    TooLarge,
    /// What it pushes cannot be read.
    Unreadable,
}

struct Instance {
    client: Client,
    asked: Asked,
    /// Of which subscriptions `asked` is made.
    version: u64,
    last_get: WallMs,
    last_push: WallMs,
    is_terminating: bool,
    /// Whether its last push was refused so that it must ask anew, which it may at once.
    must_ask: bool,
    /// Its place in the order of who was heard of last.
    turn: u64,
    heard: WallMs,
    kept: Arc<Samples>,
    pushed_at: WallMs,
}

/// Subscriptions, and the client instances of one shard.
#[derive(Default)]
pub struct Telemetry {
    subscriptions: Subscriptions,
    version: u64,
    instances: HashMap<Uuid, Instance>,
    order: BTreeMap<u64, Uuid>,
    next_turn: u64,
    kept_bytes: usize,
}

/// Subscriptions by name, each with the settings that it was made of.
pub type Subscriptions = Rc<BTreeMap<Arc<str>, (Overrides, Rc<Subscription>)>>;

impl Instance {
    /// Whether it may push.
    fn push(&mut self, push: Push, now: WallMs) -> Result<(), TelemetryError> {
        let was_terminating = std::mem::replace(&mut self.is_terminating, push.terminating);
        if was_terminating {
            return Err(TelemetryError::Terminated);
        }
        // A first push may follow what was asked for at once: clients wait a random time.
        let is_due =
            self.last_get > self.last_push || now - self.last_push >= self.asked.interval_ms;
        if is_due {
            self.last_push = now;
        } else if !push.terminating {
            return Err(TelemetryError::TooEarly);
        }
        if push.subscription != self.asked.id {
            return Err(TelemetryError::UnknownSubscription);
        }
        if !push.has_known_codec {
            return Err(TelemetryError::UnknownCodec);
        }
        match push.is_too_large {
            true => Err(TelemetryError::TooLarge),
            false => Ok(()),
        }
    }
}

fn kept_bytes(samples: &Samples) -> usize {
    let names = samples.list.iter().map(|sample| sample.name.len());
    names.sum::<usize>() + samples.list.len() * size_of::<Sample>()
}

impl Telemetry {
    /// The subscriptions that count now.
    pub fn subscriptions(&self) -> Subscriptions {
        Rc::clone(&self.subscriptions)
    }

    /// Has these subscriptions count from now on.
    pub fn subscribe(&mut self, subscriptions: Subscriptions) {
        self.subscriptions = subscriptions;
        self.version += 1;
    }

    /// Count of client instances that are remembered.
    pub fn count(&self) -> usize {
        self.instances.len()
    }

    /// What an instance is asked for.
    pub fn get(&mut self, client: Client, now: WallMs) -> Result<Asked, TelemetryError> {
        let instance = self.heard(client, now);
        let last = instance.last_get.max(instance.last_push);
        if now - last >= instance.asked.interval_ms {
            instance.last_get = now;
        } else if !instance.must_ask {
            return Err(TelemetryError::TooEarly);
        }
        instance.must_ask = false;
        Ok(instance.asked.clone())
    }

    /// Whether an instance may push; what it pushes is then to be [kept](Telemetry::keep).
    pub fn push(&mut self, client: Client, push: Push, now: WallMs) -> Result<(), TelemetryError> {
        let instance = self.heard(client, now);
        let may = instance.push(push, now);
        instance.must_ask = matches!(
            may,
            Err(TelemetryError::UnknownSubscription | TelemetryError::UnknownCodec)
        );
        may
    }

    /// Keeps what an instance has pushed in place of what it pushed before. Where that is too much
    /// together, instances that were silent longest lose theirs.
    pub fn keep(&mut self, id: Uuid, samples: Samples, now: WallMs) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        self.kept_bytes -= kept_bytes(&instance.kept);
        self.kept_bytes += kept_bytes(&samples);
        instance.kept = Arc::new(samples);
        instance.pushed_at = now;
        for old in self.order.values() {
            if self.kept_bytes <= limits::TELEMETRY_KEPT_BYTES_MAX {
                break;
            }
            if let Some(instance) = self.instances.get_mut(old).filter(|_| *old != id) {
                self.kept_bytes -= kept_bytes(&instance.kept);
                instance.kept = Arc::default();
            }
        }
    }

    /// The newest numbers of each instance that has pushed and is not silent.
    pub fn newest(&mut self, now: WallMs) -> Vec<ClientNumbers> {
        self.forget_silent(now);
        let pushed = self.order.values().filter_map(|id| self.instances.get(id));
        let pushed = pushed.filter(|instance| instance.pushed_at > 0);
        let numbers = pushed.map(|instance| ClientNumbers {
            facts: Arc::clone(&instance.client.facts),
            pushed_at: instance.pushed_at,
            samples: Arc::clone(&instance.kept),
        });
        numbers.collect()
    }

    /// The instance, which was heard of just now, with what the subscriptions of now ask it for.
    fn heard(&mut self, client: Client, now: WallMs) -> &mut Instance {
        self.forget_silent(now);
        let id = client.instance;
        // With its connection a client goes, in Kafka, and is a new one on another.
        let known = self.instances.get(&id);
        if known.is_some_and(|known| known.client.from != client.from) {
            self.forget(id);
        }
        while self.instances.len() >= limits::TELEMETRY_INSTANCES_MAX
            && !self.instances.contains_key(&id)
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            self.forget(*oldest);
        }
        let (version, turn) = (self.version, self.next_turn);
        self.next_turn += 1;
        let subscriptions = &self.subscriptions;
        let instance = self.instances.entry(id).or_insert_with(|| Instance {
            asked: asked(subscriptions, &client),
            client,
            version,
            last_get: 0,
            last_push: 0,
            is_terminating: false,
            must_ask: false,
            turn,
            heard: now,
            kept: Arc::default(),
            pushed_at: 0,
        });
        if instance.version != version {
            // As in Kafka it begins anew: it learns at once what it is asked for now.
            instance.asked = asked(subscriptions, &instance.client);
            instance.version = version;
            (instance.last_get, instance.last_push) = (0, 0);
            instance.is_terminating = false;
        }
        self.order.remove(&instance.turn);
        self.order.insert(turn, id);
        (instance.turn, instance.heard) = (turn, now);
        instance
    }

    fn forget_silent(&mut self, now: WallMs) {
        while let Some((_, id)) = self.order.first_key_value() {
            let id = *id;
            let is_silent = self.instances.get(&id).is_none_or(|instance| {
                now - instance.heard > SILENT_MS.max(3 * instance.asked.interval_ms)
            });
            if !is_silent {
                return;
            }
            self.forget(id);
        }
    }

    fn forget(&mut self, id: Uuid) {
        if let Some(instance) = self.instances.remove(&id) {
            self.kept_bytes -= kept_bytes(&instance.kept);
            self.order.remove(&instance.turn);
        }
    }
}

/// What subscriptions ask a client for together.
fn asked(subscriptions: &Subscriptions, client: &Client) -> Asked {
    let asking = subscriptions.values().map(|(_, subscription)| subscription);
    let asking = asking.filter(|subscription| subscription.asks(&client.facts));
    let (mut metrics, mut interval_ms) = (BTreeSet::new(), INTERVAL_MS);
    for subscription in asking {
        metrics.extend(subscription.metrics.iter().cloned());
        interval_ms = interval_ms.min(subscription.interval_ms);
    }
    if metrics.contains(ALL) {
        metrics = BTreeSet::from([ALL.to_owned()]);
    }
    let metrics: Vec<String> = metrics.into_iter().collect();
    let text = format!("{metrics:?}{interval_ms}");
    let of_instance = crc32c::crc32c(client.instance.as_bytes());
    Asked {
        id: (crc32c::crc32c(text.as_bytes()) ^ of_instance) as i32,
        metrics,
        interval_ms,
    }
}

#[cfg(test)]
mod tests;
