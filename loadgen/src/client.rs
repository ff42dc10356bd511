//! Drives: connections to a broker: whole calls while setting up, frames without waiting later.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, BrokerId, CreateTopicsRequest, FetchRequest, ListOffsetsRequest,
    MetadataRequest, ProduceRequest, RequestHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Versions spoken: the newest that every broker since Kafka 2.4 knows, before flexible fields.
pub const PRODUCE: i16 = 8;
/// Version of Fetch: names topics, has sessions (not used).
pub const FETCH: i16 = 11;
const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 5;
const CREATE_TOPICS: i16 = 4;

const TOPIC_ALREADY_EXISTS: i16 = 36;
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// No answer of a broker is larger: a larger length is no Kafka.
const FRAME_MAX_BYTES: usize = 1 << 30;

/// Why a broker could not be talked to.
#[derive(Debug)]
pub enum ClientError {
    /// It cannot be reached.
    Connect(String, io::Error),
    /// The connection broke.
    Io(io::Error),
    /// The broker closed the connection.
    Closed,
    /// An answer is not what was asked for.
    Malformed(String),
    /// The broker answered with a Kafka error code.
    Refused(&'static str, i16),
    /// The broker does not speak a version that loadgen does: API key, version.
    Unsupported(i16, i16),
    /// The topic is not as it should be.
    Topic(String),
}

/// Time of a run: nanoseconds since it was made, the same for all threads.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: SystemTime,
}

/// Where a partition lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    /// Number of the partition.
    pub partition: i32,
    /// Its leader, as host:port.
    pub address: String,
}

/// A connection to one broker.
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
    inbox: BytesMut,
    outbox: Vec<u8>,
    scratch: Box<[u8]>,
    waits: bool,
}

// === impl Clock ===

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock {
            origin: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Nanoseconds since the beginning.
    pub fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// The time of day at `ns`.
    pub fn wall(&self, ns: u64) -> SystemTime {
        self.wall + Duration::from_nanos(ns)
    }

    /// The same in milliseconds since 1970.
    pub fn wall_ms(&self, ns: u64) -> i64 {
        let since = self.wall(ns).duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as i64)
    }
}

// === impl Connection ===

/// `request` as a whole frame.
pub fn frame<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
) -> Result<Vec<u8>, ClientError> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("loadgen")));
    let mut bytes = BytesMut::from(&[0; 4][..]);
    header
        .encode(&mut bytes, R::header_version(version))
        .map_err(malformed)?;
    request.encode(&mut bytes, version).map_err(malformed)?;
    let length = (bytes.len() - 4) as i32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes.into())
}

/// The body of an answer to version `version`, and the id of the request that it answers.
pub fn open<M: Decodable + HeaderVersion>(
    mut answer: Bytes,
    version: i16,
) -> Result<(i32, M), ClientError> {
    let header_bytes = if M::header_version(version) == 0 {
        4
    } else {
        5
    };
    if answer.len() < header_bytes {
        return Err(ClientError::Malformed(
            "an answer without a header".to_owned(),
        ));
    }
    let id = i32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
    let mut body = answer.split_off(header_bytes);
    Ok((id, M::decode(&mut body, version).map_err(malformed)?))
}

fn malformed(reason: impl fmt::Display) -> ClientError {
    ClientError::Malformed(reason.to_string())
}

