//! Drives: the metadata log followed in a simulated world, from a quorum that changes its leaders,
//! loses what it has not committed, makes snapshots, and over a network that fails.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::double::{CLUSTER, FIRST_ID, Quorum};
use super::*;
use crate::base::NodeId;
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::io::sim::{SimNet, Weather, World};
use crate::metadata::record::{FeatureLevel, MetadataRecord};

const MS: Duration = Duration::from_millis(1);

fn feature(number: u64) -> MetadataRecord {
    let (name, feature_level) = (format!("f{number}"), 1 + (number % 7) as i16);
    FeatureLevel {
        name,
        feature_level,
    }
    .into()
}

fn following(net: &Net, runtime: &Runtime, quorum: &Quorum) -> Following {
    let asker = Asker {
        cluster_id: CLUSTER.into(),
        replica: None,
        directory: Uuid::from_u128(77),
    };
    Following {
        net: net.clone(),
        runtime: runtime.clone(),
        asker,
        nodes: 1..=2,
        bootstrap: quorum.addresses(),
    }
}

/// Runs `story` in a world of `seed` with a quorum of three, of which the first leads.
fn in_world<T: 'static, F: Future<Output = T> + 'static>(
    seed: u64,
    story: impl FnOnce(Scene) -> F,
) -> T {
    let world = World::new(seed);
    let (quorum, net) = Quorum::in_world(&world);
    let scene = Scene {
        net,
        runtime: world.runtime(),
        quorum,
        weather: world.net().clone(),
    };
    world.run(story(scene))
}

struct Scene {
    net: Net,
    runtime: Runtime,
    quorum: Quorum,
    weather: SimNet,
}

impl Scene {
    /// Follows the log; each image that comes must be what was committed, and no older than the
    /// one before.
    fn follow(&self) -> (Watch, Rc<Cell<u64>>) {
        let watch = Watch::new(CLUSTER);
        let following = follow(
            following(&self.net, &self.runtime, &self.quorum),
            watch.clone(),
        );
        self.runtime.spawn(async move {
            let stopped = following.await;
            panic!("the follower stopped: {stopped}");
        });
        let images = Rc::new(Cell::new(0));
        let (quorum, looking, count) = (self.quorum.clone(), watch.clone(), images.clone());
        self.runtime.spawn(async move {
            let mut before = 0;
            loop {
                let image = looking
                    .image_where(|image| image.end_offset != before)
                    .await;
                assert!(image.end_offset > before, "no image is older");
                before = image.end_offset;
                let committed = quorum.image_at(before);
                assert_eq!(committed.end_offset, before);
                assert_eq!(image.features, committed.features, "at {before}");
                count.set(count.get() + 1);
            }
        });
        (watch, images)
    }

    /// Waits until everything that is committed has come.
    async fn caught_up(&self, watch: &Watch) {
        let end = self.quorum.high_watermark();
        let image = watch.image_where(|image| image.end_offset >= end);
        let found = self.runtime.within(60_000 * MS, image).await;
        assert!(found.is_some(), "not at {end} within a minute");
    }
}

#[test]
fn what_is_committed_comes_at_once_and_nothing_else() {
    in_world(1, |scene| async move {
        let quorum = &scene.quorum;
        let (watch, images) = scene.follow();
        for number in 0..100 {
            quorum.append(&[feature(number), feature(number + 1)]);
            quorum.commit();
        }
        scene.caught_up(&watch).await;
        assert!(images.get() > 1, "the log came in several answers");
        // Not committed: it is fetched and not shown.
        quorum.append(&[feature(500)]);
        scene.runtime.sleep(2_000 * MS).await;
        assert!(!watch.image().features.contains_key("f500"));
        let begun = scene.runtime.now();
        quorum.commit();
        scene.caught_up(&watch).await;
        assert!(
            scene.runtime.now().since(begun) < 50 * MS,
            "no wait for a poll"
        );
        let leader = watch.leader();
        assert_eq!((leader.id, leader.epoch), (Some(NodeId(FIRST_ID)), 1));
        assert_eq!(leader.address, Some(quorum.addresses()[0].clone()));
        assert_eq!(watch.high_watermark(), quorum.high_watermark());
        assert!(watch.ranges().get(1) == Some((4, 18)));
    });
}

