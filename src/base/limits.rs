//! Pure: bounds that are no settings, with unit and reason: what clients may make the broker hold,
//! and how long they may make it wait. How much a loop does before it gives way stands beside the
//! loop.

/// Bytes a connection may hold without counting against its core's budget: its resting receive
/// buffer and small requests.
pub const CONNECTION_FREE_BYTES: usize = 64 * 1024;
/// Memory of large requests that a core keeps for the next ones, in bytes: a few of Kafka's
/// largest batches (1 MiB).
pub const RECEIVE_IDLE_BYTES_MAX: usize = 4 << 20;
/// Requests of one connection that may be pending before its socket is not read: Kafka clients
/// keep 5 produce requests in flight by default, librdkafka more.
pub const CONNECTION_PENDING_MAX: usize = 128;
/// Bodies of requests from this size on are decoded beside the core that serves, and their
/// handling waits for its turn behind others of the kind; in bytes.
pub const LARGE_REQUEST_BYTES: usize = 16 * 1024;
/// Answers from this size on are encoded beside the core that serves and sent in pieces; in bytes.
pub const LARGE_ANSWER_BYTES: usize = 64 * 1024;
/// What is given to the kernel of a large answer at a time: copying it takes some 30 µs.
pub const ANSWER_PIECE_BYTES: usize = 128 * 1024;
/// An answer up to this size is made even where no memory is left: a client that takes part is
/// to hear of its heartbeat. In bytes.
pub const ANSWER_FREE_BYTES: usize = 16 * 1024;
/// How long a request waits for the memory of its answer before its connection is closed, in
/// milliseconds. It holds memory itself meanwhile, so that it may not wait for ever.
pub const ANSWER_MEMORY_WAIT_MS: u64 = 5_000;
/// Memory that an answer takes while it is made, as a multiple of what decoding the request
/// takes: each thing that is asked about is answered once, in structs and then in bytes.
pub const ANSWER_COST_FACTOR: usize = 3;
/// The part of `corelane.shard.memory.bytes` that one answer to DescribeConfigs may take: a 64 MiB
/// answer by default, which has the settings of some 30,000 topics.
pub const CONFIGS_ANSWER_SHARE: usize = 8;
/// Bytes of a regular expression that stands for topics. It is compiled while its core waits, which
/// takes up to 2 ms for one of this length, and 19 ms for one four times as long.
pub const REGEX_BYTES_MAX: usize = 8 * 1024;
/// Protocols that a member of a group may speak. Clients speak two or three; a group compares
/// those of all its members in one go.
pub const GROUP_PROTOCOLS_MAX: usize = 1_000;
/// Answers that are the same for all clients and are kept: versions and flags of Metadata.
pub const SHARED_ANSWERS_MAX: usize = 8;
/// How long a large request may take its time while others wait for the memory it holds, in
/// milliseconds.
pub const ARRIVAL_GRACE_MS: u64 = 1_000;
/// From then on it must have come in at this rate on average, in bytes a millisecond (1 MB/s).
pub const ARRIVAL_BYTES_PER_MS: u64 = 1_000;
/// How long a half-sent request may be silent before its connection is closed, in milliseconds;
/// also what it may take in all, beside the time that its size takes.
pub const PARTIAL_REQUEST_MAX_MS: i64 = 30_000;
/// The slowest that a request may come in, in bytes a millisecond: the largest one (100 MB) takes
/// 2.8 hours then. That it holds memory meanwhile is another matter: `ARRIVAL_BYTES_PER_MS`.
pub const PARTIAL_REQUEST_BYTES_PER_MS: i64 = 10;
/// How long an answer may lie without the kernel taking a byte of it, in milliseconds; or
/// `connections.max.idle.ms`, if that is less. Consumers without a group do not read while they
/// process what they have: Kafka closes such connections after ten minutes.
pub const WRITE_STALL_MAX_MS: i64 = 120_000;
/// How long a reader may be slow while others wait for memory, in milliseconds.
pub const WRITE_GRACE_MS: i64 = 5_000;
/// From then on it must read at this rate on average, in bytes a millisecond (100 KB/s).
pub const WRITE_BYTES_PER_MS: u64 = 100;
/// Lines about closed connections that a shard writes in each `LINES_WINDOW_MS`; it counts the
/// rest.
pub const CLOSING_LINES_MAX: u32 = 10;
/// The same for lines about groups, and for those about their members.
pub const GROUP_LINES_MAX: u32 = 100;
/// The same for lines about topics that are, or are not, created on first use.
pub const FIRST_USE_LINES_MAX: u32 = 100;
/// See `CLOSING_LINES_MAX`; in milliseconds.
pub const LINES_WINDOW_MS: u64 = 10_000;
/// How long a connection whose requests have ended may go without an answer that is taken,
/// in milliseconds, before what is still pending on it is given up.
pub const LINGER_MAX_MS: i64 = 30_000;
/// How long a fetch session must have been silent before another may take its place, in
/// milliseconds (`FetchSessionCache` of Kafka).
pub const SESSION_EVICT_MS: i64 = 120_000;
/// What a connection takes at rest, in bytes: its receive buffer, its two tasks, and what it keeps
/// of one request for the next.
pub const CONNECTION_BYTES: usize = 10 * 1024;
/// Connections at rest may take so many sixteenths of a shard's memory: 16,384 by default.
pub const CONNECTIONS_SIXTEENTHS: usize = 5;
/// Fetch sessions may take one in so many parts of a shard's memory.
pub const SESSIONS_SHARE: usize = 16;
/// What is known of idempotent producers may take one in so many parts of a shard's memory.
pub const PRODUCERS_SHARE: usize = 16;
/// Free memory at the end of a heap that the allocator gives back at a time, and the least that it
/// asks the kernel for by itself, in bytes: some 200 µs of work.
pub const FREED_AT_ONCE_BYTES: i32 = 4 << 20;
/// How much less than it was must be in use before free memory is given back to the kernel, in
/// bytes.
pub const TRIM_FREED_BYTES: usize = 32 << 20;
/// Looks in a row, a second each, at which that must be so: a storm that goes on needs its memory.
pub const TRIM_QUIET_LOOKS: u32 = 5;
/// Groups, their members and offsets may take one in so many parts of a shard's memory.
pub const GROUPS_SHARE: usize = 4;
/// Transactional ids and their transactions may take one in so many parts of a shard's memory.
pub const TRANSACTIONS_SHARE: usize = 16;
/// How long a request waits for the markers of the transaction before, in milliseconds, until its
/// client is told to come again. Markers take a few; clients come again after 20 or 100.
pub const TRANSACTION_WAIT_MS: i64 = 100;
/// Requests that wait so, for each partition of `__transaction_state`; others are told at once.
pub const TRANSACTION_WAITERS_MAX: usize = 1_000;
/// Transactions that are aborted, or transactional ids that are forgotten, in one step.
pub const TRANSACTIONS_ENDED_AT_ONCE: usize = 100;
/// Transactional ids that are looked at in one step for those.
pub const TRANSACTIONS_EXAMINED_AT_ONCE: usize = 4_000;
/// Committed offsets that are removed in one step of a shard, when a group or a topic is deleted or
/// offsets expire.
pub const OFFSETS_REMOVED_AT_ONCE: usize = 500;
/// Committed offsets that are looked at in one step for those to be removed.
pub const OFFSETS_EXAMINED_AT_ONCE: usize = 4_000;
/// Batches of a coordinator that its log has not acked, in bytes, from which on work in many steps
/// waits: it goes on as fast as the log takes it.
pub const COORDINATOR_QUEUE_BYTES_MAX: usize = 1 << 20;
/// How much of a client id groups keep, also as the beginning of member ids; in bytes. Kafka
/// has no bound but the 32,767 bytes of the wire.
pub const CLIENT_ID_BYTES_MAX: usize = 255;
/// How long a member id that was given out waits for its client, in milliseconds, if the session
/// timeout is not shorter. Clients come back with it at once.
pub const PENDING_MEMBER_MAX_MS: i64 = 60_000;
/// Answered requests whose memory is kept for the next, per shard.
pub const SPARE_REQUESTS_MAX: usize = 256;
/// Partitions of a request whose memory is kept: more than a busy consumer of one shard names, and
/// not what one huge request would leave behind for good.
pub const SPARE_PARTITIONS_MAX: usize = 4096;
/// How long a clean stop waits for requests under way, in milliseconds.
pub const STOP_GRACE_MS: i64 = 2_000;
/// Admin connections at a time: a scraper or two, a person, and some for probes.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Admin connections that are taken however few descriptors there are.
pub const ADMIN_CONNECTIONS_MIN: usize = 4;
/// How long an admin connection may take until its first request is whole, in milliseconds.
pub const ADMIN_FIRST_REQUEST_MS: u64 = 10_000;
/// The largest head of an admin request, in bytes; also the least that the HTTP crate takes.
pub const ADMIN_REQUEST_BYTES_MAX: usize = 8192;
/// How long an admin connection lives, however it is used, in milliseconds. Scrapers come back.
pub const ADMIN_CONNECTION_MAX_MS: u64 = 300_000;
/// How long the admin pages wait for a shard, in milliseconds: one that is silent for so long is
/// stuck, and a scraper gives up after ten seconds.
pub const ADMIN_SHARD_WAIT_MS: u64 = 2_000;
/// Topics that a shard has being created at a time because clients asked for them: each is some
/// records of the metadata log and a few files.
pub const AUTO_CREATE_TOPICS_MAX: usize = 1_000;
/// Partitions of the topics that are created so with one request to the controller, which takes
/// no more (`ReplicationControlManager` of Kafka).
pub const AUTO_CREATE_PARTITIONS_MAX: usize = 10_000;

