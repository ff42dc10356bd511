//! Pure: every bound that is not a setting, with its unit and reason.

/// Bytes a connection may hold without counting against its core's budget: its resting receive
/// buffer and small requests.
pub const CONNECTION_FREE_BYTES: usize = 64 * 1024;
/// Requests of one connection that may be pending before its socket is not read: Kafka clients
/// keep 5 produce requests in flight by default, librdkafka more.
pub const CONNECTION_PENDING_MAX: usize = 128;
/// How long a request may stay half sent before its connection is closed, in milliseconds.
pub const PARTIAL_REQUEST_MAX_MS: i64 = 30_000;
/// How long a fetch session must have been silent before another may take its place, in
/// milliseconds (`FetchSessionCache` of Kafka).
pub const SESSION_EVICT_MS: i64 = 120_000;
/// Answered requests whose room is kept for the next, per shard.
pub const SPARE_REQUESTS_MAX: usize = 256;
/// How long a clean stop waits for requests under way, in milliseconds.
pub const STOP_GRACE_MS: i64 = 2_000;
