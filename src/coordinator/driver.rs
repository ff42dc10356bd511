//! Drives: the groups of one shard: loads them, writes what they decide, answers when that is
//! durable, and looks after their deadlines. The only file of this room that waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::{Either, select};

use crate::base::hash::partition_of_id;
use crate::base::{PartitionIndex, TopicId};
use crate::io::event::Event;
use crate::io::{clock, cores};
use crate::partition::Partition;
use crate::partition::append::{AppendError, Origin};

use super::batches::{self, LoadError};
use super::group::{
    GroupConfig, GroupError, GroupMachine, Join, JoinRefused, JoinReply, Now, Outcome, Sync,
    SyncReply,
};
use super::home::Serving;

/// Bytes of a log that are replayed before others get their turn.
const LOAD_CHUNK_BYTES: usize = 256 * 1024;

/// The groups whose partitions of `__consumer_offsets` this shard leads.
pub struct GroupCoordinator {
    config: GroupConfig,
    /// Partitions of `__consumer_offsets`: as configured until the topic is there.
    partition_count: Cell<i32>,
    homes: RefCell<BTreeMap<PartitionIndex, Rc<Home>>>,
}

/// A partition of `__consumer_offsets` that is led here.
struct Home {
    partition: Rc<Partition>,
    config: GroupConfig,
    state: RefCell<State>,
    /// There is a batch to write, or the end has come.
    work: Event,
    /// A deadline has moved closer, or the end has come.
    sooner: Event,
    resigned: Cell<bool>,
}

enum State {
    /// The log is read; topics that are deleted meanwhile are kept in mind.
    Loading(Vec<(Rc<str>, TopicId)>),
    Serving(Box<Serving>),
    /// The log cannot be read or takes no writes.
    Failed,
}

/// Why a partition cannot be loaded.
#[derive(Debug)]
enum Unloadable {
    Read(crate::partition::fetch::ReadError),
    Contents(LoadError),
    /// The log ends before its end.
    Short,
}

fn now() -> Now {
    Now {
        instant: clock::now(),
        wall_ms: clock::wall_ms(),
    }
}

// === impl GroupCoordinator: partitions come and go ===

impl GroupCoordinator {
    /// A coordinator without partitions; `partition_count` as configured.
    pub fn new(config: GroupConfig, partition_count: i32) -> GroupCoordinator {
        GroupCoordinator {
            config,
            partition_count: Cell::new(partition_count.max(1)),
            homes: RefCell::default(),
        }
    }

    /// The settings that groups live under.
    pub fn config(&self) -> &GroupConfig {
        &self.config
    }

    /// The topic is there, with this many partitions.
    pub fn set_partition_count(&self, count: i32) {
        self.partition_count.set(count.max(1));
    }

    /// The partition of `__consumer_offsets` that keeps this group.
    pub fn partition_of(&self, group: &str) -> PartitionIndex {
        partition_of_id(group, self.partition_count.get())
    }

    /// Serves exactly these partitions from now on: those that are new are loaded beside other
    /// work, those that are gone are dropped.
    pub fn lead(&self, partitions: Vec<Rc<Partition>>) {
        let led = |index: PartitionIndex, home: &Home| {
            let mut all = partitions.iter();
            all.any(|led| led.name().index == index && Rc::ptr_eq(led, &home.partition))
        };
        self.homes.borrow_mut().retain(|index, home| {
            let stays = led(*index, home);
            if !stays {
                home.resign();
            }
            stays
        });
        for partition in partitions {
            let mut homes = self.homes.borrow_mut();
            let entry = homes.entry(partition.name().index);
            entry.or_insert_with(|| Home::start(partition, &self.config));
        }
    }

    /// Serves nothing any more.
    pub fn stop(&self) {
        self.lead(Vec::new());
    }

    /// Removes the offsets of topics that are gone.
    pub fn topics_deleted(&self, deleted: &[(Rc<str>, TopicId)]) {
        for home in self.homes.borrow().values() {
            home.topics_deleted(deleted);
        }
    }
}

// === impl GroupCoordinator: requests ===

impl GroupCoordinator {
    fn home(&self, group: &str) -> Result<Rc<Home>, GroupError> {
        let index = self.partition_of(group);
        let homes = self.homes.borrow();
        homes.get(&index).cloned().ok_or(GroupError::NotCoordinator)
    }

