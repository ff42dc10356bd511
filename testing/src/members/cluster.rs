//! Drives: controllers and brokers together: what the tests of a cluster ask of it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kafka_protocol::messages::{CreateTopicsRequest, FindCoordinatorRequest};

use super::member::{Kind, Member};
use super::stored::{Stored, stored};
use super::view::{View, connect, view};
use crate::net::Host;
use crate::quorum::{Quorum, kafka_program};
use crate::requests::{new_topic, text};
use crate::{Here, until_within};

/// How long a change may take that the whole cluster sees: several JVMs share two cores.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings of all members: small internal topics whose every record two replicas have, and
/// followers that are missed soon.
const LINES: [&str; 9] = [
    "offsets.topic.num.partitions=3",
    "offsets.topic.replication.factor=3",
    "transaction.state.log.num.partitions=3",
    "transaction.state.log.replication.factor=3",
    "default.replication.factor=3",
    "replica.lag.time.max.ms=3000",
    "replica.fetch.wait.max.ms=250",
    "group.initial.rebalance.delay.ms=0",
    "auto.create.topics.enable=false",
];

/// The setting of how many nodes a member is.
const SHARDS: &str = "corelane.shards=";

/// Controllers of Apache Kafka, and members with the ids from 1 on.
pub struct Cluster {
    /// Its controllers.
    pub quorum: Quorum,
    /// Its brokers; that of node `id` is the one at `id - 1`, where each is one node.
    pub members: Vec<Member>,
    /// How many nodes each is.
    shards: usize,
}

impl Cluster {
    /// So many controllers and members of these kinds, all in folders in `dir`, started. `lines`
    /// are settings of all members, which win.
    pub fn start(
        here: &Here,
        dir: &Path,
        controllers: usize,
        kinds: &[Kind],
        lines: &[&str],
    ) -> Cluster {
        Cluster::of(here, dir, Quorum::start(dir, controllers), kinds, lines)
    }

    /// As [`Self::start`], of controllers that run.
    pub fn of(here: &Here, dir: &Path, quorum: Quorum, kinds: &[Kind], lines: &[&str]) -> Cluster {
        let hosts = vec![Host::local(); kinds.len()];
        Cluster::on(&hosts, here, dir, quorum, kinds, lines)
    }

    /// As [`Self::of`], each member on one of these hosts.
    pub fn on(
        hosts: &[Host],
        here: &Here,
        dir: &Path,
        quorum: Quorum,
        kinds: &[Kind],
        lines: &[&str],
    ) -> Cluster {
        let mut all = LINES.to_vec();
        // Each setting once.
        all.retain(|line| lines.iter().all(|one| name_of(one) != name_of(line)));
        all.extend(lines);
        // As many nodes as the settings say.
        let told = lines
            .iter()
            .find_map(|it| it.strip_prefix(SHARDS)?.parse().ok());
        let shards: usize = told.unwrap_or(1);
        let ids = (1..).step_by(shards);
        let members = kinds.iter().zip(hosts).zip(ids).map(|((kind, host), id)| {
            let host = host.clone();
            // Replicas on different machines.
            let rack = format!("broker.rack=machine-{id}");
            let rack = [rack.as_str()];
            let lines = [&all, &rack[usize::from(shards == 1)..]].concat();
            let mut member = Member::new(here, *kind, dir, id, host, &quorum, &lines);
            member.start();
            member
        });
        let mut members: Vec<Member> = members.collect();
        members.iter_mut().for_each(Member::wait_ready);
        Cluster {
            quorum,
            members,
            shards,
        }
    }

    /// Adds a member, formatted but not started: its node. `lines` are settings, which win.
    pub fn add(&mut self, here: &Here, dir: &Path, kind: Kind, lines: &[&str]) -> i32 {
        let id = (self.members.len() * self.shards) as i32 + 1;
        let all = [&LINES[..], lines].concat();
        let member = Member::new(here, kind, dir, id, Host::local(), &self.quorum, &all);
        self.members.push(member);
        id
    }

    fn place(&self, id: i32) -> usize {
        (id as usize - 1) / self.shards
    }

    /// The member that is node `id`.
    pub fn node(&mut self, id: i32) -> &mut Member {
        let at = self.place(id);
        &mut self.members[at]
    }