/// Entities (users, clients, addresses) that may have quotas: every shard has them in its image.
pub const CLIENT_QUOTAS_MAX: usize = 10_000;
/// The longest name of such an entity, in bytes: most distinguished names of certificates fit, and
/// what one request may set fits into the metadata log at once.
pub const QUOTA_NAME_BYTES_MAX: usize = 512;

/// Subscriptions to metrics of clients (KIP-714): each new client is compared with all of them.
/// One request may bring some more.
pub const SUBSCRIPTIONS_MAX: usize = 100;
/// Client instances that a shard remembers for their metrics, some 3 KB each at the most; those
/// that were silent longest make room. Kafka has 16,384 to a broker.
pub const TELEMETRY_INSTANCES_MAX: usize = 2_048;
/// Numbers that are kept of one push of a client instance, the newest push only.
pub const TELEMETRY_SAMPLES_MAX: usize = 200;
/// The longest name of such a number, with its attributes, in bytes.
pub const TELEMETRY_NAME_BYTES_MAX: usize = 256;
/// What the numbers of all instances of a shard may take, in bytes; instances that were silent
/// longest lose theirs.
pub const TELEMETRY_KEPT_BYTES_MAX: usize = 4 << 20;
/// What one push may be once it is uncompressed, in bytes.
pub const TELEMETRY_UNPACKED_BYTES_MAX: usize = 4 << 20;

