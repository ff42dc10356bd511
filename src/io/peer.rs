//! Drives: a connection to another Kafka process, on which this one is the client.
//!
//! Requests are answered in their order, as Kafka does, so several may be under way. Whatever
//! cannot be the answer to the oldest of them closes the connection, and so does a wait that was
//! given up: what comes later could be taken for the answer to another request.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::net::Net;
use super::runtime::Runtime;
use super::stream::Stream;
use crate::wire::codec::{DecodeError, EncodeError, Request, decode_answer, encode_request};
use crate::wire::frame::{FrameError, PREFIX_BYTES, length_of};
use crate::wire::header::split_response;

/// What a peer may do to this process.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// What this process calls itself.
    pub client_id: String,
    /// Size of the largest answer, in bytes.
    pub answer_bytes_max: i32,
    /// How long it may take to find and reach the peer.
    pub connect_within: Duration,
}

/// Why a request was not answered. Unless it could not be encoded, the connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The host has no address.
    #[error("{0} cannot be resolved: {1}")]
    Resolve(String, io::Error),
    /// None of the addresses can be reached.
    #[error("{0} cannot be reached: {1}")]
    Connect(String, io::Error),
    /// The connection has failed.
    #[error("the connection has failed: {0}")]
    Broken(io::Error),
    /// The peer has closed the connection, or an earlier error has.
    #[error("the connection is closed")]
    Closed,
    /// Nothing came in time.
    #[error("there was no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// An answer claims this length, which is negative or more than is taken.
    #[error("an answer claims a length of {0} bytes")]
    Length(i32),
    /// An answer is not that to the oldest request.
    #[error("an answer belongs to another request")]
    Order,
    /// An answer cannot be read.
    #[error("an answer is not understood: {0}")]
    Garbled(DecodeError),
    /// The request has a field that this version lacks.
    #[error("a request cannot be encoded: {0}")]
    Encode(EncodeError),
}

/// A connection to another Kafka process.
pub struct Peer {
    /// `None` once it is closed.
    stream: Option<Stream>,
    runtime: Runtime,
    options: PeerOptions,
    address: SocketAddr,
    /// Number of the last request that was sent.
    sent: i32,
    /// The requests that are not answered, the oldest first.
    waiting: VecDeque<Waiting>,
}

/// A request that is not answered.
struct Waiting {
    correlation_id: i32,
    api_key: i16,
    version: i16,
}

// === impl Peer ===

impl Peer {
    /// Connects to `host` and `port`: to the first of the host's addresses that can be reached.
    pub async fn connect(
        net: &Net,
        runtime: &Runtime,
        (host, port): (&str, u16),
        options: PeerOptions,
    ) -> Result<Peer, PeerError> {
        let limit = options.connect_within;
        let reaching = runtime.within(limit, reach(net, host, port));
        let (stream, address) = reaching.await.ok_or(PeerError::Late(limit))??;
        Ok(Peer {
            stream: Some(stream),
            runtime: runtime.clone(),
            options,
            address,
            sent: 0,
            waiting: VecDeque::new(),
        })
    }

    /// The address that it is connected to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether requests can be sent, as far as is known.
    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// How many requests are not answered.
    pub fn under_way(&self) -> usize {
        self.waiting.len()
    }

