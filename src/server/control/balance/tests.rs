//! Drives: the control executor with shards that only say how busy they are, in a simulated world.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use crate::base::config::{ConfigFile, Flags, HostFacts, load};
use crate::base::faults::{Fault, FaultKind};
use crate::base::metrics::{Snapshot, to_prometheus};
use crate::base::{Instant, NodeId, PartitionIndex};
use crate::io::disk::Disk;
use crate::io::sim::World;
use crate::log::HandedOver;
use crate::metadata::controller::{
    AlterConfigs, ConfigChange, CreateTopics, NewTopic, Reassign, Reassignment, ResourceChange,
};
use crate::server::control::local;
use crate::shard::handover::LeaveError;
use crate::shard::load::Work;
use crate::shard::mesh::{self, Inbox, ShardMessage, ShardQuestion, ToControl};

const TOPIC: &str = "orders";
const SHARDS: usize = 2;
const PERIOD: Duration = Duration::from_secs(1);
/// Long enough for whatever is to be done.
const LONG: u32 = 100;

/// What the shards of a test do.
struct Shards {
    runtime: Runtime,
    /// What each partition of the topic wants of a core.
    costs: RefCell<Vec<f64>>,
    /// Whether the second shard answers nothing.
    is_silent: Cell<bool>,
    /// Whether the second shard says that something is wrong.
    is_faulty: Cell<bool>,
    /// Whether the first shard keeps its partitions.
    keeps: Cell<bool>,
}

/// A controller whose shards are those.
struct Cluster {
    shards: Rc<Shards>,
    control: ToControl,
    controller: Rc<LocalController>,
    numbers: Rc<MoveNumbers>,
}

/// Does as a shard that has loaded nothing, and is as busy as `shards` says.
async fn be_shard(shards: Rc<Shards>, shard: usize, inbox: Inbox, first: Arc<Image>) {
    let image = Rc::new(RefCell::new(first));
    let Inbox {
        mut orders,
        mut questions,
    } = inbox;
    let (known, all) = (image.clone(), shards.clone());
    shards.runtime.spawn(async move {
        while let Some(order) = orders.next().await {
            match order {
                ShardMessage::Publish(call) => {
                    let (image, answer) = call.split();
                    *known.borrow_mut() = image;
                    answer(());
                }
                ShardMessage::Leave(call) if all.keeps.get() => {
                    call.answer(Err(LeaveError::Offline));
                }
                ShardMessage::Leave(call) => {
                    all.runtime.sleep(Duration::from_millis(20)).await;
                    call.answer(Ok(HandedOver::default()));
                }
                ShardMessage::Arrive(call) => call.answer(()),
                ShardMessage::Stop(call) => call.answer(()),
            }
        }
    });
    let (mut busy, mut last) = (Duration::ZERO, shards.runtime.now());
    while let Some(question) = questions.next().await {
        if shard == 1 && shards.is_silent.get() {
            continue;
        }
        match question {
            ShardQuestion::Load(call) => {
                let at = shards.runtime.now();
                let load = shards.load(shard, &image.borrow(), at.since(last), at);
                busy += load.busy;
                last = at;
                call.answer(Load { busy, ..load });
            }
            ShardQuestion::Faults(call) => call.answer(shards.faults(shard)),
            _ => {}
        }
    }
}

impl Shards {
    /// What a shard was busy with since the last look.
    fn load(&self, shard: usize, image: &Image, lasted: Duration, at: Instant) -> Load {
        let mut load = Load {
            at,
            ..Load::default()
        };
        let Some(topic) = image.topics.named(TOPIC) else {
            return load;
        };
        for (at, partition) in topic.partitions.iter().enumerate() {
            if partition.leader == NodeId(shard as i32 + 1) {
                let cost = self.costs.borrow()[at];
                let work = (cost * 1e9) as u64;
                let (topic_id, index) = (topic.id, at as PartitionIndex);
                load.busy += lasted.mul_f64(cost);
                load.work += work;
                load.partitions.push(Work {
                    work,
                    topic_id,
                    index,
                });
            }
        }
        load
    }

    fn faults(&self, shard: usize) -> Vec<Fault> {
        let fault = Fault {
            kind: FaultKind::FolderOffline,
            with: "/data".to_owned(),
            why: "because".to_owned(),
            since_ms: 1,
        };
        let is_wrong = shard == 1 && self.is_faulty.get();
        is_wrong.then_some(fault).into_iter().collect()
    }
}

