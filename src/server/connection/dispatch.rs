//! Drives: from a frame to its row of the API table, and from a result to response bytes.

use std::fmt;
use std::io;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use crate::base::{ErrorCode, Instant, limits};
use crate::io::budget::{Reserved, Use};
use crate::io::{room, turn};
use crate::server::api::records::fetch::SendError;
use crate::server::api::{self, CallError, Context, Row, Run, cluster::api_versions, records};
use crate::server::connection::Connection;
use crate::server::state::answer_memory::{AnswerMemory, NotMade};
use crate::server::state::probe::Closing;
use crate::wire::cursor::Short;
use crate::wire::frame::FrameError;
use crate::wire::header::{API_VERSIONS_KEY, HeaderError, RequestHeader};

/// A request that was taken up and waits for its turn to be answered.
pub enum Slot {
    /// Its batches are in the log's hands.
    Produce(Box<records::produce::Pending>),
    /// It is run when its turn comes.
    Call(PendingCall),
    /// Its answer stands.
    Ready(BytesMut),
}

/// A request that is run when its turn comes.
pub struct PendingCall {
    row: &'static Row,
    cx: Rc<Context>,
    body: Bytes,
    _memory: Option<Reserved>,
}

/// Why a connection is closed by us.
#[derive(Debug)]
pub enum Refused {
    /// The length prefix cannot be right.
    Frame(FrameError),
    /// The request header cannot be read.
    Header(HeaderError),
    /// No API with this key is served.
    UnknownApi(i16),
    /// The API is served, this version is not.
    UnsupportedVersion(&'static str, i16),
    /// The body is not what its header says.
    Malformed(&'static str, i16),
    /// The body was not understood, or the answer could not be encoded.
    Call(&'static str, i16, CallError),
    /// A produce request that wants no answer failed: closing is how the client learns of it.
    NoAnswerWanted(&'static str),
    /// The answer could not be sent.
    Gone(io::Error),
    /// The answer could not be sent as a whole: records that it promised cannot be read.
    Cut(SendError),
}

/// What a request that has begun to arrive takes of the core's budget, its own bytes included.
pub fn memory_of(key: Option<i16>, frame_bytes: usize) -> usize {
    let handling = match key.and_then(api::find) {
        Some(row) if !matches!(row.run, Run::Produce) => (row.memory_estimate)(frame_bytes),
        _ => 0,
    };
    frame_bytes.saturating_add(handling)
}

/// Takes up one request. `Ok(None)` when there will be no answer. `room` is what a large
/// request has reserved for itself: see [`memory_of`].
pub async fn take_up(
    connection: &Rc<Connection>,
    frame: &[u8],
    room: &mut Option<Reserved>,
    now: Instant,
) -> Result<Option<Slot>, Refused> {
    let header = RequestHeader::parse(frame).map_err(Refused::Header)?;
    let row = api::find(header.api_key).ok_or(Refused::UnknownApi(header.api_key))?;
    turn::spent_on(row.work());
    if !row.serves(header.api_version) {
        if header.api_key != API_VERSIONS_KEY {
            return Err(Refused::UnsupportedVersion(row.name, header.api_version));
        }
        // KIP-511: a version we do not know is answered in the oldest form, with our table.
        let probe = &connection.server.probe;
        probe.note_error(row.key, ErrorCode::UNSUPPORTED_VERSION);
        return Ok(Some(Slot::Ready(api_versions::unsupported_version(
            header.correlation_id,
        ))));
    }
    if let Run::Produce = row.run {
        return records::produce::begin(connection, &header, now).await;
    }
    let estimate = (row.memory_estimate)(frame.len());
    let memory = if frame.len() > limits::CONNECTION_FREE_BYTES {
        room.as_mut().map(|room| room.split(estimate))
    } else {
        small_memory(connection, estimate).await
    };
    let cx = connection.spare.context(context(connection, &header, now));
    let body = connection.spare.body(header.body).await;
    Ok(Some(Slot::Call(PendingCall {
        row,
        cx,
        body,
        _memory: memory,
    })))
}

/// The memory of a small request. Where there is none left it does not wait for others, of
/// whom any may wait for this connection: it goes uncounted, one at a time.
async fn small_memory(connection: &Rc<Connection>, bytes: usize) -> Option<Reserved> {
    let memory = connection
        .server
        .shard
        .budget
        .try_reserve(Use::Requests, bytes);
    if memory.is_none() {
        connection.wait_for_pending(0).await;
    }
    memory
}

/// Runs what the slot still needs and sends the answer. `out` is scratch room.
pub async fn answer(
    connection: &Rc<Connection>,
    slot: Slot,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    out.clear();
    match slot {
        Slot::Produce(pending) => {
            turn::spent_on(records::produce::ROW.work());
            records::produce::answer(connection, pending, out).await?;
            // What was acked by the same flush goes out with the same system call.
            let ready = |slot: &Slot| matches!(slot, Slot::Produce(next) if next.is_settled());
            while let Some(Slot::Produce(next)) = connection.next_if(ready) {
                records::produce::answer(connection, next, out).await?;
            }
            let budget = &connection.server.shard.budget;
            let is_large = out.len() >= limits::LARGE_ANSWER_BYTES;
            let _memory = is_large.then(|| budget.hold(Use::Answers, out.len()));
            connection.send(out).await.map_err(Refused::Gone)
        }
        Slot::Call(call) => run(connection, call, out).await,
        Slot::Ready(frame) => connection.send(&frame).await.map_err(Refused::Gone),
    }
}

async fn run(
    connection: &Rc<Connection>,
    call: PendingCall,
    out: &mut Vec<u8>,
) -> Result<(), Refused> {
    let PendingCall {
        row,
        cx,
        body,
        _memory,
    } = call;
    let (version, taken_up) = (cx.version, cx.now);
    turn::spent_on(row.work());
    if body.len() >= limits::LARGE_REQUEST_BYTES {
        turn::give_way().await;
    }
    match row.run {
        // A reader that is gone has done all that it would.
        Run::Fetch if !connection.takes_answers() => {}
        Run::Fetch => {
            let answer = records::fetch::answer(&cx, &body, out).await;
            let answer = answer.map_err(|Short| match cx.memory.refused() {
                Some(refused) => Refused::Call(row.name, version, CallError::NotMade(refused)),
                None => Refused::Malformed(row.name, version),
            })?;
            let sent = answer.send(out, &connection.stream).await;
            room::free_bytes(body).await;
            sent.map_err(|error| match error {
                SendError::Gone(error) => Refused::Gone(error),
                cut @ SendError::Cut { .. } => Refused::Cut(cut),
            })?;
            cx.memory.release();
            connection.spare.give_back(cx);
        }
        Run::Call(function) => {
            let reply = function(cx, body).await;
            let reply = reply.map_err(|error| Refused::Call(row.name, version, error))?;
            reply.send(connection).await.map_err(Refused::Gone)?;
        }
        Run::Produce => unreachable!("take_up begins produce requests itself"),
    }
    connection
        .server
        .probe
        .note(row.key, taken_up, connection.server.now());
    Ok(())
}

fn context(connection: &Rc<Connection>, header: &RequestHeader<'_>, now: Instant) -> Context {
    let server = connection.server.clone();
    Context {
        shard: server.shard.clone(),
        session: connection.session.clone(),
        version: header.api_version,
        correlation_id: header.correlation_id,
        client_id: connection.spare.client_id(&header.client_id_text()),
        now,
        wall_ms: server.wall_ms(),
        memory: AnswerMemory::default(),
        server,
    }
}

// === impl Refused ===

impl Refused {
    /// What the connection's end is counted as; `None` where the client left, not we.
    pub fn closing(&self) -> Option<Closing> {
        Some(match self {
            Refused::Frame(_) => Closing::Frame,
            Refused::Header(_) => Closing::Header,
            Refused::UnknownApi(_) => Closing::UnknownApi,
            Refused::UnsupportedVersion(..) => Closing::UnsupportedVersion,
            Refused::Malformed(..) | Refused::Call(_, _, CallError::Request(_)) => {
                Closing::Malformed
            }
            Refused::Call(_, _, CallError::NotMade(NotMade::Panicked) | CallError::Answer(_)) => {
                Closing::Unanswerable
            }
            Refused::Call(_, _, CallError::NotMade(_)) => Closing::AnswerMemory,
            Refused::NoAnswerWanted(_) => Closing::NoAnswerWanted,
            Refused::Cut(_) => Closing::Unanswerable,
            Refused::Gone(_) => return None,
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Frame(error) => error.fmt(f),
            Refused::Header(error) => error.fmt(f),
            Refused::UnknownApi(key) => write!(f, "API key {key} is not one this broker serves"),
            Refused::UnsupportedVersion(name, version) => {
                write!(f, "{name} version {version} is not one this broker serves")
            }
            Refused::Malformed(name, version) => {
                write!(f, "the body is no {name} request of version {version}")
            }
            Refused::Call(name, version, error) => write!(f, "{name} version {version}: {error}"),
            Refused::NoAnswerWanted(reason) => {
                write!(f, "a produce request with acks=0 failed: {reason}")
            }
            Refused::Gone(error) => write!(f, "the answer cannot be sent: {error}"),
            Refused::Cut(error) => error.fmt(f),
        }
    }
}
