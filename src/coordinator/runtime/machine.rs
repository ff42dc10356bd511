//! Pure: what a state machine must be able to do to live on a partition of an internal topic.
//!
//! As Kafka's `CoordinatorShard`: a step takes a request and the time, and gives records and
//! replies. [`Machine::replay`] is the only thing that changes durable state, so that loading is
//! the same code as running.

use crate::base::{Instant, Offset, ProducerId, WallMs};
use crate::coordinator::record::{Encoded, RecordError};
use crate::partition::producers::Guard;

/// The moment of a step, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For deadlines.
    pub instant: Instant,
    /// For what is written into records.
    pub wall_ms: WallMs,
}

/// Names a request whose reply is parked. The runtime chooses it, a new one for each request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

/// Where a record stands in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The record's offset; `Offset::MAX` for one that is on its way there.
    pub position: Offset,
    /// The producer whose open transaction it belongs to.
    pub transaction: Option<ProducerId>,
}

/// What a step of a machine wants done: first these records made durable, in order, then these
/// requests answered.
#[derive(Debug)]
pub struct Outcome<R> {
    /// Records to append. They are applied to the machine already.
    pub records: Vec<Encoded>,
    /// Replies to requests of this step or of earlier ones.
    pub replies: Vec<(Token, R)>,
    /// The transaction that all these records are part of, if they are.
    pub transaction: Option<InTransaction>,
}

/// A producer's transaction, of which records are part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Shows that its coordinator knows that the partition is part of it, unless it was open there
    /// before.
    pub guard: Option<Guard>,
}

/// Why a machine cannot be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unavailable {
    /// Its partition is not led here, or does not work.
    NotCoordinator,
    /// It is being loaded.
    Loading,
}

/// A state machine whose durable state is what its log says.
///
/// A step applies the records that it decides at once and hands them over in its [`Outcome`]. If
/// they cannot be made durable the machine is dropped, with every reply that waits, and another
/// one is loaded from the log. It is dropped as well when its partition moves away.
///
/// A request whose reply may have to wait for other requests, or for a deadline, is a
/// [`Machine::Request`]. All others are calls of the machine's own methods, by way of
/// [`super::Partitions::ask`].
pub trait Machine: 'static {
    /// What the log and the metrics call the things it keeps, in plural.
    const NAME: &'static str;

    /// A record of its log.
    type Record;
    /// A request whose reply may come in a later step.
    type Request;
    /// The reply to such a request.
    type Reply;
    /// A change of the cluster that it has to follow.
    type Change: Clone;

    /// Decodes a record of its log.
    fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self::Record, RecordError>;

    /// Takes a record over, at load and for every record that a step decides.
    fn replay(&mut self, record: &Self::Record, origin: Origin);

    /// Takes over the marker that ends a producer's transaction.
    fn replay_marker(&mut self, producer: ProducerId, committed: bool);

    /// The log is replayed: requests and deadlines come from now on.
    fn loaded(&mut self, now: Now, out: &mut Outcome<Self::Reply>);

    /// Takes a request in. The reply to `token` comes with this step's outcome or a later one.
    fn handle(
        &mut self,
        token: Token,
        request: Self::Request,
        now: Now,
        out: &mut Outcome<Self::Reply>,
    );

    /// Follows a change of the cluster.
    fn follow(&mut self, change: &Self::Change, now: Now, out: &mut Outcome<Self::Reply>);

    /// The moment by which [`Machine::expire`] wants to be called.
    fn next_deadline(&mut self) -> Option<Instant>;

    /// Does what is due.
    fn expire(&mut self, now: Now, out: &mut Outcome<Self::Reply>);

    /// Whether there is work that takes long, and so is done in steps.
    fn has_work(&self) -> bool;

    /// Does a step of that work. Others get their turn between two steps, and the log has taken
    /// most of what was decided before.
    fn work(&mut self, now: Now, out: &mut Outcome<Self::Reply>);

    /// How many things it keeps, for the line that says that it is loaded.
    fn count(&self) -> usize;
}

/// Makes machines of one kind.
pub trait Factory: 'static {
    /// Their type.
    type Machine: Machine;

    /// An empty machine, to be loaded from a log that takes batches of at most `batch_bytes_max`
    /// bytes.
    fn make(&self, batch_bytes_max: usize) -> Self::Machine;
}

// === impl Origin ===

impl Origin {
    /// A record that this broker has just made.
    pub const NEW: Origin = Origin {
        position: Offset::MAX,
        transaction: None,
    };
}

// === impl Outcome ===

impl<R> Default for Outcome<R> {
    fn default() -> Outcome<R> {
        Outcome {
            records: Vec::new(),
            replies: Vec::new(),
            transaction: None,
        }
    }
}