impl Cluster {
    /// A cluster with a topic of four partitions, all on the first shard.
    async fn start(runtime: Runtime, disk: Disk, settings: &str) -> Cluster {
        let flags = Flags {
            data_dir: Some("/data".into()),
            shards: Some(SHARDS),
            ..Flags::default()
        };
        let settings = format!("corelane.shard.balance.period.ms=1000\n{settings}");
        let file = ConfigFile {
            name: "test",
            text: &settings,
        };
        let config = load(Some(file), &flags, &HostFacts::of_cores(2)).unwrap();
        let config = Arc::new(config);
        let loaded = LocalController::load(&disk, &config, &config.log_dirs, &[1, 2], 7).await;
        let controller = Rc::new(loaded.unwrap());
        let shards = Rc::new(Shards {
            runtime: runtime.clone(),
            costs: RefCell::new(vec![0.2; 4]),
            is_silent: Cell::new(false),
            is_faulty: Cell::new(false),
            keeps: Cell::new(false),
        });
        let mut ways = Vec::new();
        for shard in 0..SHARDS {
            let (way, inbox) = mesh::shard();
            ways.push(way);
            runtime.spawn(be_shard(shards.clone(), shard, inbox, controller.image()));
        }
        let life = Arc::new(Life::new(SHARDS));
        life.serves();
        let (control, inbox) = mesh::control();
        let numbers = Rc::<MoveNumbers>::default();
        let serving = local::Serving {
            runtime: runtime.clone(),
            config,
            controller: controller.clone(),
            shards: ways,
            life,
            moves: numbers.clone(),
        };
        runtime.spawn(async move { local::serve(serving, Vec::new(), inbox).await });
        let topic = NewTopic {
            assignments: (0..4).map(|at| (at, vec![NodeId(1)])).collect(),
            ..NewTopic::new(TOPIC, -1)
        };
        let created = control.create_topics(CreateTopics::new(vec![topic])).await;
        created.unwrap()[0].result.as_ref().unwrap();
        Cluster {
            shards,
            control,
            controller,
            numbers,
        }
    }

    async fn periods(&self, count: u32) {
        self.shards.runtime.sleep(PERIOD * count).await;
    }

    /// The node that has each partition.
    fn places(&self) -> Vec<i32> {
        let image = self.controller.image();
        let topic = image.topics.named(TOPIC).unwrap().clone();
        let leaders = topic.partitions.iter().map(|partition| partition.leader.0);
        leaders.collect()
    }

    /// How many partitions the second shard has.
    fn moved(&self) -> usize {
        self.places().iter().filter(|place| **place == 2).count()
    }

    /// Numbers of the metrics, by what stands behind `corelane_`.
    fn numbers(&self) -> BTreeMap<String, f64> {
        let mut snapshot = Snapshot::default();
        self.numbers.export(&mut snapshot);
        let text = to_prometheus(&[snapshot]);
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("corelane_"));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        let pair = |(name, value): (&str, &str)| Some((name.to_owned(), value.parse().ok()?));
        pairs.filter_map(pair).collect()
    }

    fn is(&self, state: &str) -> bool {
        self.numbers()[&format!("balancer_state{{state=\"{state}\"}}")] == 1.0
    }

    async fn enable(&self, value: &str) {
        let set = ("corelane.shard.balance.enable", value);
        let change = AlterConfigs {
            node: NodeId(1),
            validate_only: false,
            resources: vec![ResourceChange {
                kind: 4,
                name: String::new(),
                change: ConfigChange::Each(vec![(set.0.into(), 0, Some(set.1.into()))]),
            }],
        };
        let altered = self.control.alter_configs(change).await.unwrap();
        assert_eq!(altered, [Ok(())]);
    }

    /// Asks for a partition to go to a node, as an operator does.
    async fn reassign(&self, index: PartitionIndex, to: i32) {
        let partitions = vec![Reassignment {
            topic: TOPIC.into(),
            index,
            replicas: Some(vec![NodeId(to)]),
        }];
        let wanted = Reassign {
            any_factor: true,
            partitions,
        };
        assert_eq!(self.control.reassign(wanted).await.unwrap(), [Ok(())]);
    }
}

