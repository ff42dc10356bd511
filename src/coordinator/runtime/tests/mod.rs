//! Drives: tests of the runtime with the small machine of `sample.rs`, on a simulated disk and in
//! simulated time.

pub mod sample;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::base::config::{self, Flags, HostFacts};
use crate::base::ids::Uuid;
use crate::base::{PartitionIndex, TopicId};
use crate::io::disk::Disk;
use crate::io::runtime::Runtime;
use crate::io::sim::{Fault, World};
use crate::log::{Logs, LogsOptions, Opening};
use crate::partition::{Name, Partition, PartitionOptions};

use super::{Partitions, Unavailable};
use sample::{Samples, Wait};

/// A machine on its partition, and the executor that it runs on.
#[derive(Clone)]
struct Led {
    machines: Rc<Partitions<Samples>>,
    partition: Rc<Partition>,
    runtime: Runtime,
}

/// Opens a partition of an internal topic on a simulated or real disk.
pub async fn open(disk: &Disk, index: PartitionIndex) -> Rc<Partition> {
    let logs = Logs::new(disk, LogsOptions::default());
    let host = HostFacts::of_cores(1);
    let options = PartitionOptions {
        name: Name {
            topic: "__consumer_offsets".into(),
            topic_id: TopicId(Uuid::from_u128(7)),
            index,
        },
        dir: &PathBuf::from(format!("/data/__consumer_offsets-{index}")),
        opening: Opening::default(),
        node: crate::base::NodeId(1),
        term: crate::partition::replicas::Term::alone(crate::base::NodeId(1), 0),
        shared: Rc::default(),
        config: config::load(None, &Flags::default(), &host)
            .unwrap()
            .topic_defaults,
        producer_expiration_ms: 86_400_000,
    };
    let now = disk.runtime().wall_ms();
    Partition::open(&logs, options, now).await.unwrap()
}

/// Runs `story` with the machine of one partition, and the world itself.
fn play<T: 'static, F: Future<Output = T> + 'static>(
    world: &World,
    story: impl FnOnce(Led) -> F + 'static,
) -> T {
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move { story(Led::on(&disk).await).await })
}

impl Led {
    async fn on(disk: &Disk) -> Led {
        let led = Led {
            machines: Rc::new(Partitions::new(Samples, 1)),
            partition: open(disk, 0).await,
            runtime: disk.runtime().clone(),
        };
        led.machines.lead(vec![led.partition.clone()]);
        led.loaded().await;
        led
    }

    /// Waits until the machine is loaded, as a client does.
    async fn loaded(&self) {
        while self.get("").await == Err(Unavailable::Loading) {
            self.runtime.sleep(Duration::from_millis(10)).await;
        }
    }

    async fn put(&self, key: &str, value: i64) -> Result<(), Unavailable> {
        let put = self
            .machines
            .ask(key, |sample, _, out| sample.put(key, value, out));
        put.await
    }

    async fn get(&self, key: &str) -> Result<Option<i64>, Unavailable> {
        let get = self
            .machines
            .ask(key, |sample, _, _| sample.kept.get(key).copied());
        get.await
    }

    async fn wait(&self, key: &str, ms_max: i64) -> Result<Option<i64>, Unavailable> {
        self.machines.handle(key, Wait::of(key, ms_max)).await
    }

    /// Runs `act` beside this task.
    fn beside<T: 'static, F: Future<Output = T> + 'static>(
        &self,
        act: impl FnOnce(Led) -> F,
    ) -> crate::io::cores::Task<T> {
        self.runtime.spawn(act(self.clone()))
    }
}

#[test]
fn a_machine_is_loaded_with_all_that_its_log_says() {
    play(&World::new(1), |led| async move {
        for number in 0..300 {
            let key = format!("k{}", number % 100);
            assert_eq!(led.put(&key, number).await, Ok(()));
        }
        // Another coordinator of the same partition.
        led.machines.lead(Vec::new());
        assert_eq!(led.get("k7").await, Err(Unavailable::NotCoordinator));
        led.machines.lead(vec![led.partition.clone()]);
        assert_eq!(led.get("k7").await, Err(Unavailable::Loading));
        led.loaded().await;
        for number in 0..100 {
            let value = led.get(&format!("k{number}")).await;
            assert_eq!(value, Ok(Some(200 + number)));
        }
    });
}