impl Connection {
    /// Connects to `address`, host:port.
    pub fn open(address: &str) -> Result<Connection, ClientError> {
        let failed = |error| ClientError::Connect(address.to_owned(), error);
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for resolved in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&resolved, CALL_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    stream
                        .set_read_timeout(Some(CALL_TIMEOUT))
                        .map_err(failed)?;
                    return Ok(Connection {
                        stream,
                        correlation_id: 0,
                        inbox: BytesMut::new(),
                        outbox: Vec::new(),
                        scratch: vec![0; 256 * 1024].into(),
                        waits: true,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    /// From here on nothing waits; [`Connection::call`] must not be used any more.
    pub fn never_wait(&mut self) -> Result<(), ClientError> {
        self.waits = false;
        self.stream.set_nonblocking(true).map_err(ClientError::Io)
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        self.correlation_id += 1;
        let frame = frame(request, version, self.correlation_id)?;
        self.stream.write_all(&frame).map_err(ClientError::Io)?;
        loop {
            if let Some(answer) = self.next_frame()? {
                let (id, body) = open(answer, version)?;
                if id != self.correlation_id {
                    return Err(malformed(format!("answer {id} to {}", self.correlation_id)));
                }
                return Ok(body);
            }
            self.receive()?;
        }
    }

    /// Hands `frame` to the kernel without waiting. False if nothing of it was taken; if a part
    /// was, the rest goes out by [`Connection::flush`].
    pub fn try_send(&mut self, frame: &[u8]) -> Result<bool, ClientError> {
        self.flush()?;
        if !self.outbox.is_empty() {
            return Ok(false);
        }
        match self.stream.write(frame) {
            Ok(taken) => {
                self.outbox.extend_from_slice(&frame[taken..]);
                Ok(true)
            }
            Err(error) if is_passing(&error) => Ok(false),
            Err(error) => Err(ClientError::Io(error)),
        }
    }

    /// Sends what is left of the last frame, as far as the kernel takes it.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(taken) => drop(self.outbox.drain(..taken)),
                Err(error) if is_passing(&error) => break,
                Err(error) => return Err(ClientError::Io(error)),
            }
        }
        Ok(())
    }

