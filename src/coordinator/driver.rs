//! Drives: the groups of one shard: loads them, writes what they decide, answers when that is
//! durable, and looks after their deadlines. The only file of this room that waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::{Either, select};

use crate::base::hash::partition_of_id;
use crate::base::metrics::Snapshot;
use crate::base::{Instant, PartitionIndex, TopicId, limits};
use crate::io::budget::{Budget, Reserved, Use};
use crate::io::cause::Cause;
use crate::io::event::Event;
use crate::io::turn::{self, Work};
use crate::io::{clock, cores};
use crate::log;
use crate::partition::Partition;
use crate::partition::append::{AppendError, Origin};
use crate::partition::fetch::ReadError;

use super::batches::{self, LoadError};
use super::group::{
    CommittedOffsets, GroupConfig, GroupError, GroupMachine, Join, JoinRefused, JoinReply, Memory,
    Now, Outcome, StateCounts, Sync, SyncReply,
};
use super::home::Serving;
use super::probe::Probe;

/// Bytes of a log that are replayed before others get their turn.
const LOAD_CHUNK_BYTES: usize = 256 * 1024;
/// Between two looks at whether a full device has room again.
const ROOM_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// The groups whose partitions of `__consumer_offsets` this shard leads.
pub struct GroupCoordinator {
    config: GroupConfig,
    /// Partitions of `__consumer_offsets`: as configured until the topic is there.
    partition_count: Cell<i32>,
    budget: Rc<Budget>,
    homes: RefCell<BTreeMap<PartitionIndex, Rc<Home>>>,
    probe: Rc<Probe>,
}

/// A partition of `__consumer_offsets` that is led here.
struct Home {
    partition: Rc<Partition>,
    config: GroupConfig,
    budget: Rc<Budget>,
    probe: Rc<Probe>,
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
    /// A coordinator without partitions; `partition_count` as configured. Groups take their memory
    /// from `budget`.
    pub fn new(config: GroupConfig, partition_count: i32, budget: &Rc<Budget>) -> GroupCoordinator {
        GroupCoordinator {
            config,
            budget: budget.clone(),
            partition_count: Cell::new(partition_count.max(1)),
            homes: RefCell::default(),
            probe: Rc::default(),
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
            entry.or_insert_with(|| Home::start(partition, self));
        }
    }

    /// Adds the counts of its groups to a snapshot, one partition of `__consumer_offsets` after
    /// the other.
    pub async fn export(&self, to: &mut Snapshot) {
        let mut counts = StateCounts::new();
        for home in self.all_homes() {
            if let State::Serving(serving) = &*home.state.borrow() {
                serving.count_states(&mut counts);
            }
            cores::yield_now().await;
        }
        self.probe.export(&counts, to);
    }

    /// What groups have committed, at most `most` offsets of it.
    pub async fn committed(&self, most: usize) -> CommittedOffsets {
        let mut committed = CommittedOffsets::default();
        for home in self.all_homes() {
            if let State::Serving(serving) = &*home.state.borrow() {
                serving.copy_committed(most, &mut committed);
            }
            cores::yield_now().await;
        }
        committed
    }

    /// How many lines about groups and their members the log did not get, once that is to be said.
    pub fn lines_left_out(&self, now: Instant) -> Option<u64> {
        let Probe {
            group_lines,
            member_lines,
            ..
        } = &*self.probe;
        let left_out = [group_lines, member_lines].map(|lines| lines.left_out(now));
        left_out.into_iter().flatten().reduce(|a, b| a + b)
    }

