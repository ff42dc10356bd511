//! Pure: what is sent and when: sizes, keys, send times, and the bytes of each request.
//! May use: nothing of this crate. Never: waits, opens a socket, reads a clock.

pub mod frame;
mod keys;
pub mod schedule;
mod sizes;
pub mod stamp;

use corelane_wire::batch::Codec;

pub use keys::Keys;
pub use sizes::Sizes;

use schedule::Pace;

/// The load, as producers need it.
#[derive(Clone, Debug)]
pub struct Load {
    /// When records are due.
    pub pace: Pace,
    /// Sizes of values.
    pub sizes: Sizes,
    /// Keys.
    pub keys: Keys,
    /// Where randomness comes from.
    pub seed: u64,
    /// -1, 1 or 0.
    pub acks: i16,
    /// How long an open batch waits, in nanoseconds.
    pub linger_ns: u64,
    /// When a batch is full; 0 for a record in each.
    pub batch_bytes: usize,
    /// Requests under way on a connection.
    pub in_flight: usize,
    /// How batches are compressed.
    pub codec: Codec,
    /// Whether producers have ids.
    pub idempotent: bool,
    /// Whether batches that may have reached the broker are sent again.
    pub repeat: bool,
    /// How long before a send to stop sleeping.
    pub spin_ns: u64,
    /// How long to wait for answers after the last send was due.
    pub drain_ns: u64,
}

/// How long to warm up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warmup {
    /// So many seconds.
    Seconds(u64),
    /// Until successive seconds agree.
    Steady,
}

/// What topics are to be like.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Their names.
    pub topics: Vec<String>,
    /// Partitions of each, if they are to be created.
    pub create: Option<i32>,
    /// Copies of each; -1 is the broker's default.
    pub replication: i16,
    /// Their configuration if they are created.
    pub configs: Vec<(String, String)>,
}