    /// Sends a request and waits for its answer. No other may be under way.
    pub async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        limit: Duration,
    ) -> Result<R::Response, PeerError> {
        assert!(self.waiting.is_empty(), "other requests are under way");
        let runtime = self.runtime.clone();
        let call = async {
            self.send(version, request).await?;
            self.receive::<R>().await
        };
        let answered = runtime.within(limit, call).await;
        answered.unwrap_or_else(|| self.close(PeerError::Late(limit)))
    }

    /// Sends a request, behind those that are under way; waits while the peer takes nothing.
    pub async fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<(), PeerError> {
        let correlation_id = self.sent.wrapping_add(1);
        let mut frame = BytesMut::new();
        let name = &self.options.client_id;
        encode_request(version, correlation_id, name, request, &mut frame)
            .map_err(PeerError::Encode)?;
        // Put back when all is written: a send that is given up half way leaves it closed.
        let stream = self.stream.take().ok_or(PeerError::Closed)?;
        match stream.write_all(&frame).await {
            Ok(()) => self.stream = Some(stream),
            Err(error) => return self.close(PeerError::Broken(error)),
        }
        self.sent = correlation_id;
        self.waiting.push_back(Waiting {
            correlation_id,
            api_key: R::KEY,
            version,
        });
        Ok(())
    }

    /// The answer to the oldest request that has none yet, which must be an `R`.
    pub async fn answer<R: Request>(&mut self, limit: Duration) -> Result<R::Response, PeerError> {
        let runtime = self.runtime.clone();
        let answered = runtime.within(limit, self.receive::<R>()).await;
        answered.unwrap_or_else(|| self.close(PeerError::Late(limit)))
    }

    async fn receive<R: Request>(&mut self) -> Result<R::Response, PeerError> {
        let stream = self.stream.take().ok_or(PeerError::Closed)?;
        let waiting = self.waiting.pop_front().expect("a request is under way");
        assert_eq!(waiting.api_key, R::KEY, "answers come in order");
        let frame = match read_frame(&stream, self.options.answer_bytes_max).await {
            Ok(frame) => frame,
            Err(error) => return self.close(error),
        };
        let Some((number, body)) = split_response(&frame, R::KEY, waiting.version) else {
            return self.close(PeerError::Length(frame.len() as i32));
        };
        if number != waiting.correlation_id {
            return self.close(PeerError::Order);
        }
        match decode_answer::<R>(body, waiting.version) {
            Ok(answer) => {
                self.stream = Some(stream);
                Ok(answer)
            }
            Err(error) => self.close(PeerError::Garbled(error)),
        }
    }

    /// Closes the connection because of `error`.
    fn close<T>(&mut self, error: PeerError) -> Result<T, PeerError> {
        self.stream = None;
        self.waiting.clear();
        Err(error)
    }
}

/// Connects to the first address of `host` that can be reached.
async fn reach(net: &Net, host: &str, port: u16) -> Result<(Stream, SocketAddr), PeerError> {
    let name = || format!("{host}:{port}");
    let found = net.resolve(host, port).await;
    let found = found.map_err(|error| PeerError::Resolve(name(), error))?;
    let mut last = io::ErrorKind::NotFound.into();
    for address in found {
        match net.connect(address).await {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => last = error,
        }
    }
    Err(PeerError::Connect(name(), last))
}

/// Reads a whole frame, without its prefix.
async fn read_frame(stream: &Stream, bytes_max: i32) -> Result<Bytes, PeerError> {
    let mut prefix = [0; PREFIX_BYTES];
    fill(stream, &mut prefix).await?;
    let length = length_of(prefix, bytes_max).map_err(|error| match error {
        FrameError::Negative(length) | FrameError::TooLarge { length, .. } => {
            PeerError::Length(length)
        }
    })?;
    let mut frame = BytesMut::zeroed(length);
    fill(stream, &mut frame).await?;
    Ok(frame.freeze())
}

