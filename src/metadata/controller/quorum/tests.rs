//! Drives: the nodes of a process in a cluster, in a simulated world with a double of its quorum.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::select;

use super::*;
use crate::base::config::{ConfigFile, Flags, HostFacts, load};
use crate::io::sim::{SimNet, World};
use crate::metadata::controller::{IDENTITY_FILE, Identity, shard_dir};
use crate::metadata::source::quorum::double::{CLUSTER, Quorum, SESSION};

const SECOND: Duration = Duration::from_secs(1);
const NODES: [NodeId; 2] = [NodeId(5), NodeId(6)];

struct Scene {
    net: Net,
    weather: SimNet,
    disk: Disk,
    runtime: Runtime,
    quorum: Quorum,
}

fn config(quorum: &Quorum) -> Arc<BrokerConfig> {
    let text = format!(
        "process.roles=broker\nnode.id=5\ncorelane.shards=2\nlog.dirs=/data\n\
         listeners=PLAINTEXT://:9092\nadvertised.listeners=PLAINTEXT://broker:9092\n\
         controller.listener.names=CONTROLLER\nbroker.rack=r\n\
         broker.heartbeat.interval.ms=1000\ninitial.broker.registration.timeout.ms=30000\n\
         controller.quorum.bootstrap.servers={}\n",
        quorum.bootstrap_servers()
    );
    let file = ConfigFile {
        name: "test",
        text: &text,
    };
    let host = HostFacts {
        name: "host".into(),
        cpus: 2,
        cores: 2,
    };
    load(Some(file), &Flags::default(), &host).unwrap().into()
}

/// Runs `story` with a quorum of three, of which the first leads, and formatted folders.
fn in_world<T: 'static, F: Future<Output = T> + 'static>(
    story: impl FnOnce(Scene) -> F + 'static,
) -> T {
    let world = World::new(7);
    let (quorum, net) = Quorum::in_world(&world);
    let scene = Scene {
        net,
        weather: world.net().clone(),
        disk: Disk::simulated(world.disk().clone()),
        runtime: world.runtime(),
        quorum,
    };
    world.run(async move {
        scene.format().await;
        story(scene).await
    })
}

impl Scene {
    async fn format(&self) {
        for (index, node) in NODES.into_iter().enumerate() {
            let dir = shard_dir("/data".as_ref(), index);
            let identity = Identity {
                cluster_id: CLUSTER.to_owned(),
                node,
                directory: Uuid::from_u128((1 << 100) + index as u128),
                in_cluster: true,
            };
            self.disk.create_dir(&dir).await.unwrap();
            let path = dir.join(IDENTITY_FILE);
            let text = identity.text().into_bytes();
            self.disk.write(&path, text).await.unwrap();
        }
    }

    async fn load(&self) -> Result<Rc<QuorumController>, LoadError> {
        let config = config(&self.quorum);
        let cluster = config.cluster.as_ref().expect("a broker of a cluster");
        let (net, disk) = (&self.net, &self.disk);
        let dirs = [PathBuf::from("/data")];
        QuorumController::load(net, disk, &config, cluster, &dirs, &[9092, 9093]).await
    }

    /// Has a shard that is well stand behind each node.
    async fn open(&self, controller: &Rc<QuorumController>) {
        for node in controller.nodes() {
            node.has_opened();
            self.live(controller, node, Rc::default());
        }
        controller.unfenced().await;
    }

    fn live(&self, controller: &Rc<QuorumController>, node: &Rc<Node>, stuck: Rc<Bell>) {
        let (runtime, node, controller) = (self.runtime.clone(), node.clone(), controller.clone());
        let stuck = self.runtime.spawn(async move { stuck.wait().await });
        self.runtime.spawn(async move {
            let living = std::pin::pin!(async {
                loop {
                    node.is_alive(runtime.now());
                    node.has_applied(controller.image().highest_offset());
                    runtime.sleep(SECOND / 10).await;
                }
            });
            select(living, std::pin::pin!(stuck.join())).await;
        });
    }

    async fn within<T>(&self, seconds: u32, what: impl Future<Output = T>) -> T {
        let found = self.runtime.within(SECOND * seconds, what).await;
        found.unwrap_or_else(|| panic!("not within {seconds} s"))
    }
}