#[test]
fn a_new_leader_is_found_and_what_the_old_one_lost_is_taken_back() {
    in_world(2, |scene| async move {
        let quorum = &scene.quorum;
        let (watch, _) = scene.follow();
        quorum.append(&[feature(0)]);
        quorum.commit();
        scene.caught_up(&watch).await;
        quorum.append(&[feature(1)]);
        quorum.append(&[feature(2)]);
        scene.runtime.sleep(500 * MS).await;
        // There is no leader for a while; then one that has the first of the two.
        quorum.elect(None, 1);
        scene.runtime.sleep(3_000 * MS).await;
        let before = quorum.answers();
        scene.runtime.sleep(10_000 * MS).await;
        let asked = quorum.answers() - before;
        assert!((5..60).contains(&asked), "{asked} requests in ten seconds");
        quorum.elected(2);
        quorum.append(&[feature(3)]);
        quorum.commit();
        scene.caught_up(&watch).await;
        let image = watch.image();
        let names: Vec<_> = image.features.keys().map(String::as_str).collect();
        assert_eq!(names, ["f0", "f1", "f3"]);
        assert_eq!(watch.leader().id, Some(NodeId(FIRST_ID + 2)));
    });
}

#[test]
fn a_snapshot_is_loaded_piece_by_piece_and_one_that_is_deleted_is_forgotten() {
    in_world(3, |scene| async move {
        let quorum = &scene.quorum;
        for number in 0..60 {
            quorum.append(&[feature(number)]);
        }
        quorum.commit();
        quorum.make_snapshot();
        quorum.append(&[feature(100)]);
        quorum.commit();
        let before = quorum.answers();
        let (watch, images) = scene.follow();
        scene.runtime.sleep(5 * MS).await;
        // While it is under way another one takes its place.
        while quorum.answers() < before + 4 {
            scene.runtime.sleep(MS / 10).await;
        }
        assert_eq!(images.get(), 0);
        quorum.make_snapshot();
        scene.caught_up(&watch).await;
        assert_eq!(watch.image().features.len(), 61);
        // Behind: the part of the log that is wanted next is gone.
        scene.weather.cut(quorum.socket(0));
        for number in 0..10 {
            quorum.append(&[feature(200 + number)]);
        }
        quorum.commit();
        quorum.make_snapshot();
        scene.weather.heal(quorum.socket(0));
        scene.caught_up(&watch).await;
        assert_eq!(watch.image().features.len(), 71);
    });
}

#[test]
fn a_quorum_that_cannot_be_followed_stops_the_process_with_a_sentence() {
    let stopped = |change: fn(&Quorum)| {
        in_world(4, |scene| async move {
            change(&scene.quorum);
            let quorum = &scene.quorum;
            let following = following(&scene.net, &scene.runtime, quorum);
            let stopped = follow(following, Watch::new(CLUSTER));
            let stopped = scene.runtime.within(60_000 * MS, stopped).await;
            stopped.expect("it stops").to_string()
        })
    };
    let other = stopped(|quorum| quorum.set_cluster_id("another"));
    assert!(other.starts_with("the controllers belong to another cluster than cluster"));
    let unknown = stopped(|quorum| {
        let change = crate::metadata::record::PartitionChange::none(METADATA_TOPIC_ID, 0);
        quorum.append(&[change.into()]);
        quorum.commit();
    });
    assert!(
        unknown.contains("at offset 0: a record names the unknown topic"),
        "{unknown}"
    );
}

/// One run over a quorum and a network that do all that they may.
fn storm(seed: u64) -> (u64, i64) {
    in_world(seed, |scene| async move {
        let quorum = &scene.quorum;
        let (watch, images) = scene.follow();
        scene.weather.set_weather(Weather {
            lost_one_in: 60,
            ..Weather::default()
        });
        for number in 0..300 {
            let random = scene.runtime.random();
            quorum.append(&vec![feature(number); 1 + (random % 3) as usize]);
            match random >> 8 & 31 {
                0 => quorum.elect(None, (random >> 16 & 1) as usize),
                1 | 2 => quorum.elect(
                    Some((random >> 20) as usize % 3),
                    (random >> 16 & 1) as usize,
                ),
                3 => quorum.make_snapshot(),
                4 => scene
                    .weather
                    .cut(quorum.socket((random >> 20) as usize % 3)),
                5 | 6 => (0..3).for_each(|index| scene.weather.heal(quorum.socket(index))),
                7 => scene
                    .weather
                    .lose(quorum.socket((random >> 20) as usize % 3)),
                8..20 => quorum.commit(),
                _ => scene.runtime.sleep(MS * (random >> 24 & 127) as u32).await,
            }
        }
        (0..3).for_each(|index| scene.weather.heal(quorum.socket(index)));
        quorum.elected(1);
        quorum.append(&[feature(1_000)]);
        quorum.commit();
        scene.caught_up(&watch).await;
        (images.get(), quorum.high_watermark())
    })
}

#[test]
fn in_any_weather_each_image_is_what_was_committed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SIM_SEED").unwrap_or(0);
    let mut seen = 0;
    for seed in first..first + number("SIM_RUNS").unwrap_or(20) {
        let (images, end) = storm(seed);
        assert!(images > 0 && end > 0, "seed {seed}");
        seen += images;
        assert_eq!(storm(seed), (images, end), "seed {seed} gives one run");
    }
    assert!(seen > 20, "{seen} images");
}
