//! Drives: what clients work against: a broker alone that is killed, or three whose coordinators
//! die and are moved.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use corelane_testing::copied::{Values, committed};
use corelane_testing::members::{Cluster, Strikes, TWO, connect, three, view};
use corelane_testing::requests::create_topic;
use corelane_testing::{Broker, Client, Start};
use fastrand::Rng;
use tempfile::TempDir;

use crate::{HERE, PARTITIONS};

const SHARDS: usize = 2;
/// Transactions and members that are killed end soon.
const SETTINGS: [&str; 3] = [
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
];
/// How long an answer may take: with it a request that waits for replicas.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often leaders are looked for, until there are some.
const TRIES: usize = 100;

/// Where everything of a site is.
pub struct Site {
    nodes: Vec<SocketAddr>,
    brokers: Brokers,
    pub dir: TempDir,
}

enum Brokers {
    Alone {
        start: Start,
        broker: Option<Broker>,
        kills: usize,
    },
    Three(Cluster, Strikes),
}

/// The way to a site's brokers.
#[derive(Clone)]
pub struct Nodes(pub Vec<SocketAddr>);

impl Site {
    /// One broker of two shards.
    pub fn alone(_: &mut Rng) -> Result<Site, String> {
        let dir = HERE.data_dir();
        let properties = dir.path().join("server.properties");
        let few = "offsets.topic.num.partitions=4\ntransaction.state.log.num.partitions=4\n";
        let text = format!("{}\n{few}", SETTINGS.join("\n"));
        std::fs::write(&properties, text).map_err(|error| error.to_string())?;
        let start = HERE.start(&dir.path().join("data")).shards(SHARDS);
        let start = start.arg("--config", properties.to_str().expect("UTF-8"));
        let broker = Some(start.ready());
        Ok(Site {
            nodes: start.nodes(),
            brokers: Brokers::Alone {
                start,
                broker,
                kills: 0,
            },
            dir,
        })
    }

    /// Three brokers, with three replicas of everything; what befalls them goes by `random`.
    pub fn cluster(random: &mut Rng) -> Result<Site, String> {
        let dir = HERE.data_dir();
        let cluster = three(&HERE, dir.path(), &SETTINGS);
        let strikes = Strikes::new(random.fork());
        Ok(Site {
            nodes: cluster.addresses(),
            brokers: Brokers::Three(cluster, strikes),
            dir,
        })
    }

    /// The way to its brokers.
    pub fn nodes(&self) -> Nodes {
        Nodes(self.nodes.clone())
    }

    /// Creates a topic.
    pub fn create(&self, topic: &str) {
        match &self.brokers {
            Brokers::Three(cluster, _) => cluster.create(topic, PARTITIONS, 3, TWO),
            Brokers::Alone { start, .. } => {
                let mut client = Client::connect(start.port);
                assert_eq!(create_topic(&mut client, topic, PARTITIONS), 0);
            }
        }
    }

    /// Kills the broker and starts it again; in a cluster something befalls a coordinator. `wait`
    /// is told how long clients are to go on meanwhile.
    pub fn strike(&mut self, wait: &mut dyn FnMut(Duration)) {
        match &mut self.brokers {
            Brokers::Three(cluster, strikes) => strikes.strike(cluster, wait),
            Brokers::Alone {
                start,
                broker,
                kills,
            } => {
                *kills += 1;
                broker.take().expect("a broker that runs").kill();
                *broker = Some(start.ready());
            }
        }
    }

    /// Whether something of each kind has befallen it.
    pub fn is_enough(&self) -> bool {
        match &self.brokers {
            Brokers::Three(_, strikes) => strikes.is_enough(),
            Brokers::Alone { kills, .. } => *kills > 0,
        }
    }

    /// Waits until all is well.
    pub fn settle(&self, topics: &[&str]) {
        if let Brokers::Three(cluster, strikes) = &self.brokers {
            strikes.settle(cluster, topics);
        }
    }

    /// Stops it, when nothing is appended to these topics any more; what befell it.
    pub fn stop(self, topics: &[&str]) -> String {
        match self.brokers {
            Brokers::Three(cluster, strikes) => {
                strikes.end(cluster, topics, PARTITIONS as usize);
                strikes.to_string()
            }
            Brokers::Alone { broker, kills, .. } => {
                broker.expect("a broker that runs").stop();
                format!("{kills} kills of the broker")
            }
        }
    }
}

impl Nodes {
    /// The same as Kafka's clients want it.
    pub fn servers(&self) -> String {
        let nodes: Vec<String> = self.0.iter().map(SocketAddr::to_string).collect();
        nodes.join(",")
    }

    /// A client of the node that leads a partition, if one is known and answers.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<Client> {
        self.0.iter().find_map(|node| {
            let views = view(*node, topic).ok()?;
            let leader = views.get(partition as usize)?.address?;
            connect(leader, PATIENCE).ok()
        })
    }

    /// A client of any of them, if one answers.
    pub fn any(&self) -> Option<Client> {
        let mut nodes = self.0.iter();
        nodes.find_map(|node| connect(*node, PATIENCE).ok())
    }

    /// What a reader of committed records finds in a partition, once it has a leader.
    pub fn committed(&self, topic: &str, partition: i32) -> Result<Values, String> {
        let mut last = format!("nothing serves {topic}-{partition}");
        for _ in 0..TRIES {
            if let Some(mut leader) = self.leader(topic, partition) {
                match committed(&mut leader, topic, partition) {
                    Ok(values) => return Ok(values),
                    Err(error) => last = error,
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(last)
    }
}