#[test]
fn the_nodes_of_a_process_join_and_leave_a_cluster() {
    in_world(|scene| async move {
        let controller = scene.within(5, scene.load()).await.unwrap();
        let image = controller.image();
        let broker = image.brokers.get(NODES[1]).unwrap();
        assert!(broker.fenced && broker.rack.as_deref() == Some("r"));
        assert_eq!(broker.endpoint("PLAINTEXT").unwrap().port, 9093);
        assert_eq!(broker.endpoint("PLAINTEXT").unwrap().host, "broker");
        assert_eq!(broker.log_dirs, [Uuid::from_u128((1 << 100) + 1)]);
        scene.runtime.sleep(10 * SECOND).await;
        assert!(
            !controller.nodes()[0].is_unfenced(),
            "its logs are not open"
        );
        scene.within(5, scene.open(&controller)).await;
        let standing = controller.standing();
        assert_eq!((standing.fenced.len(), standing.epoch), (0, 1));
        // A node keeps its place for as long as it reports.
        scene.runtime.sleep(5 * SESSION).await;
        assert!(
            NODES
                .iter()
                .all(|node| controller.image().brokers.is_alive(*node))
        );
        // What is asked of the active controller.
        let ids = controller.allocate_producer_ids(NODES[0]).await;
        assert_eq!(ids, Some(5_000..6_000));
        let forward = Forward {
            request: Bytes::from_static(b"request"),
            principal: Bytes::new(),
            client_host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let answer = controller.forward(forward.clone()).await;
        assert_eq!(answer.as_deref(), Ok(&b"request"[..]));
        let epochs = scene.within(2, controller.leave()).await;
        let known = |node| {
            controller
                .image()
                .brokers
                .get(node)
                .map_or(0, |it| it.epoch)
        };
        assert_eq!(epochs, NODES.map(known));
        // With all controllers lost there is an error in time.
        (0..3).for_each(|index| scene.weather.cut(scene.quorum.socket(index)));
        let answer = scene.within(70, controller.forward(forward)).await;
        assert_eq!(answer, Err(ForwardError::Unreachable));
        assert!(!controller.faults(0).is_empty());
    });
}

#[test]
fn a_node_whose_shard_is_stuck_is_fenced_and_the_others_are_not() {
    in_world(|scene| async move {
        let controller = scene.within(5, scene.load()).await.unwrap();
        let stuck = Rc::new(Bell::default());
        let [first, second] = controller.nodes() else {
            panic!("two nodes");
        };
        first.has_opened();
        second.has_opened();
        scene.live(&controller, first, Rc::default());
        scene.live(&controller, second, stuck.clone());
        scene.within(5, controller.unfenced()).await;
        stuck.ring();
        let is_fenced = |image: &Image| !image.brokers.is_alive(NODES[1]);
        scene
            .within(12, controller.watch().image_where(is_fenced))
            .await;
        assert!(controller.image().brokers.is_alive(NODES[0]));
        // It goes on: it may lead again, in the same epoch.
        let epoch = second.epoch();
        scene.live(&controller, second, Rc::default());
        scene.within(5, controller.unfenced()).await;
        assert_eq!(second.epoch(), epoch);
    });
}

#[test]
fn another_controller_takes_over_and_a_lost_registration_is_made_anew() {
    in_world(|scene| async move {
        let controller = scene.within(5, scene.load()).await.unwrap();
        scene.within(5, scene.open(&controller)).await;
        let quorum = &scene.quorum;
        scene.weather.cut(quorum.socket(0));
        quorum.elect(None, 0);
        scene.runtime.sleep(2 * SECOND).await;
        quorum.elected(1);
        scene.runtime.sleep(3 * SESSION).await;
        assert!(
            NODES
                .iter()
                .all(|node| controller.image().brokers.is_alive(*node))
        );
        let standing = controller.standing();
        assert_eq!(standing.epoch, 2);
        assert_eq!(standing.address, "10.0.1.1:9093");
        let ids = scene
            .within(10, controller.allocate_producer_ids(NODES[1]))
            .await;
        assert!(ids.is_some());
        let before = controller.nodes()[0].epoch().unwrap();
        quorum.forget(NODES[0].0);
        let registered = |image: &Image| {
            let broker = image.brokers.get(NODES[0]);
            broker.is_some_and(|broker| broker.epoch > before && !broker.fenced)
        };
        scene
            .within(10, controller.watch().image_where(registered))
            .await;
    });
}

#[test]
fn a_restart_waits_for_the_old_session_and_says_how_it_was_stopped() {
    in_world(|scene| async move {
        let write = async |epoch: i64| {
            for index in 0..2 {
                let path = shard_dir("/data".as_ref(), index).join(crate::log::CLEAN_SHUTDOWN);
                let text = format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}");
                scene.disk.write(&path, text.into_bytes()).await.unwrap();
            }
        };
        let controller = scene.within(5, scene.load()).await.unwrap();
        assert_eq!(scene.quorum.previous_epoch(5), -1);
        let epochs = controller.leave().await;
        write(epochs[0]).await;
        let begun = scene.runtime.now();
        let _again = scene.within(10, scene.load()).await.unwrap();
        assert!(scene.runtime.now().since(begun) > SESSION / 2);
        assert_eq!(scene.quorum.previous_epoch(5), epochs[0]);
    });
}

#[test]
fn what_keeps_a_broker_out_is_said_in_one_sentence() {
    let refused = |spoil: fn(&Scene) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| {
        in_world(move |scene| async move {
            spoil(&scene).await;
            let loaded = scene.within(60, scene.load()).await;
            loaded.err().expect("refused").to_string()
        })
    };
    let other = refused(|scene| {
        scene.quorum.set_cluster_id("another");
        Box::pin(std::future::ready(()))
    });
    assert!(other.contains("another cluster"), "{other}");
    let late = refused(|scene| {
        (0..3).for_each(|index| scene.weather.cut(scene.quorum.socket(index)));
        Box::pin(std::future::ready(()))
    });
    assert!(late.contains(" could not register within"), "{late}");
    let unformatted = refused(|scene| {
        Box::pin(async {
            for index in 0..2 {
                let path = shard_dir("/data".as_ref(), index).join(IDENTITY_FILE);
                scene.disk.remove(&path).await.unwrap();
            }
        })
    });
    assert!(
        unformatted.contains("/data/shard-0 is not formatted"),
        "{unformatted}"
    );
    let taken = in_world(|scene| async move {
        let first = scene.within(5, scene.load()).await.unwrap();
        scene.open(&first).await;
        let second = scene.within(60, scene.load()).await;
        second.err().expect("refused").to_string()
    });
    assert!(
        taken.contains("is registered by another process"),
        "{taken}"
    );
}