    fn all_homes(&self) -> Vec<Rc<Home>> {
        self.homes.borrow().values().cloned().collect()
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

    /// Whether a group that is served here has this member now.
    pub fn is_member(&self, group: &str, member_id: &str) -> bool {
        let Ok(home) = self.home(group) else {
            return false;
        };
        match &*home.state.borrow() {
            State::Serving(serving) => serving.is_member(group, member_id),
            _ => false,
        }
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
        let homes = self.all_homes();
        let mut results = Vec::with_capacity(homes.len());
        for home in homes {
            turn::pace().await;
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
    fn start(partition: Rc<Partition>, of: &GroupCoordinator) -> Rc<Home> {
        let record_bytes_max = partition.config().max_message_bytes;
        let home = Rc::new(Home {
            config: of.config.clone().with_batch_bytes_max(record_bytes_max),
            partition,
            budget: of.budget.clone(),
            probe: of.probe.clone(),
            state: RefCell::new(State::Loading(Vec::new())),
            work: Event::default(),
            sooner: Event::default(),
            resigned: Cell::new(false),
        });
        // Both end when the home resigns.
        let running = home.clone().run();
        drop(cores::spawn(turn::measured(Work::job("groups"), running)));
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
        let _ = self
            .serve(|serving| serving.ask(now, |machine, out| machine.topics_deleted(deleted, out)));
    }

    /// Hands the log what it has room for. What goes wrong is found by the writing task.
    fn write(&self, serving: &mut Serving) {
        while let Some(batch) = serving.unwritten() {
            match self
                .partition
                .append(batch, Origin::Coordinator, clock::wall_ms())
            {
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
                Err(Unloadable::Read(ReadError::Log(log::ReadError::Io(error))))
                    if Cause::of(&error).is_of_the_host() =>
                {
                    tracing::error!(%topic, partition, %error, "cannot load groups now: again soon");
                    cores::sleep(ROOM_WAIT).await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%topic, partition, %error, "cannot load groups");
                    *self.state.borrow_mut() = State::Failed;
                    return;
                }
            }
            let deadlines = self.clone().keep_deadlines();
            let deadlines = cores::spawn(turn::measured(Work::job("groups"), deadlines));
            let ended = self.keep_writing().await;
            deadlines.cancel().await;
            let Err(error) = ended else { return };
            if self.resigned.get() {
                return;
            }
            tracing::error!(%topic, partition, ?error, "groups cannot be written: unloading");
            if self.partition.failure().is_some() || self.partition.is_closed() {
                *self.state.borrow_mut() = State::Failed;
                return;
            }
            *self.state.borrow_mut() = State::Loading(Vec::new());
            self.wait_for_room().await;
        }
    }

    /// Waits while the device is full, and until what was appended before is written: what is
    /// loaded then is all that there is.
    async fn wait_for_room(&self) {
        let log = self.partition.log();
        while log.lack_of_room().is_some() && !self.resigned.get() {
            cores::sleep(ROOM_WAIT).await;
        }
        // A failure is found again by the next write.
        let _ = self.partition.wait_committed(log.end_offset()).await;
    }

    fn begin(&self, machine: GroupMachine) {
        let batch_bytes_max = self.partition.config().max_message_bytes;
        let mut serving = Box::new(Serving::new(machine, batch_bytes_max));
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
        let machine = GroupMachine::new(self.config.clone());
        let machine = machine.counting_into(self.probe.clone());
        let mut machine = machine.within(Box::new(ShareOf::new(&self.budget)));
        let started = clock::now();
        let mut offset = self.partition.start_offset();
        let (mut slices, mut bytes) = (Vec::new(), Vec::new());
        // What was appended before a failure is read up to where it is committed.
        while offset < self.partition.high_watermark() && !self.resigned.get() {
            slices.clear();
            bytes.clear();
            let read = self.partition.read(offset, LOAD_CHUNK_BYTES, &mut slices);
            read.await.map_err(Unloadable::Read)?;
            slices
                .iter()
                .for_each(|slice| bytes.extend_from_slice(slice));
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
                    (
                        serving.unwritten().map(<[u8]>::to_vec),
                        serving.uncommitted(),
                    )
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
        match self
            .partition
            .append(batch, Origin::Coordinator, clock::wall_ms())
        {
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

/// The part of a shard's memory that its groups share. What lies within it is theirs even where
/// others have taken the rest: a group must not fail because of a burst of requests.
struct ShareOf {
    budget: Rc<Budget>,
    held: Reserved,
}

impl ShareOf {
    fn new(budget: &Rc<Budget>) -> ShareOf {
        ShareOf {
            budget: budget.clone(),
            held: budget.hold(Use::Groups, 0),
        }
    }
}

impl Memory for ShareOf {
    fn has_room_for(&self, bytes: usize) -> bool {
        let share = self.budget.total_bytes() / limits::GROUPS_SHARE;
        self.budget.used_by(Use::Groups).saturating_add(bytes) <= share
    }

    fn count(&mut self, bytes: usize) {
        if bytes != self.held.bytes() {
            self.held.resize(bytes);
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::base::config::{self, Flags, HostFacts};
    use crate::base::ids::Uuid;
    use crate::coordinator::group::*;
    use crate::io::cores::CoreOptions;
    use crate::io::disk::Disk;
    use crate::log::{Logs, LogsOptions, Opening};
    use crate::partition::{Name, PartitionOptions};

    fn on_a_core<F: Future<Output = ()> + 'static>(main: impl FnOnce() -> F + Send + 'static) {
        let options = CoreOptions {
            name: "groups".to_owned(),
            cpu: None,
            spin: Duration::ZERO,
            io_memory_bytes: 1 << 20,
        };
        cores::start(options, main).unwrap().join().unwrap();
    }

    async fn open(dir: &Path, index: PartitionIndex) -> Rc<Partition> {
        let logs = Logs::new(&Disk::direct(), LogsOptions::default());
        let host = HostFacts {
            name: "localhost".to_owned(),
            cpus: 1,
            cores: 1,
        };
        let options = PartitionOptions {
            name: Name {
                topic: "__consumer_offsets".into(),
                topic_id: TopicId(Uuid::from_u128(7)),
                index,
            },
            dir: &dir.join(format!("__consumer_offsets-{index}")),
            opening: Opening::default(),
            leader_epoch: 0,
            config: config::load(None, &Flags::default(), &host)
                .unwrap()
                .topic_defaults,
            producer_expiration_ms: 86_400_000,
        };
        Partition::open(&logs, options, clock::wall_ms())
            .await
            .unwrap()
    }

    fn coordinator(partitions: Vec<Rc<Partition>>) -> GroupCoordinator {
        let config = GroupConfig {
            initial_rebalance_delay_ms: 0,
            ..GroupConfig::default()
        };
        let coordinator = GroupCoordinator::new(config, 2, &Budget::new(1 << 30));
        coordinator.lead(partitions);
        coordinator
    }

    /// A group that lives in partition `index` of two.
    fn group_in(index: PartitionIndex) -> String {
        let mut names = (0..).map(|number| format!("g{number}"));
        names
            .find(|name| partition_of_id(name, 2) == index)
            .unwrap()
    }

    fn join(group: &str, member_id: &Rc<str>) -> Join {
        Join {
            group: group.into(),
            member_id: member_id.clone(),
            instance_id: None,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![Protocol {
                name: "range".into(),
                metadata: bytes::Bytes::new(),
            }],
            reason: None,
            member_id_required: true,
            may_skip_assignment: true,
            unique: Uuid::from_u128(1),
        }
    }

    async fn commit(
        coordinator: &GroupCoordinator,
        group: &str,
        offset: i64,
    ) -> Result<(), GroupError> {
        let commit = Commit {
            group: group.into(),
            generation: -1,
            member_id: "".into(),
            instance_id: None,
            retention_ms: None,
            knows_group_not_found: true,
            topics: vec![CommitTopic {
                name: "t".into(),
                id: TopicId::ZERO,
                partitions: vec![CommitPartition {
                    partition: 0,
                    offset,
                    leader_epoch: -1,
                    metadata: "".into(),
                }],
            }],
        };
        let act = |machine: &mut GroupMachine, now, out: &mut Outcome| {
            machine.commit(&commit, now, out).map(|_| ())
        };
        coordinator.ask(group, act).await?
    }

    async fn committed(
        coordinator: &GroupCoordinator,
        group: &str,
    ) -> Result<Option<i64>, GroupError> {
        let all = coordinator
            .ask(group, |machine, _, _| machine.fetch_all(group, false))
            .await?;
        let mut all = all.into_iter().flat_map(|(_, partitions)| partitions);
        Ok(all
            .next()
            .and_then(|fetched| Some(fetched.offset.ok()??.offset)))
    }

    /// Asks again while the partition is loaded, as a client does.
    async fn loaded(coordinator: &GroupCoordinator, group: &str) -> Option<i64> {
        for _ in 0..1_000 {
            match committed(coordinator, group).await {
                Err(GroupError::Loading) => cores::sleep(Duration::from_millis(1)).await,
                other => return other.unwrap(),
            }
        }
        panic!("the partition is loaded for ever");
    }

    #[test]
    fn a_group_forms_commits_and_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        on_a_core(move || async move {
            let partition = open(&path, 0).await;
            let groups = coordinator(vec![partition.clone()]);
            let group = group_in(0);
            assert_eq!(loaded(&groups, &group).await, None);

            let Err(refused) = groups.join(join(&group, &"".into())).await else {
                panic!("the member id comes first");
            };
            assert_eq!(refused.error, GroupError::MemberIdRequired);
            let joined = groups.join(join(&group, &refused.member_id)).await.unwrap();
            assert_eq!((joined.generation, joined.members.len()), (1, 1));
            let sync = Sync {
                group: group.as_str().into(),
                generation: 1,
                member_id: joined.member_id.clone(),
                instance_id: None,
                protocol_type: None,
                protocol: None,
                assignments: vec![(joined.member_id.clone(), b"all".as_slice().into())],
            };
            assert_eq!(
                groups.sync(sync).await.unwrap().assignment,
                b"all".as_slice()
            );
            assert_eq!(
                commit(&groups, &group, 5).await,
                Err(GroupError::UnknownMember)
            );
            // Everything told is durable: below the high watermark.
            assert_eq!(partition.high_watermark(), partition.log().end_offset());

            groups.stop();
            let again = coordinator(vec![partition.clone()]);
            assert_eq!(loaded(&again, &group).await, None);
            let beat = Heartbeat {
                group: group.as_str().into(),
                generation: 1,
                member_id: joined.member_id,
                instance_id: None,
            };
            let alive = again
                .ask(&group, |machine, now, _| machine.heartbeat(&beat, now))
                .await;
            assert_eq!(alive, Ok(Ok(())));
        });
    }

    #[test]
    fn offsets_survive_the_process_and_each_partition_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        on_a_core(move || async move {
            let groups = coordinator(vec![open(&path, 0).await, open(&path, 1).await]);
            for index in [0, 1] {
                let group = group_in(index);
                loaded(&groups, &group).await;
                for offset in 0..10 {
                    assert_eq!(commit(&groups, &group, offset).await, Ok(()));
                }
            }
            groups.stop();
        });
        let path = dir.path().to_owned();
        on_a_core(move || async move {
            let groups = coordinator(vec![open(&path, 1).await]);
            assert_eq!(loaded(&groups, &group_in(1)).await, Some(9));
            assert_eq!(
                committed(&groups, &group_in(0)).await,
                Err(GroupError::NotCoordinator)
            );
            let listed = groups.ask_all(|machine| machine.list(&[]).len()).await;
            assert_eq!(listed, Ok(vec![1]));
            groups.topics_deleted(&[("t".into(), TopicId::ZERO)]);
            assert_eq!(committed(&groups, &group_in(1)).await, Ok(None));
        });
    }

    #[test]
    fn a_partition_that_goes_away_tells_everybody_who_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        on_a_core(move || async move {
            let partition = open(&path, 0).await;
            let groups = Rc::new(coordinator(vec![partition.clone()]));
            let group = group_in(0);
            loaded(&groups, &group).await;
            let mut parked = join(&group, &"".into());
            parked.member_id_required = false;
            let first = groups.join(parked.clone()).await.unwrap();
            assert_eq!(first.generation, 1);
            // The second waits for the first to join again.
            parked.unique = Uuid::from_u128(2);
            let waiting = cores::spawn({
                let groups = groups.clone();
                async move { groups.join(parked).await }
            });
            cores::sleep(Duration::from_millis(5)).await;
            partition.close();
            groups.stop();
            let refused = waiting.join().await.unwrap_err();
            assert_eq!(refused.error, GroupError::NotCoordinator);
        });
    }

    #[test]
    fn a_deadline_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        on_a_core(move || async move {
            let config = GroupConfig {
                initial_rebalance_delay_ms: 30,
                ..GroupConfig::default()
            };
            let groups = GroupCoordinator::new(config, 1, &Budget::new(1 << 30));
            groups.lead(vec![open(&path, 0).await]);
            loaded(&groups, "g").await;
            let started = clock::now();
            let mut join = join("g", &"".into());
            join.member_id_required = false;
            let joined = groups.join(join).await.unwrap();
            assert_eq!(joined.generation, 1);
            let waited = clock::now().since(started);
            assert!(waited >= Duration::from_millis(30), "{waited:?}");
            assert!(waited < Duration::from_secs(5), "{waited:?}");
        });
    }
}