    /// Whether a part of a frame still has to go out.
    pub fn is_blocked(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Reads once what is there; false if that was nothing.
    pub fn receive(&mut self) -> Result<bool, ClientError> {
        match self.stream.read(&mut self.scratch) {
            Ok(0) => Err(ClientError::Closed),
            Ok(count) => {
                self.inbox.extend_from_slice(&self.scratch[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
            // A socket that waits says so only when its read timeout has passed.
            Err(error) if is_passing(&error) && !self.waits => Ok(false),
            Err(error) => Err(ClientError::Io(error)),
        }
    }

    /// The next whole answer among what was received, without its length.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, ClientError> {
        let Some(length) = self.inbox.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_MAX_BYTES {
            return Err(malformed(format!("an answer of {length} bytes")));
        }
        if self.inbox.len() < 4 + length {
            return Ok(None);
        }
        let mut frame = self.inbox.split_to(4 + length).freeze();
        Ok(Some(frame.split_off(4)))
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Sleeps until a connection has something to read (or room, where it is blocked), but no
/// longer than `wait_ns`.
pub fn sleep(connections: &[Connection], wait_ns: u64) {
    let mut fds: Vec<PollFd<'_>> = connections
        .iter()
        .map(|connection| {
            let room = if connection.is_blocked() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            PollFd::from_borrowed_fd(connection.stream.as_fd(), PollFlags::IN | room)
        })
        .collect();
    let seconds = (wait_ns / 1_000_000_000) as i64;
    let timeout = Timespec {
        tv_sec: seconds,
        tv_nsec: (wait_ns % 1_000_000_000) as i64,
    };
    // A signal ends the sleep early, and whoever sleeps looks at the clock again anyway.
    let _ = poll(&mut fds, Some(&timeout));
}

// === setting up ===

/// Creates the topic if asked to and finds out where its partitions live.
pub fn prepare(
    bootstrap: &str,
    topic: &str,
    create: Option<i32>,
) -> Result<Vec<Home>, ClientError> {
    let mut connection = Connection::open(bootstrap)?;
    check_versions(&mut connection)?;
    if let Some(partitions) = create {
        create_topic(&mut connection, topic, partitions)?;
    }
    let mut last = ClientError::Topic(format!("{topic} has no partitions"));
    // A new topic's leaders need a moment.
    for _ in 0..50 {
        match homes(&mut connection, topic) {
            Ok(homes) if create.is_some_and(|count| count as usize != homes.len()) => {
                let text = format!("{topic} is there with {} partitions", homes.len());
                return Err(ClientError::Topic(text));
            }
            Ok(homes) => return Ok(homes),
            Err(error @ (ClientError::Refused(..) | ClientError::Topic(_))) => last = error,
            Err(error) => return Err(error),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err(last)
}

fn check_versions(connection: &mut Connection) -> Result<(), ClientError> {
    let answer = connection.call(&ApiVersionsRequest::default(), 0)?;
    let needed = [
        (ProduceRequest::KEY, PRODUCE),
        (FetchRequest::KEY, FETCH),
        (ListOffsetsRequest::KEY, LIST_OFFSETS),
        (MetadataRequest::KEY, METADATA),
        (CreateTopicsRequest::KEY, CREATE_TOPICS),
    ];
    for (key, version) in needed {
        let spoken = answer.api_keys.iter().any(|api| {
            api.api_key == key && (api.min_version..=api.max_version).contains(&version)
        });
        if !spoken {
            return Err(ClientError::Unsupported(key, version));
        }
    }
    Ok(())
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn create_topic(
    connection: &mut Connection,
    topic: &str,
    partitions: i32,
) -> Result<(), ClientError> {
    let wanted = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        // The broker's own default (KIP-464) in version 4.
        .with_replication_factor(-1);
    let request = CreateTopicsRequest::default()
        .with_timeout_ms(10_000)
        .with_topics(vec![wanted]);
    let answer = connection.call(&request, CREATE_TOPICS)?;
    match answer.topics.first().map(|topic| topic.error_code) {
        Some(0 | TOPIC_ALREADY_EXISTS) => Ok(()),
        Some(code) => Err(ClientError::Refused("CreateTopics", code)),
        None => Err(malformed("CreateTopics was answered without the topic")),
    }
}

fn homes(connection: &mut Connection, topic: &str) -> Result<Vec<Home>, ClientError> {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(false);
    let answer = connection.call(&request, METADATA)?;
    let brokers: HashMap<BrokerId, String> = answer
        .brokers
        .iter()
        .map(|broker| (broker.node_id, format!("{}:{}", broker.host, broker.port)))
        .collect();
    let found = answer
        .topics
        .first()
        .ok_or_else(|| malformed("Metadata without the topic"))?;
    if found.error_code != 0 {
        return Err(ClientError::Refused("Metadata", found.error_code));
    }
    let home =
        |partition: &kafka_protocol::messages::metadata_response::MetadataResponsePartition| {
            let index = partition.partition_index;
            let address = brokers.get(&partition.leader_id).cloned();
            let lost = || ClientError::Topic(format!("partition {index} has no leader"));
            Ok(Home {
                partition: index,
                address: address.ok_or_else(lost)?,
            })
        };
    let mut homes: Vec<Home> = found
        .partitions
        .iter()
        .map(home)
        .collect::<Result<_, _>>()?;
    if homes.is_empty() {
        return Err(ClientError::Topic(format!("{topic} has no partitions")));
    }
    homes.sort_by_key(|home| home.partition);
    Ok(homes)
}

/// The offset that the next record of `partition` will get.
pub fn end_offset(
    connection: &mut Connection,
    topic: &str,
    partition: i32,
) -> Result<i64, ClientError> {
    let asked = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_timestamp(-1);
    let asked = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![asked]);
    let answer = connection.call(&request, LIST_OFFSETS)?;
    let found = answer
        .topics
        .first()
        .and_then(|topic| topic.partitions.first());
    match found {
        Some(found) if found.error_code == 0 => Ok(found.offset),
        Some(found) => Err(ClientError::Refused("ListOffsets", found.error_code)),
        None => Err(malformed("ListOffsets was answered without the partition")),
    }
}

// === impl ClientError ===

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Connect(address, error) => write!(f, "cannot reach {address}: {error}"),
            ClientError::Io(error) => write!(f, "the connection broke: {error}"),
            ClientError::Closed => f.write_str("the broker closed the connection"),
            ClientError::Malformed(reason) => write!(f, "not a Kafka answer: {reason}"),
            ClientError::Refused(what, code) => {
                write!(f, "{what} was refused with Kafka error code {code}")
            }
            ClientError::Unsupported(key, version) => {
                write!(
                    f,
                    "the broker does not speak version {version} of API {key}"
                )
            }
            ClientError::Topic(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ClientError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers_are_cut_into_frames_wherever_they_are_split() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in [&[0, 0, 0][..], &[2, 7], &[8, 0, 0, 0, 1, 9, 0]] {
                stream.write_all(piece).unwrap();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let mut connection = Connection::open(&address).unwrap();
        let mut frames = Vec::new();
        let end = loop {
            while let Some(frame) = connection.next_frame().unwrap() {
                frames.push(frame.to_vec());
            }
            if let Err(end) = connection.receive() {
                break end;
            }
        };
        server.join().unwrap();
        assert!(matches!(end, ClientError::Closed));
        assert_eq!(frames, [vec![7, 8], vec![9]]);
    }
}