pub use corelane_wire::unpack::UNPACKED_BYTES_MAX;
/// The same for a topic with small batches, in bytes: one that grows to more, and to more than
/// [`UNPACKED_GROWTH_MAX`] times `max.message.bytes`, is taken for a bomb.
pub const UNPACKED_BYTES_MIN: usize = 32 << 20;
/// See [`UNPACKED_BYTES_MIN`].
pub const UNPACKED_GROWTH_MAX: usize = 32;
/// Topics of a shard that have numbers of their own in the metrics; all others are one sum. With
/// five series each, this and the other bounds here keep a shard below some 3,000 series.
pub const METRICS_TOPICS_MAX: usize = 100;
/// Partitions that are looked at for the metrics before others get their turn: some 30 us.
pub const METRICS_PARTITIONS_AT_ONCE: usize = 128;
/// Committed offsets of one shard, each of one group and partition, that lag is made of.
pub const METRICS_COMMITTED_MAX: usize = 10_000;
/// Of those, how many have series of their own, the largest lags first; all others are one sum.
pub const METRICS_LAGS_MAX: usize = 500;
/// Partitions of a shard that the balancer hears of, the busiest ones: it moves one at a time, and
/// one that is less work than so many others hardly counts.
pub const BALANCED_PARTITIONS_MAX: usize = 32;
/// How long a scrape waits for what the kernel says of the process and its file systems, in
/// milliseconds; then it has what was said the time before.
pub const METRICS_HOST_WAIT_MS: u64 = 500;

// How the bounds stand to each other.
const _: () = {
    assert!(UNPACKED_BYTES_MIN <= UNPACKED_BYTES_MAX);
    // A connection at rest has a buffer for small requests before it counts.
    assert!(CONNECTION_BYTES <= CONNECTION_FREE_BYTES);
    // An answer that is made where no memory is left is not a large one.
    assert!(ANSWER_FREE_BYTES < LARGE_ANSWER_BYTES && LARGE_ANSWER_BYTES <= ANSWER_PIECE_BYTES);
    // A client that others wait for must be faster than the slowest one that may stay.
    assert!(PARTIAL_REQUEST_BYTES_PER_MS < ARRIVAL_BYTES_PER_MS as i64);
    assert!(ARRIVAL_GRACE_MS < PARTIAL_REQUEST_MAX_MS as u64);
    assert!(WRITE_GRACE_MS < WRITE_STALL_MAX_MS && STOP_GRACE_MS < LINGER_MAX_MS);
    // A request's memory comes back before other requests give up waiting for theirs.
    assert!(ARRIVAL_GRACE_MS < ANSWER_MEMORY_WAIT_MS);
    assert!(CONNECTION_PENDING_MAX <= SPARE_REQUESTS_MAX);
    // What is held for clients at rest leaves records a part of a shard's memory.
    let clients = CONNECTIONS_SIXTEENTHS + 16 / SESSIONS_SHARE;
    let producers = 16 / PRODUCERS_SHARE + 16 / TRANSACTIONS_SHARE;
    assert!(clients + producers + 16 / GROUPS_SHARE < 16);
    assert!(TRANSACTIONS_ENDED_AT_ONCE <= TRANSACTIONS_EXAMINED_AT_ONCE);
    assert!(OFFSETS_REMOVED_AT_ONCE <= OFFSETS_EXAMINED_AT_ONCE);
    assert!(ADMIN_CONNECTIONS_MIN <= ADMIN_CONNECTIONS_MAX);
    assert!(ADMIN_FIRST_REQUEST_MS < ADMIN_CONNECTION_MAX_MS);
    assert!(METRICS_HOST_WAIT_MS < ADMIN_SHARD_WAIT_MS);
    assert!(METRICS_LAGS_MAX <= METRICS_COMMITTED_MAX);
    assert!(AUTO_CREATE_TOPICS_MAX <= AUTO_CREATE_PARTITIONS_MAX);
};
