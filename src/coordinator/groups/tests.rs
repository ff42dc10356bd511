use std::time::Duration;

use super::*;
use crate::base::TopicId;
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

async fn committed(coordinator: &GroupCoordinator, group: &str) -> Result<Option<i64>, GroupError> {
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
        let listed = groups.ask_all(|machine| machine.list(&[], &[]).len()).await;
        assert_eq!(listed, Ok(vec![1]));
        groups.follow(&Change {
            topics: Topics::default(),
            names: ["t".into()].into(),
            gone: [("t".into(), TopicId::ZERO)].into(),
            has_new: false,
        });
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