#[test]
fn a_change_that_comes_during_the_load_is_followed_after_it() {
    play(&World::new(2), |led| async move {
        led.put("a", 1).await.unwrap();
        led.put("b", 2).await.unwrap();
        led.machines.lead(Vec::new());
        led.machines.lead(vec![led.partition.clone()]);
        led.machines.follow(&"a".into());
        led.loaded().await;
        assert_eq!(led.get("a").await, Ok(None));
        led.machines.follow(&"b".into());
        assert_eq!(led.get("b").await, Ok(None));
        assert_eq!(
            led.partition.high_watermark(),
            4,
            "two puts and two removals"
        );
    });
}

#[test]
fn what_is_told_is_durable() {
    play(&World::new(3), |led| async move {
        let writers: Vec<_> = (0..20)
            .map(|number| {
                led.beside(move |led| async move {
                    let key = format!("k{number}");
                    for value in 0..10 {
                        led.put(&key, value).await.unwrap();
                        // Others may have appended meanwhile; what this task was told is below.
                        let told = led.partition.high_watermark();
                        assert!(told > value, "{told} records, told of {value}");
                        assert_eq!(led.get(&key).await, Ok(Some(value)));
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().await;
        }
        assert_eq!(led.partition.high_watermark(), 200);
    });
}

#[test]
fn an_append_that_fails_fails_all_who_wait() {
    let world = World::new(4);
    let disk = world.disk().clone();
    play(&world, |led| async move {
        led.put("a", 1).await.unwrap();
        let parked = led.beside(|led| async move { led.wait("b", 600_000).await });
        led.runtime.yield_now().await;
        disk.inject(Fault::Write);
        let refused = Err(Unavailable::NotCoordinator);
        assert_eq!(led.put("b", 2).await, refused);
        assert_eq!(parked.join().await, Err(Unavailable::NotCoordinator));
        // A log that has failed takes no more writes, so nothing is told from memory either.
        assert_eq!(led.get("a").await, Err(Unavailable::NotCoordinator));
    });
}

#[test]
fn a_full_disk_unloads_the_machine_until_there_is_space_again() {
    let world = World::new(5);
    let disk = world.disk().clone();
    play(&world, |led| async move {
        led.put("a", 1).await.unwrap();
        disk.inject(Fault::Room);
        // What space was made ready is used up first.
        let long = "x".repeat(100_000);
        let mut kept = 0;
        while led.put(&long, kept).await.is_ok() {
            kept += 1;
            assert!(kept < 10_000, "the disk is never full");
        }
        assert_eq!(led.get("a").await, Err(Unavailable::Loading));
        disk.repair();
        let begun = led.runtime.now();
        while led.get("a").await == Err(Unavailable::Loading) {
            led.partition.seek_space();
            led.runtime.sleep(Duration::from_millis(500)).await;
            let waited = led.runtime.now().since(begun);
            assert!(waited < Duration::from_secs(60), "never loaded again");
        }
        assert_eq!(led.get("a").await, Ok(Some(1)));
        // The put that was refused may have been kept or not.
        let value = led.get(&long).await.unwrap();
        assert!(value == Some(kept - 1) || value == Some(kept), "{value:?}");
        assert_eq!(led.put("b", 2).await, Ok(()));
    });
}

#[test]
fn what_was_told_survives_a_crash() {
    for seed in 0..40 {
        let mut world = World::new(seed);
        let told = Rc::new(Cell::new(0));
        let disk = Disk::simulated(world.disk().clone());
        let noted = told.clone();
        let endless = async move {
            let led = Led::on(&disk).await;
            for number in 0.. {
                led.put(&format!("k{number}"), number).await.unwrap();
                noted.set(number + 1);
            }
        };
        assert!(world.run_for(300 + 40 * seed as usize, endless).is_none());
        world = world.crash(seed);
        let count = told.get();
        play(&world, move |led| async move {
            for number in 0..count {
                let value = led.get(&format!("k{number}")).await;
                assert_eq!(value, Ok(Some(number)), "seed {seed}: {count} were told");
            }
            assert_eq!(led.put("after", 1).await, Ok(()));
        });
        assert!(seed < 39 || count > 5, "the last crash comes too early");
    }
}

#[test]
fn a_parked_reply_comes_behind_the_record_that_answers_it() {
    play(&World::new(6), |led| async move {
        let parked = led.beside(|led| async move {
            let reply = led.wait("a", 600_000).await;
            (reply, led.partition.high_watermark())
        });
        led.runtime.sleep(Duration::from_millis(1)).await;
        assert_eq!(led.put("a", 7).await, Ok(()));
        assert_eq!(parked.join().await, (Ok(Some(7)), 1));
        assert_eq!(led.wait("a", 600_000).await, Ok(Some(7)));
    });
}

#[test]
fn a_parked_reply_expires_when_its_time_has_come() {
    play(&World::new(7), |led| async move {
        let begun = led.runtime.now();
        let ends = Rc::new(RefCell::new(Vec::new()));
        // The nearest deadline is set last: the task that sleeps must hear of it.
        let parked = [3_600_000, 60_000, 5_000].map(|ms| {
            let ends = ends.clone();
            led.beside(move |led| async move {
                assert_eq!(led.wait(&format!("k{ms}"), ms).await, Ok(None));
                let waited = led.runtime.now().since(begun);
                ends.borrow_mut().push((ms, waited.as_millis() as i64));
            })
        });
        for parked in parked {
            parked.join().await;
        }
        let ends = ends.borrow();
        let order: Vec<_> = ends.iter().map(|(ms, _)| *ms).collect();
        assert_eq!(order, [5_000, 60_000, 3_600_000]);
        for (ms, waited) in ends.iter() {
            assert!((*ms..ms + 100).contains(waited), "{waited} for {ms}");
        }
    });
}

#[test]
fn a_coordinator_that_moves_away_tells_all_who_wait() {
    play(&World::new(8), |led| async move {
        let parked = led.beside(|led| async move { led.wait("a", 600_000).await });
        let writing = led.beside(|led| async move { led.put("b", 1).await });
        led.runtime.yield_now().await;
        while led.partition.end_offset() == 0 {
            led.runtime.yield_now().await;
        }
        led.machines.lead(Vec::new());
        assert_eq!(parked.join().await, Err(Unavailable::NotCoordinator));
        assert_eq!(writing.join().await, Err(Unavailable::NotCoordinator));
        assert_eq!(led.get("b").await, Err(Unavailable::NotCoordinator));
        // Where it moves to, the log may say more than was told.
        led.machines.lead(vec![led.partition.clone()]);
        led.loaded().await;
        assert_eq!(led.wait("a", 10).await, Ok(None));
    });
}

#[test]
fn each_partition_has_its_own_machine() {
    let world = World::new(9);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let runtime = disk.runtime().clone();
        let machines = Partitions::new(Samples, 2);
        machines.lead(vec![open(&disk, 0).await, open(&disk, 1).await]);
        runtime.sleep(Duration::from_millis(100)).await;
        let mut names = (0..).map(|number| format!("k{number}"));
        let mut in_partition = |index| {
            let names = names.by_ref();
            names
                .find(|name| machines.partition_of(name) == index)
                .unwrap()
        };
        let (first, second) = (in_partition(0), in_partition(1));
        for (key, value) in [(&first, 1), (&second, 2)] {
            let put = machines.ask(key, |sample, _, out| sample.put(key, value, out));
            assert_eq!(put.await, Ok(()));
        }
        let counts = machines.ask_all(|sample| sample.kept.clone()).await;
        let counts: Vec<_> = counts.unwrap().iter().map(|kept| kept.len()).collect();
        assert_eq!(counts, [1, 1]);
        // One moves away: the other one stays.
        let left = machines.look(&second, |sample| sample.kept.len());
        assert_eq!(left, Some(1));
        machines.lead(Vec::new());
        assert_eq!(machines.look(&second, |sample| sample.kept.len()), None);
    });
}

#[test]
fn work_in_many_steps_lets_others_pass_and_the_log_catch_up() {
    play(&World::new(10), |led| async move {
        let begin = led.machines.ask("", |sample, _, _| sample.steps_left = 60);
        begin.await.unwrap();
        let left = || led.machines.look("", |sample| sample.steps_left).unwrap();
        let mut passed = 0;
        while left() > 0 {
            let appended = led.partition.end_offset();
            let behind = appended - led.partition.high_watermark();
            // Eleven records of such steps are more than the bound, and one put is under way.
            assert!(behind <= 12, "{behind} records wait for their ack");
            led.put("b", passed).await.unwrap();
            passed += 1;
        }
        assert!(passed >= 3, "{passed} puts beside 60 steps");
        assert_eq!(led.get("b").await, Ok(Some(passed - 1)));
    });
}