/// Reads until `bytes` is full.
async fn fill(stream: &Stream, mut bytes: &mut [u8]) -> Result<(), PeerError> {
    while !bytes.is_empty() {
        match stream.read(bytes).await {
            Ok(0) => return Err(PeerError::Closed),
            Ok(count) => bytes = &mut bytes[count..],
            Err(error) => return Err(PeerError::Broken(error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::cores::{self, CoreOptions};
    use crate::io::listener::Listener;
    use crate::io::sim::World;
    use crate::wire::codec::encode_response;
    use crate::wire::codec::messages::{
        AllocateProducerIdsRequest, AllocateProducerIdsResponse, BrokerId,
    };

    const SECOND: Duration = Duration::from_secs(1);
    type Ask = AllocateProducerIdsRequest;

    fn ask() -> Ask {
        Ask::default().with_broker_id(BrokerId(3))
    }

    /// An answer with this number.
    fn frame(correlation_id: i32, start: i64) -> Vec<u8> {
        let body = AllocateProducerIdsResponse::default().with_producer_id_start(start.into());
        let mut out = BytesMut::new();
        encode_response(Ask::KEY, 0, correlation_id, &body, &mut out).unwrap();
        out.to_vec()
    }

    fn options() -> PeerOptions {
        PeerOptions {
            client_id: "test".to_owned(),
            answer_bytes_max: 1_000,
            connect_within: SECOND,
        }
    }

    /// Sends `pieces` to the first that connects, then waits until it goes away; all that it sent.
    async fn serve(listener: Listener, pieces: Vec<Vec<u8>>) -> Vec<u8> {
        let stream = listener.accept().await.unwrap();
        for piece in pieces {
            let _ = stream.write_all(&piece).await;
        }
        let (mut all, mut buffer) = (Vec::new(), [0; 500]);
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..count]);
        }
        all
    }

    /// Runs `test` over both networks with a peer that sends `pieces`; the length of what it got.
    fn with_peer<F: Future<Output = ()> + 'static>(
        pieces: Vec<Vec<u8>>,
        test: impl Fn(Peer) -> F + Clone + Send + 'static,
    ) {
        let story = async |net: Net, runtime: Runtime, pieces, test: &dyn Fn(Peer) -> F| {
            let listener = net.listen(([127, 0, 0, 1], 0).into()).unwrap();
            let port = listener.address().unwrap().port();
            let serving = runtime.spawn(serve(listener, pieces));
            let peer = Peer::connect(&net, &runtime, ("127.0.0.1", port), options()).await;
            test(peer.unwrap()).await;
            serving.join().await
        };
        let world = World::new(1);
        let (net, runtime) = (Net::simulated(world.net().clone()), world.runtime());
        let (ours, first) = (pieces.clone(), test.clone());
        world.run(async move { story(net, runtime, ours, &first).await });
        let core = CoreOptions {
            name: "peer".to_owned(),
            cpu: None,
            spin: Duration::ZERO,
            io_memory_bytes: 64 << 10,
        };
        let main = move || async move { story(Net::ring(), Runtime::ring(), pieces, &test).await };
        cores::start(core, main).unwrap().join().unwrap();
    }

    #[test]
    fn requests_under_way_are_answered_in_their_order() {
        let answers = [frame(1, 10), frame(2, 20), frame(3, 30)].concat();
        let pieces = answers.chunks(5).map(<[u8]>::to_vec).collect();
        with_peer(pieces, |mut peer| async move {
            let first = peer.call(0, &ask(), SECOND).await.unwrap();
            assert_eq!(first.producer_id_start.0, 10);
            peer.send(0, &ask()).await.unwrap();
            peer.send(0, &ask()).await.unwrap();
            assert_eq!(peer.under_way(), 2);
            for expected in [20, 30] {
                let answer = peer.answer::<Ask>(SECOND).await.unwrap();
                assert_eq!(answer.producer_id_start.0, expected);
            }
            assert!(peer.is_open() && peer.under_way() == 0);
        });
    }

    /// What a call finds where the peer sends `bytes`; the one after it must find it closed.
    fn refused(bytes: Vec<u8>, expected: &'static str) {
        with_peer(vec![bytes], move |mut peer| async move {
            let error = peer.call(0, &ask(), SECOND / 10).await.unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(!peer.is_open());
            let again = peer.call(0, &ask(), SECOND).await.unwrap_err();
            assert!(matches!(again, PeerError::Closed), "{again}");
        });
    }

    #[test]
    fn what_cannot_be_the_answer_closes_the_connection() {
        refused(frame(2, 0), "an answer belongs to another request");
        refused(
            (-5i32).to_be_bytes().into(),
            "an answer claims a length of -5 bytes",
        );
        refused(
            1_001i32.to_be_bytes().into(),
            "an answer claims a length of 1001 bytes",
        );
        let mut short = frame(1, 0);
        short.pop();
        refused(short.clone(), "there was no answer within 100 ms");
        let length = short.len() as i32 - 4;
        short[..4].copy_from_slice(&length.to_be_bytes());
        refused(
            short,
            "an answer is not understood: the message ends within a tagged field",
        );
        refused(Vec::new(), "there was no answer within 100 ms");
        refused(
            [0, 0, 0, 2, 1, 2].into(),
            "an answer claims a length of 2 bytes",
        );
    }

    #[test]
    fn a_wait_that_is_given_up_closes_the_connection() {
        let world = World::new(7);
        let (net, runtime) = (Net::simulated(world.net().clone()), world.runtime());
        world.run(async move {
            let listener = net.listen(([127, 0, 0, 1], 0).into()).unwrap();
            let port = listener.address().unwrap().port();
            let mut peer = Peer::connect(&net, &runtime, ("127.0.0.1", port), options())
                .await
                .unwrap();
            peer.send(0, &ask()).await.unwrap();
            let waiting = runtime.within(SECOND, peer.answer::<Ask>(60 * SECOND));
            assert!(waiting.await.is_none());
            assert!(!peer.is_open());
            // Nothing listens there, or the host is none.
            let port = |port| ("127.0.0.1", port);
            drop(listener);
            let error = Peer::connect(&net, &runtime, port(9), options()).await;
            assert!(matches!(error.err(), Some(PeerError::Connect(..))));
            let error = Peer::connect(&net, &runtime, ("no.such.host", 9), options()).await;
            assert!(matches!(error.err(), Some(PeerError::Resolve(..))));
        });
    }
}
