//! Drives: stories of a controller on a simulated disk: started, used, killed, started again.

mod damage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::base::config::{BrokerConfig, ConfigFile, Flags, HostFacts, load};
use crate::base::{NodeId, TopicId};
use crate::io::disk::Disk;
use crate::io::sim::{Fault, World};
use crate::log::Folder;
use crate::metadata::image::Image;

const DATA: &str = "/data";

fn config(shards: usize, port: u16) -> Arc<BrokerConfig> {
    let flags = Flags {
        data_dir: Some(DATA.into()),
        shards: Some(shards),
        port: Some(port),
        ..Flags::default()
    };
    let host = HostFacts::of_cores(2);
    load(None, &flags, &host).unwrap().into()
}

fn ports(config: &BrokerConfig) -> Vec<u16> {
    let shards = 0..config.shards;
    shards
        .map(|shard| config.advertised.of_shard(shard).port)
        .collect()
}

/// Starts a controller, lets it do `work`, and then does not close it.
fn run<F: Future<Output = ()> + 'static>(
    world: &World,
    config: &Arc<BrokerConfig>,
    work: impl FnOnce(LocalController) -> F + 'static,
) -> Result<Arc<Image>, LoadError> {
    let disk = Disk::simulated(world.disk().clone());
    let config = config.clone();
    world.run(async move {
        let controller =
            LocalController::load(&disk, &config, &config.log_dirs, &ports(&config), 7).await?;
        let image = controller.image();
        work(controller).await;
        Ok(image)
    })
}

/// The image that a start finds.
fn start(world: &World, shards: usize) -> Result<Arc<Image>, LoadError> {
    run(world, &config(shards, 9092), |controller| async move {
        controller.close().await.unwrap();
    })
}

async fn create(controller: &LocalController, name: &str) -> TopicId {
    let request = CreateTopics::new(vec![NewTopic::new(name, 3)]);
    let results = controller.handle(&request, 7).await.unwrap();
    results[0].result.clone().unwrap().id
}

#[test]
fn a_new_folder_is_formatted_and_found_again() {
    let world = World::new(1);
    let first = start(&world, 2).unwrap();
    assert_eq!(first.cluster_id.len(), 22);
    let nodes: Vec<i32> = first.brokers.alive().map(|broker| broker.id.0).collect();
    assert_eq!(nodes, [1, 2]);
    let endpoint = first
        .brokers
        .get(NodeId(2))
        .unwrap()
        .endpoint("PLAINTEXT")
        .unwrap()
        .clone();
    assert_eq!((endpoint.host.as_str(), endpoint.port), ("127.0.0.1", 9093));
    let text = world
        .disk()
        .content(Path::new("/data/shard-1/meta.properties"))
        .unwrap();
    let identity = Identity::parse(std::str::from_utf8(&text).unwrap()).unwrap();
    assert_eq!(
        (identity.node, &*identity.cluster_id),
        (NodeId(2), &*first.cluster_id)
    );
    assert_eq!(
        first.brokers.get(NodeId(2)).unwrap().log_dirs,
        [identity.directory]
    );
    // Who starts as before adds nothing to the log.
    let second = start(&world, 2).unwrap();
    assert_eq!(
        (second.end_offset, &second.cluster_id),
        (first.end_offset, &first.cluster_id)
    );
    // On another port the nodes register anew.
    let moved = run(&world, &config(2, 9192), |controller| async move {
        controller.close().await.unwrap();
    });
    let endpoint = moved
        .unwrap()
        .brokers
        .get(NodeId(2))
        .unwrap()
        .endpoint("PLAINTEXT")
        .cloned();
    assert_eq!(endpoint.unwrap().port, 9193);
    assert_eq!(start(&world, 2).unwrap().end_offset, first.end_offset + 4);
}

#[test]
fn another_number_of_shards_is_refused_with_what_to_do() {
    let world = World::new(1);
    start(&world, 2).unwrap();
    for shards in [1, 3] {
        let text = start(&world, shards).unwrap_err().to_string();
        assert!(text.contains("was formatted with 2 shard(s)"), "{text}");
        assert!(text.contains("start with --shards 2"), "{text}");
    }
    start(&world, 2).unwrap();
}

