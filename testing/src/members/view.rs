//! Drives: what a broker says of a topic: who leads its partitions, and who is in sync.

use std::io::Result;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;

use crate::requests::topic_name;
use crate::{CLIENT_ID, Client};

/// How long a broker may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// A partition as the metadata of one broker has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// -1 when it has none.
    pub leader: i32,
    pub leader_epoch: i32,
    /// Where the leader is, when that is known.
    pub address: Option<SocketAddr>,
    /// In the order of preference.
    pub replicas: Vec<i32>,
    /// In the order of their ids.
    pub isr: Vec<i32>,
}

/// A connection whose answers may take so long; an error where there is none soon.
pub fn connect(address: SocketAddr, patience: Duration) -> Result<Client> {
    let stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_nodelay(true)?;
    let client = Client::over(stream, CLIENT_ID)?;
    client.stream.set_read_timeout(Some(patience))?;
    Ok(client)
}

/// The partitions of a topic in the order of their numbers, as the broker at `address` has them;
/// none where it knows no such topic.
pub fn view(address: SocketAddr, topic: &str) -> Result<Vec<View>> {
    let mut client = connect(address, Duration::from_secs(2))?;
    let wanted = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![wanted]))
        .with_allow_auto_topic_creation(false);
    let answer = client.try_call(9, &request)?;
    let place = |node: i32| {
        let broker = answer.brokers.iter().find(|it| it.node_id.0 == node)?;
        format!("{}:{}", broker.host, broker.port).parse().ok()
    };
    let Some(topic) = answer.topics.first() else {
        return Ok(Vec::new());
    };
    let mut partitions: Vec<_> = topic.partitions.iter().collect();
    partitions.sort_by_key(|it| it.partition_index);
    let views = partitions.into_iter().map(|it| {
        let ids = |nodes: &[kafka_protocol::messages::BrokerId]| {
            nodes.iter().map(|node| node.0).collect::<Vec<i32>>()
        };
        let mut isr = ids(&it.isr_nodes);
        isr.sort_unstable();
        View {
            leader: it.leader_id.0,
            leader_epoch: it.leader_epoch,
            address: place(it.leader_id.0),
            replicas: ids(&it.replica_nodes),
            isr,
        }
    });
    Ok(views.collect())
}