    /// JoinGroup; waits until the rebalance is over.
    pub async fn join(&self, join: Join) -> JoinReply {
        let refused = |error| JoinRefused {
            error,
            member_id: "".into(),
        };
        self.config.check_join(&join).map_err(|error| JoinRefused {
            error,
            member_id: join.member_id.clone(),
        })?;
        let home = self.home(&join.group).map_err(refused)?;
        let answer = home.serve(|serving| serving.join(&join, now()));
        let answer = answer.map_err(refused)?.await;
        answer.unwrap_or_else(|_| Err(refused(GroupError::NotCoordinator)))
    }

    /// SyncGroup; waits for the leader's assignment.
    pub async fn sync(&self, sync: Sync) -> SyncReply {
        if sync.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let home = self.home(&sync.group)?;
        let answer = home.serve(|serving| serving.sync(sync, now()))?.await;
        answer.unwrap_or(Err(GroupError::NotCoordinator))
    }

    /// Lets `act` work on the groups that live beside `group`, and tells its result once what
    /// it rests on is durable.
    pub async fn ask<T>(
        &self,
        group: &str,
        act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome) -> T,
    ) -> Result<T, GroupError> {
        self.home(group)?.ask(act).await
    }

    /// As [`Self::ask`], for all groups led here, partition by partition.
    pub async fn ask_all<T>(
        &self,
        mut act: impl FnMut(&mut GroupMachine) -> T,
    ) -> Result<Vec<T>, GroupError> {
        let homes: Vec<_> = self.homes.borrow().values().cloned().collect();
        let mut results = Vec::with_capacity(homes.len());
        for home in homes {
            match home.ask(|machine, _, _| act(machine)).await {
                Ok(result) => results.push(result),
                // It has moved: its new leader lists it.
                Err(GroupError::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(results)
    }
}

// === impl Home ===

impl Home {
    fn start(partition: Rc<Partition>, defaults: &GroupConfig) -> Rc<Home> {
        let record_bytes_max = partition.config().max_message_bytes;
        let home = Rc::new(Home {
            config: defaults.clone().with_batch_bytes_max(record_bytes_max),
            partition,
            state: RefCell::new(State::Loading(Vec::new())),
            work: Event::default(),
            sooner: Event::default(),
            resigned: Cell::new(false),
        });
        // Both end when the home resigns.
        drop(cores::spawn(home.clone().run()));
        home
    }

    fn resign(&self) {
        self.resigned.set(true);
        *self.state.borrow_mut() = State::Failed;
        self.work.call();
        self.sooner.call();
    }

    /// Runs `act` if the partition is served, and sees to what comes of it.
    fn serve<T>(&self, act: impl FnOnce(&mut Serving) -> T) -> Result<T, GroupError> {
        let mut state = self.state.borrow_mut();
        let serving = match &mut *state {
            State::Serving(serving) => serving,
            State::Loading(_) => return Err(GroupError::Loading),
            State::Failed => return Err(GroupError::NotCoordinator),
        };
        let before = serving.next_deadline();
        let value = act(serving);
        self.write(serving);
        if serving.unwritten().is_some() || serving.uncommitted().is_some() {
            self.work.call();
        }
        let after = serving.next_deadline();
        if after.is_some() && before.is_none_or(|before| after < Some(before)) {
            self.sooner.call();
        }
        Ok(value)
    }

    async fn ask<T>(
        &self,
        act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome) -> T,
    ) -> Result<T, GroupError> {
        let now = now();
        let (value, turn) =
            self.serve(|serving| serving.ask(now, |machine, out| act(machine, now, out)))?;
        if let Some(turn) = turn {
            turn.await.map_err(|_| GroupError::NotCoordinator)?;
        }
        Ok(value)
    }

    fn topics_deleted(&self, deleted: &[(Rc<str>, TopicId)]) {
        if let State::Loading(kept) = &mut *self.state.borrow_mut() {
            return kept.extend_from_slice(deleted);
        }
        let now = now();
        // Nobody waits for this, and a partition that has failed is not the place for it.
        let _ = self.serve(|serving| {
            serving.ask(now, |machine, out| machine.topics_deleted(deleted, out))
        });
    }

    /// Hands the log what it has room for. What goes wrong is found by the writing task.
    fn write(&self, serving: &mut Serving) {
        while let Some(batch) = serving.unwritten() {
            match self.partition.append(batch, Origin::Coordinator, clock::wall_ms()) {
                Ok(appended) => serving.wrote(appended.upto),
                Err(_) => return,
            }
        }
    }
}

// === impl Home: its two tasks ===

impl Home {
    /// Loads and serves, again after a failure, until the home resigns.
    async fn run(self: Rc<Self>) {
        while !self.resigned.get() {
            let loaded = self.load().await;
            if self.resigned.get() {
                return;
            }
            let (topic, partition) = (&self.partition.name().topic, self.partition.name().index);
            match loaded {
                Ok(machine) => self.begin(machine),
                Err(error) => {
                    tracing::error!(%topic, partition, %error, "cannot load groups");
                    *self.state.borrow_mut() = State::Failed;
                    return;
                }
            }
            let deadlines = cores::spawn(self.clone().keep_deadlines());
            let ended = self.keep_writing().await;
            deadlines.cancel().await;
            let Err(error) = ended else { return };
            tracing::error!(%topic, partition, ?error, "groups cannot be written: unloading");
            if self.resigned.get() || self.partition.failure().is_some() {
                *self.state.borrow_mut() = State::Failed;
                return;
            }
            *self.state.borrow_mut() = State::Loading(Vec::new());
        }
    }

    fn begin(&self, machine: GroupMachine) {
        let mut serving = Box::new(Serving::new(machine));
        let mut state = self.state.borrow_mut();
        let deleted = match &mut *state {
            State::Loading(deleted) => std::mem::take(deleted),
            _ => Vec::new(),
        };
        serving.loaded(now(), &deleted);
        *state = State::Serving(serving);
        self.work.call();
    }

    /// Replays the log from its start, a chunk at a time.
    async fn load(&self) -> Result<GroupMachine, Unloadable> {
        let mut machine = GroupMachine::new(self.config.clone());
        let started = clock::now();
        let mut offset = self.partition.start_offset();
        let (mut slices, mut bytes) = (Vec::new(), Vec::new());
        // What was appended before a failure is read up to where it is committed.
        while offset < self.partition.high_watermark() && !self.resigned.get() {
            slices.clear();
            bytes.clear();
            let read = self.partition.read(offset, LOAD_CHUNK_BYTES, true, &mut slices);
            read.await.map_err(Unloadable::Read)?;
            slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
            let next = batches::replay(&mut machine, &bytes, offset);
            let next = next.map_err(Unloadable::Contents)?;
            if next <= offset {
                return Err(Unloadable::Short);
            }
            offset = next;
            cores::yield_now().await;
        }
        let groups = machine.group_count();
        if groups > 0 {
            let partition = self.partition.name().index;
            let ms = clock::now().since(started).as_millis() as u64;
            tracing::info!(partition, groups, records = offset, ms, "groups loaded");
        }
        Ok(machine)
    }

    /// Writes what is left to write and gives the answers that waited for it.
    async fn keep_writing(&self) -> Result<(), AppendError> {
        while !self.resigned.get() {
            let (unwritten, uncommitted) = match &mut *self.state.borrow_mut() {
                State::Serving(serving) => {
                    self.write(serving);
                    serving.commit(self.partition.high_watermark());
                    (serving.unwritten().map(<[u8]>::to_vec), serving.uncommitted())
                }
                _ => return Ok(()),
            };
            match (unwritten, uncommitted) {
                (_, Some(upto)) => self.partition.wait_committed(upto).await?,
                (Some(batch), None) => self.write_blocked(&batch).await?,
                (None, None) => self.work.wait().await,
            }
        }
        Ok(())
    }

    /// The log refused `batch` with nothing before it under way: waits for room, or finds out
    /// that there will be none.
    async fn write_blocked(&self, batch: &[u8]) -> Result<(), AppendError> {
        match self.partition.append(batch, Origin::Coordinator, clock::wall_ms()) {
            Ok(appended) => {
                if let State::Serving(serving) = &mut *self.state.borrow_mut() {
                    serving.wrote(appended.upto);
                }
                Ok(())
            }
            Err(AppendError::Busy) => {
                self.partition.log().wait_for_room().await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Does what is due, when it is due.
    async fn keep_deadlines(self: Rc<Self>) {
        while !self.resigned.get() {
            let next = self.serve(Serving::next_deadline);
            let Ok(next) = next else { return };
            let Some(next) = next else {
                self.sooner.wait().await;
                continue;
            };
            let wait = next.since(clock::now());
            if wait.is_zero() {
                let expired = self.serve(|serving| serving.expire(now()));
                if expired.is_err() {
                    return;
                }
                cores::yield_now().await;
                continue;
            }
            let sleep = std::pin::pin!(cores::sleep(wait));
            let sooner = std::pin::pin!(self.sooner.wait());
            match select(sleep, sooner).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }
    }
}

impl std::fmt::Display for Unloadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unloadable::Read(error) => error.fmt(f),
            Unloadable::Contents(error) => error.fmt(f),
            Unloadable::Short => f.write_str("the log gives no batch where there must be one"),
        }
    }
}