    /// Where all nodes are.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let nodes = |it: &Member| {
            let first = it.address();
            let ports = first.port()..first.port() + self.shards as u16;
            ports.map(move |port| (first.ip(), port).into())
        };
        self.members.iter().flat_map(nodes).collect()
    }

    /// The same as the tools want it: of those that run.
    pub fn servers(&self) -> String {
        let running = self.members.iter().filter(|it| it.is_running());
        let addresses: Vec<_> = running.map(|it| it.address().to_string()).collect();
        addresses.join(",")
    }

    /// The partitions of a topic as the first member says that answers.
    pub fn view(&self, topic: &str) -> Vec<View> {
        let running = self.members.iter().filter(|it| it.is_running());
        let mut views = running.filter_map(|it| view(it.address(), topic).ok());
        views.next().unwrap_or_default()
    }

    /// The same of one partition; without a leader where it is unknown.
    pub fn partition(&self, topic: &str, partition: usize) -> View {
        let unknown = View {
            leader: -1,
            ..View::default()
        };
        self.view(topic)
            .into_iter()
            .nth(partition)
            .unwrap_or(unknown)
    }

    /// Waits until all members that run say so of a topic's partitions; `what` names it.
    pub fn wait(&self, topic: &str, what: &str, is_so: impl Fn(&[View]) -> bool) {
        let running = self.members.iter().filter(|it| it.is_running());
        for member in running {
            let address = member.address();
            let log = || {
                let seen = view(address, topic);
                format!("never {what}: {seen:?}\n{}", self.last_words())
            };
            until_within(PATIENCE, log, || {
                let seen = view(address, topic).ok()?;
                (!seen.is_empty() && is_so(&seen)).then_some(())
            });
        }
    }

    /// Waits until each partition of a topic has a leader and so many replicas in sync.
    pub fn wait_in_sync(&self, topic: &str, replicas: usize) {
        let what = format!("{replicas} in sync");
        self.wait(topic, &what, |seen| {
            seen.iter()
                .all(|it| it.leader >= 0 && it.isr.len() == replicas)
        });
    }

    /// The leader of one partition, once it has one that is none of `not`.
    pub fn leader(&self, topic: &str, partition: usize, not: &[i32]) -> i32 {
        let log = || {
            let seen = self.view(topic);
            format!("no leader but {not:?}: {seen:?}\n{}", self.last_words())
        };
        until_within(PATIENCE, log, || {
            let leader = self.partition(topic, partition).leader;
            (leader >= 0 && !not.contains(&leader)).then_some(leader)
        })
    }

    /// The node that coordinates a group, once it is known and runs.
    pub fn coordinator(&self, group: &str) -> i32 {
        let request = FindCoordinatorRequest::default().with_key(text(group));
        let ask = |address| {
            let mut client = connect(address, Duration::from_secs(5)).ok()?;
            let answer = client.try_call(2, &request).ok()?;
            (answer.error_code == 0).then_some(answer.node_id.0)
        };
        let running = |id: i32| self.members[self.place(id)].is_running();
        until_within(
            PATIENCE,
            || format!("no coordinator of {group}:\n{}", self.last_words()),
            || {
                let members = self.members.iter().filter(|it| it.is_running());
                let mut found = members.filter_map(|it| ask(it.address()));
                found.next().filter(|id| running(*id))
            },
        )
    }

    /// Creates a topic with so many partitions and replicas, and waits until all are in sync.
    pub fn create(&self, topic: &str, partitions: i32, replicas: i16, configs: &[(&str, &str)]) {
        let create = || {
            let mut members = self.members.iter().filter(|it| it.is_running());
            let code = create_topic(
                members.next()?.address(),
                topic,
                partitions,
                replicas,
                configs,
            );
            matches!(code, Ok(0 | 36)).then_some(())
        };
        let log = || format!("{topic} is not created:\n{}", self.last_words());
        until_within(PATIENCE, log, create);
        self.wait_in_sync(topic, replicas as usize);
    }

    /// What one of Kafka's tools says of the cluster; it must succeed.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        let servers = self.servers();
        let arguments = [&["--bootstrap-server", &servers], arguments].concat();
        kafka_tool(class, &arguments)
    }

    /// The last lines of all logs of members, for a test that fails.
    pub fn last_words(&self) -> String {
        let words: Vec<String> = self.members.iter().map(Member::last_words).collect();
        words.join("\n")
    }

    /// Stops all members, one after the other, and checks that none of them complained.
    pub fn stop(&mut self) {
        for member in &mut self.members {
            if member.is_running() {
                member.stop();
            }
            assert_eq!(member.complaint(), None, "{}", member.last_words());
        }
    }

    /// What each member has stored of a partition, once all are stopped.
    pub fn stored(&self, topic: &str, partition: i32) -> Vec<(i32, Option<Vec<Stored>>)> {
        let of = |it: &Member| (it.id, stored(&it.dir, topic, partition));
        self.members.iter().map(of).collect()
    }
}

/// Creates a topic, as the broker at `address` is asked to: its error code.
pub fn create_topic(
    address: SocketAddr,
    topic: &str,
    partitions: i32,
    replicas: i16,
    configs: &[(&str, &str)],
) -> std::io::Result<i16> {
    let topic = new_topic(topic, partitions, configs).with_replication_factor(replicas);
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![topic]);
    let answer = connect(address, PATIENCE)?.try_call(7, &request)?;
    Ok(answer.topics[0].error_code)
}

/// What a tool of Kafka's says; it must succeed.
pub fn kafka_tool(class: &str, arguments: &[&str]) -> String {
    try_kafka_tool(class, arguments).unwrap_or_else(|said| panic!("{class} {arguments:?}: {said}"))
}

/// What a tool of Kafka's says; where it fails, its errors too.
pub fn try_kafka_tool(class: &str, arguments: &[&str]) -> Result<String, String> {
    let output = kafka_program(class).args(arguments).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(said + &String::from_utf8_lossy(&output.stderr)),
    }
}

fn name_of(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}