#[test]
fn what_was_answered_is_there_after_a_power_cut() {
    for seed in 0..20 {
        let world = World::new(seed);
        let answered = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let seen = answered.clone();
        run(&world, &config(2, 9092), |controller| async move {
            for i in 0..10 {
                let name = format!("t{i}");
                let id = create(&controller, &name).await;
                seen.borrow_mut().push((name, id));
            }
            let ids = controller.handle(&AllocateProducerIds(NodeId(1)), 7).await;
            assert_eq!(ids, Ok(Some(0..1000)));
        })
        .unwrap();
        let image = start(&world.crash(seed), 2).unwrap();
        assert_eq!((image.topics.len(), image.next_producer_id), (10, 1000));
        for (name, id) in answered.borrow().iter() {
            let topic = image.topics.named(name).unwrap();
            assert_eq!((topic.id, topic.partitions.len()), (*id, 3));
        }
    }
}

#[test]
fn a_first_start_that_was_interrupted_anywhere_is_ended_by_the_next() {
    let mut ended = 0;
    for steps in 0..120 {
        let world = World::new(steps as u64);
        let disk = Disk::simulated(world.disk().clone());
        let config = config(2, 9092);
        let started = world.run_for(steps, async move {
            LocalController::load(&disk, &config, &config.log_dirs, &ports(&config), 7)
                .await
                .map(|controller| controller.image())
        });
        let image = start(&world.crash(steps as u64), 2).unwrap();
        assert_eq!(image.brokers.alive().count(), 2);
        if let Some(Ok(before)) = started {
            ended += 1;
            assert_eq!(image.cluster_id, before.cluster_id);
        }
    }
    // Some were interrupted, some were not.
    assert!((10..110).contains(&ended), "{ended}");
}

#[test]
fn a_folder_that_is_not_its_own_is_refused() {
    let own = Path::new("/data/shard-1/meta.properties");
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let world = World::new(1);
        start(&world, 2).unwrap();
        world.disk().damage(own, |bytes| {
            // As an operator may write it who does not know of the checksum.
            bytes.drain(..=bytes.iter().position(|byte| *byte == b'\n').unwrap());
            change(bytes);
        });
        start(&world, 2).unwrap_err().to_string()
    };
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            *bytes = text.replace(from, to).into_bytes();
        }
    };
    let text = refused(&replace("node.id=2", "node.id=1"));
    assert!(text.contains("it is node 1's, not node 2's"), "{text}");
    let text = refused(&replace("cluster.id=", "cluster.id=x"));
    assert!(text.contains("it is of the cluster x"), "{text}");
    let text = refused(&replace("directory.id=", "directory.ix="));
    assert!(text.contains("directory.id=… is missing"), "{text}");
    let text = refused(&|bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let at = text.find("directory.id=").unwrap() + "directory.id=".len();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    });
    assert!(text.contains("another directory.id"), "{text}");
}

#[test]
fn folders_come_and_go_and_their_partitions_with_them() {
    let world = World::new(1);
    let config = {
        let file = ConfigFile {
            name: "test",
            text: "log.dirs=/data,/more\ncorelane.shards=1",
        };
        let host = HostFacts::of_cores(2);
        Arc::new(load(Some(file), &Flags::default(), &host).unwrap())
    };
    let with = |dirs: &[&str], topic: Option<&'static str>| {
        let disk = Disk::simulated(world.disk().clone());
        let (config, dirs) = (
            config.clone(),
            dirs.iter().map(PathBuf::from).collect::<Vec<_>>(),
        );
        world.run(async move {
            let ports = ports(&config);
            let controller = LocalController::load(&disk, &config, &dirs, &ports, 7).await;
            let controller = controller.unwrap();
            if let Some(name) = topic {
                create(&controller, name).await;
            }
            controller.close().await.unwrap();
            let ids: Vec<_> = controller.directories()[0]
                .iter()
                .map(|dir| dir.id())
                .collect();
            (
                controller.image(),
                ids.into_iter().flatten().collect::<Vec<_>>(),
            )
        })
    };
    let state = |image: &Image| -> Vec<(i32, i32, usize)> {
        let topic = image.topics.named("t").unwrap();
        let partitions = topic.partitions.iter();
        partitions
            .map(|one| (one.leader.0, one.leader_epoch, one.isr.len()))
            .collect()
    };
    let (image, first) = with(&["/data"], None);
    assert_eq!(image.brokers.get(NodeId(1)).unwrap().log_dirs, first);
    // A folder that was added is formatted and gets the next partitions.
    let (image, both) = with(&["/data", "/more"], Some("t"));
    assert_eq!(
        (
            image.brokers.get(NodeId(1)).unwrap().log_dirs.as_slice(),
            both[0]
        ),
        (&both[..], first[0])
    );
    let topic = image.topics.named("t").unwrap();
    let directories: Vec<_> = topic
        .partitions
        .iter()
        .map(|one| one.directories[0])
        .collect();
    assert_eq!(directories, [both[0], both[1], both[0]]);
    assert_eq!(state(&image), [(1, 0, 1); 3]);
    // One that is away takes its partitions with it, and brings them back.
    let (image, left) = with(&["/data"], None);
    assert_eq!(left, first);
    assert_eq!(state(&image), [(1, 0, 1), (-1, 1, 0), (1, 0, 1)]);
    assert_eq!(with(&["/data"], None).0.end_offset, image.end_offset);
    let (image, again) = with(&["/data", "/more"], None);
    assert_eq!(
        (state(&image), again),
        (vec![(1, 0, 1), (1, 2, 1), (1, 0, 1)], both)
    );
}

