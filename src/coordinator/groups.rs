//! Drives: the groups of one shard: the machines of [`super::group`] on the partitions of
//! `__consumer_offsets` that are led here.

use std::rc::Rc;

use crate::base::metrics::Snapshot;
use crate::base::{Instant, PartitionIndex, TopicId, limits};
use crate::io::budget::{Budget, Reserved, Use};
use crate::partition::Partition;

use super::group::{
    CommittedOffsets, GroupConfig, GroupError, GroupMachine, Join, JoinRefused, JoinReply, Memory,
    Now, Outcome, Reply, Request, Sync, SyncReply,
};
use super::probe::{Probe, StateCounts};
use super::runtime::{Factory, Partitions};

/// The groups whose partitions of `__consumer_offsets` this shard leads.
pub struct GroupCoordinator {
    partitions: Partitions<Groups>,
}

/// Makes machines for groups, which share their settings, counters and memory.
struct Groups {
    config: GroupConfig,
    budget: Rc<Budget>,
    probe: Rc<Probe>,
}

/// The part of a shard's memory that its groups share. What lies within it is theirs even where
/// others have taken the rest: a group must not fail because of a burst of requests.
struct ShareOf {
    budget: Rc<Budget>,
    held: Reserved,
}

// === impl GroupCoordinator: partitions come and go ===

impl GroupCoordinator {
    /// A coordinator without partitions; `partition_count` as configured. Groups take their memory
    /// from `budget`.
    pub fn new(config: GroupConfig, partition_count: i32, budget: &Rc<Budget>) -> GroupCoordinator {
        let groups = Groups {
            config,
            budget: budget.clone(),
            probe: Rc::default(),
        };
        GroupCoordinator {
            partitions: Partitions::new(groups, partition_count),
        }
    }

    /// The settings that groups live under.
    pub fn config(&self) -> &GroupConfig {
        &self.partitions.factory().config
    }

    /// The topic is there, with this many partitions.
    pub fn set_partition_count(&self, count: i32) {
        self.partitions.set_count(count);
    }

    /// The partition of `__consumer_offsets` that keeps this group.
    pub fn partition_of(&self, group: &str) -> PartitionIndex {
        self.partitions.partition_of(group)
    }

    /// Serves the groups of exactly these partitions from now on, see [`Partitions::lead`].
    pub fn lead(&self, partitions: Vec<Rc<Partition>>) {
        self.partitions.lead(partitions);
    }

    /// Serves no groups any more.
    pub fn stop(&self) {
        self.lead(Vec::new());
    }

    /// Removes the offsets of topics that are gone.
    pub fn topics_deleted(&self, deleted: &[(Rc<str>, TopicId)]) {
        self.partitions.follow(&deleted.into());
    }
}

// === impl GroupCoordinator: requests ===

impl GroupCoordinator {
    /// JoinGroup; waits until the rebalance is over.
    pub async fn join(&self, join: Join) -> JoinReply {
        let member_id = join.member_id.clone();
        let refused = |error, member_id| JoinRefused { error, member_id };
        let checked = self.config().check_join(&join);
        checked.map_err(|error| refused(error, member_id))?;
        let group = join.group.clone();
        match self.partitions.handle(&group, Request::Join(join)).await {
            Ok(Reply::Join(reply)) => reply,
            Ok(Reply::Sync(_) | Reply::Delete(_)) => {
                Err(refused(GroupError::Unexpected, "".into()))
            }
            Err(unavailable) => Err(refused(unavailable.into(), "".into())),
        }
    }

    /// SyncGroup; waits for the leader's assignment.
    pub async fn sync(&self, sync: Sync) -> SyncReply {
        if sync.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let group = sync.group.clone();
        match self.partitions.handle(&group, Request::Sync(sync)).await? {
            Reply::Sync(reply) => reply,
            Reply::Join(_) | Reply::Delete(_) => Err(GroupError::Unexpected),
        }
    }

    /// DeleteGroups, for one group; waits until all of it is removed.
    pub async fn delete(&self, group: Rc<str>) -> Result<(), GroupError> {
        let request = Request::Delete(group.clone());
        match self.partitions.handle(&group, request).await? {
            Reply::Delete(reply) => reply,
            Reply::Join(_) | Reply::Sync(_) => Err(GroupError::Unexpected),
        }
    }

    /// Whether a group that is served here has this member now.
    pub fn is_member(&self, group: &str, member_id: &str) -> bool {
        let is_member = |machine: &GroupMachine| machine.is_member(group, member_id);
        self.partitions.look(group, is_member).unwrap_or(false)
    }

    /// Lets `act` work on the groups that live beside `group`, and tells its result once what
    /// it rests on is durable.
    pub async fn ask<T>(
        &self,
        group: &str,
        act: impl FnOnce(&mut GroupMachine, Now, &mut Outcome) -> T,
    ) -> Result<T, GroupError> {
        Ok(self.partitions.ask(group, act).await?)
    }

    /// As [`Self::ask`], for all groups led here, partition by partition.
    pub async fn ask_all<T>(
        &self,
        act: impl FnMut(&mut GroupMachine) -> T,
    ) -> Result<Vec<T>, GroupError> {
        Ok(self.partitions.ask_all(act).await?)
    }
}

// === impl GroupCoordinator: numbers ===

impl GroupCoordinator {
    /// Adds the counts of its groups to a snapshot, one partition of `__consumer_offsets` after
    /// the other.
    pub async fn export(&self, to: &mut Snapshot) {
        let mut counts = StateCounts::new();
        let count = |machine: &GroupMachine| machine.count_states(&mut counts);
        self.partitions.look_at_all(count).await;
        self.probe().export(&counts, to);
    }