/// Runs a story with these settings.
fn tell<F: Future<Output = ()> + 'static>(
    settings: &'static str,
    story: impl FnOnce(Cluster) -> F + 'static,
) {
    let world = World::new(1);
    let (runtime, disk) = (world.runtime(), Disk::simulated(world.disk().clone()));
    world.run(async move {
        let cluster = Cluster::start(runtime, disk, settings).await;
        cluster.control.open().await.unwrap().unwrap();
        story(cluster).await;
    });
}

const ON: &str = "corelane.shard.balance.enable=true\n";

#[test]
fn partitions_go_until_the_load_is_even_and_then_stay() {
    tell(ON, |cluster| async move {
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 2, "{:?}", cluster.places());
        let numbers = cluster.numbers();
        assert_eq!(numbers["balancer_moves_total"], 2.0);
        assert_eq!(numbers["moves_total"], 2.0);
        assert_eq!(numbers["moves_pending"], 0.0);
        assert!(
            (0.02..0.1).contains(&numbers["move_last_seconds"]),
            "{numbers:?}"
        );
        assert!(numbers["balancer_apart"] < 0.01 && cluster.is("even"));
        let before = cluster.places();
        cluster.periods(3 * LONG).await;
        assert_eq!(cluster.places(), before);
        // The load is another one: one more goes, and none of them comes back at once.
        let cost = |place: &i32| if *place == 1 { 0.4 } else { 0.0 };
        *cluster.shards.costs.borrow_mut() = before.iter().map(cost).collect();
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 3);
    });
}

#[test]
fn nothing_goes_unless_it_is_switched_on() {
    tell("", |cluster| async move {
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 0);
        assert!(cluster.is("off"));
        cluster.enable("true").await;
        cluster.periods(6).await;
        assert_eq!(cluster.moved(), 1);
        cluster.enable("false").await;
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 1);
        assert!(cluster.is("off"));
    });
}

#[test]
fn nothing_goes_before_all_shards_are_open() {
    let world = World::new(1);
    let (runtime, disk) = (world.runtime(), Disk::simulated(world.disk().clone()));
    world.run(async move {
        let cluster = Cluster::start(runtime, disk, "").await;
        cluster.reassign(1, 2).await;
        cluster.periods(LONG).await;
        assert_eq!(cluster.places(), [1; 4]);
        assert_eq!(cluster.numbers()["moves_pending"], 1.0);
        cluster.control.open().await.unwrap().unwrap();
        cluster.periods(1).await;
        assert_eq!(cluster.places(), [1, 2, 1, 1]);
    });
}

#[test]
fn nothing_goes_while_a_shard_is_silent_or_something_is_wrong() {
    tell(ON, |cluster| async move {
        cluster.shards.is_silent.set(true);
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 0);
        assert!(cluster.is("hindered"));
        cluster.shards.is_silent.set(false);
        cluster.shards.is_faulty.set(true);
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 0);
        assert!(cluster.is("hindered"));
        cluster.shards.is_faulty.set(false);
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 2);
    });
}

#[test]
fn what_an_operator_moves_goes_first_and_stays() {
    tell(ON, |cluster| async move {
        cluster.shards.keeps.set(true);
        cluster.reassign(3, 2).await;
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 0);
        let numbers = cluster.numbers();
        assert_eq!(numbers["moves_pending"], 1.0);
        assert!(numbers["moves_put_off_total"] > 10.0, "{numbers:?}");
        assert_eq!(numbers["balancer_moves_total"], 0.0);
        assert!(cluster.is("hindered"));
        cluster.shards.keeps.set(false);
        cluster.periods(LONG).await;
        assert_eq!(cluster.moved(), 2);
        assert_eq!(cluster.places()[3], 2);
        let numbers = cluster.numbers();
        assert_eq!(numbers["moves_total"], 2.0);
        assert_eq!(numbers["balancer_moves_total"], 1.0);
        // What came by hand a moment ago stays, though the shard is the busier one by far.
        *cluster.shards.costs.borrow_mut() = vec![0.0, 0.0, 0.2, 0.2];
        for to in [1, 2] {
            for index in 0..4 {
                cluster
                    .reassign(index, if index < 2 { 1 } else { to })
                    .await;
            }
            cluster.periods(2).await;
        }
        cluster.periods(50).await;
        assert_eq!(cluster.places(), [1, 1, 2, 2]);
        cluster.periods(50).await;
        assert_eq!(cluster.moved(), 1);
    });
}