#[test]
fn partitions_without_metadata_are_not_formatted_over() {
    let world = World::new(1);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        disk.create_dir(Path::new("/data/shard-0/topic-3"))
            .await
            .unwrap()
    });
    let error = start(&world, 1).unwrap_err();
    assert!(matches!(error, LoadError::MetadataLost(_)), "{error:?}");
}

#[test]
fn a_log_that_cannot_be_written_answers_so_and_changes_nothing() {
    let world = World::new(1);
    let disk = world.disk().clone();
    run(&world, &config(1, 9092), |controller| async move {
        create(&controller, "before").await;
        disk.inject(Fault::Flush);
        let request = CreateTopics::new(vec![NewTopic::new("after", 1)]);
        let reply = controller.handle(&request, 7).await;
        assert_eq!(reply, Err(CannotWrite));
        assert!(controller.image().topics.named("after").is_none());
        // Not even what needs nothing but the log's health is promised any more.
        let reply = controller.handle(&AllocateProducerIds(NodeId(1)), 7).await;
        assert_eq!(reply, Err(CannotWrite));
    })
    .unwrap();
}

#[test]
fn a_node_with_logs_that_was_killed_begins_a_new_term() {
    let world = World::new(1);
    run(&world, &config(1, 9092), |controller| async move {
        create(&controller, "t").await;
    })
    .unwrap();
    let epoch_after = |world: &World, prepare: &'static str| {
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let dir = folder::shard_dir(Path::new(DATA), 0);
            match prepare {
                "log" => disk.create_dir(&dir.join("t-0")).await.unwrap(),
                "clean" => Folder::open(&disk, &dir)
                    .await
                    .unwrap()
                    .close_cleanly(-1)
                    .await
                    .unwrap(),
                _ => {}
            }
        });
        let image = start(world, 1).unwrap();
        image.topics.named("t").unwrap().partitions[0].leader_epoch
    };
    // Without a log there is nothing that could be lost.
    assert_eq!(epoch_after(&world, "nothing"), 0);
    assert_eq!(epoch_after(&world, "log"), 1);
    assert_eq!(epoch_after(&world, "nothing"), 2);
    assert_eq!(epoch_after(&world, "clean"), 2);
}

#[test]
fn a_large_decision_and_a_long_history_are_read_back() {
    let world = World::new(1);
    run(&world, &config(1, 9092), |controller| async move {
        let request = CreateTopics::new(vec![NewTopic::new("large", 9_000)]);
        let results = controller.handle(&request, 7).await.unwrap();
        assert!(results[0].result.is_ok(), "{results:?}");
        let renewed = controller.handle(&RenewLeaders(NodeId(1)), 7).await;
        assert_eq!(renewed, Ok(9_000));
    })
    .unwrap();
    let image = start(&world.kill(2), 1).unwrap();
    let topic = image.topics.named("large").unwrap();
    assert_eq!(topic.partitions.len(), 9_000);
    assert!(
        topic
            .partitions
            .iter()
            .all(|partition| partition.leader_epoch == 1)
    );
}