    /// What groups have committed, at most `most` offsets of it.
    pub async fn committed(&self, most: usize) -> CommittedOffsets {
        let mut committed = CommittedOffsets::default();
        let copy = |machine: &GroupMachine| machine.copy_committed(most, &mut committed);
        self.partitions.look_at_all(copy).await;
        committed
    }

    /// How many lines about groups and their members the log did not get, once that is to be said.
    pub fn lines_left_out(&self, now: Instant) -> Option<u64> {
        let probe = self.probe();
        let left_out = [&probe.group_lines, &probe.member_lines].map(|lines| lines.left_out(now));
        left_out.into_iter().flatten().reduce(|a, b| a + b)
    }

    fn probe(&self) -> &Probe {
        &self.partitions.factory().probe
    }
}

// === impl Groups ===

impl Factory for Groups {
    type Machine = GroupMachine;

    fn make(&self, batch_bytes_max: usize) -> GroupMachine {
        let config = self.config.clone().with_batch_bytes_max(batch_bytes_max);
        GroupMachine::new(config)
            .counting_into(self.probe.clone())
            .within(Box::new(ShareOf::new(&self.budget)))
    }
}

// === impl ShareOf ===

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
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::hash::partition_of_id;
    use crate::base::ids::Uuid;
    use crate::coordinator::group::*;
    use crate::coordinator::runtime::tests::open;
    use crate::io::disk::Disk;
    use crate::io::runtime::Runtime;
    use crate::io::sim::World;

    /// Runs `story` on a simulated disk and in simulated time.
    fn play<F: Future<Output = ()> + 'static>(
        world: &World,
        story: impl FnOnce(Disk, Runtime) -> F + 'static,
    ) {
        let disk = Disk::simulated(world.disk().clone());
        let runtime = disk.runtime().clone();
        world.run(story(disk, runtime));
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

    async fn commit(
        coordinator: &GroupCoordinator,
        group: &str,
        offset: i64,
    ) -> Result<(), GroupError> {
        let topic = CommitTopic {
            name: "t".into(),
            id: TopicId::ZERO,
            partitions: vec![samples::partition(0, offset)],
        };
        let commit = samples::commit(group, vec![topic]);
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
    async fn loaded(coordinator: &GroupCoordinator, runtime: &Runtime, group: &str) -> Option<i64> {
        loop {
            match committed(coordinator, group).await {
                Err(GroupError::Loading) => runtime.sleep(Duration::from_millis(1)).await,
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn a_group_forms_commits_and_is_there_after_a_restart() {
        play(&World::new(1), |disk, runtime| async move {
            let partition = open(&disk, 0).await;
            let groups = coordinator(vec![partition.clone()]);
            let group = group_in(0);
            assert_eq!(loaded(&groups, &runtime, &group).await, None);

            let Err(refused) = groups.join(samples::join(&group, "")).await else {
                panic!("the member id comes first");
            };
            assert_eq!(refused.error, GroupError::MemberIdRequired);
            let joined = groups
                .join(samples::join(&group, &refused.member_id))
                .await
                .unwrap();
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
            assert_eq!(partition.high_watermark(), partition.end_offset());

            groups.stop();
            let again = coordinator(vec![partition.clone()]);
            assert_eq!(loaded(&again, &runtime, &group).await, None);
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
        let world = World::new(1);
        play(&world, |disk, runtime| async move {
            let groups = coordinator(vec![open(&disk, 0).await, open(&disk, 1).await]);
            for index in [0, 1] {
                let group = group_in(index);
                loaded(&groups, &runtime, &group).await;
                for offset in 0..10 {
                    assert_eq!(commit(&groups, &group, offset).await, Ok(()));
                }
            }
            groups.stop();
        });
        let world = world.kill(2);
        play(&world, |disk, runtime| async move {
            let groups = coordinator(vec![open(&disk, 1).await]);
            assert_eq!(loaded(&groups, &runtime, &group_in(1)).await, Some(9));
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
    fn a_partition_that_goes_away_tells_all_who_wait() {
        play(&World::new(1), |disk, runtime| async move {
            let partition = open(&disk, 0).await;
            let groups = Rc::new(coordinator(vec![partition.clone()]));
            let group = group_in(0);
            loaded(&groups, &runtime, &group).await;
            let mut parked = samples::join(&group, "");
            parked.member_id_required = false;
            let first = groups.join(parked.clone()).await.unwrap();
            assert_eq!(first.generation, 1);
            // The second waits for the first to join again.
            parked.unique = Uuid::from_u128(2);
            let waiting = runtime.spawn({
                let groups = groups.clone();
                async move { groups.join(parked).await }
            });
            runtime.sleep(Duration::from_millis(5)).await;
            partition.close();
            groups.stop();
            let refused = waiting.join().await.unwrap_err();
            assert_eq!(refused.error, GroupError::NotCoordinator);
        });
    }

    #[test]
    fn a_deadline_is_kept() {
        play(&World::new(1), |disk, runtime| async move {
            let config = GroupConfig {
                initial_rebalance_delay_ms: 30,
                ..GroupConfig::default()
            };
            let groups = GroupCoordinator::new(config, 1, &Budget::new(1 << 30));
            groups.lead(vec![open(&disk, 0).await]);
            loaded(&groups, &runtime, "g").await;
            let started = runtime.now();
            let mut join = samples::join("g", "");
            join.member_id_required = false;
            let joined = groups.join(join).await.unwrap();
            assert_eq!(joined.generation, 1);
            let waited = runtime.now().since(started);
            assert!(waited >= Duration::from_millis(30), "{waited:?}");
            assert!(waited < Duration::from_secs(5), "{waited:?}");
        });
    }
}
