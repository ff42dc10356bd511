//! Pure: one row of the API table: what is known of an API before it is served.

use super::authorizer::Ask;
use super::call::{Api, CallFn, EncodingApi, call, call_encoded};
use super::forward::relayed;
use crate::wire::codec::Request;

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// Kafka's API key.
    pub key: i16,
    /// Kafka's name of the API.
    pub name: &'static str,
    /// First and last version served.
    pub versions: (i16, i16),
    /// First version that ApiVersions names, where that differs from what is served: Produce
    /// is advertised from 0, since old librdkafka clients give up otherwise.
    pub advertised_min: i16,
    /// Bytes that a request whose frame has so many bytes takes while it is handled, besides its
    /// frame. 0: it is served out of its connection's receive buffer.
    pub memory_estimate: fn(usize) -> usize,
    /// Whether in a cluster the active controller answers: its versions count there, too.
    pub is_forwarded: bool,
    /// What an authorizer may be asked about a request.
    pub asks: &'static [Ask],
    /// How its requests are served.
    pub run: Run,
}

/// How requests of a row are served: by which implementation of
/// [`TwoSteps`](super::steps::TwoSteps).
#[derive(Clone, Copy)]
pub enum Run {
    /// Those that append records: `records/produce/`.
    Produce,
    /// Those that read records: `records/fetch/`.
    Fetch,
    /// All others: decoded, handled and encoded by the row's own functions.
    Call(CallFn),
    /// Those that only a controller answers: relayed, and served in a cluster only.
    Relay(CallFn),
}

/// The row of an API that is called, about which an authorizer is asked `asks`.
pub const fn row<A: Api + 'static>(asks: &'static [Ask]) -> Row {
    Row {
        key: <A::Request as Request>::KEY,
        name: A::NAME,
        versions: A::VERSIONS,
        advertised_min: A::VERSIONS.0,
        memory_estimate: A::memory_estimate,
        is_forwarded: A::FORWARDED,
        asks,
        run: Run::Call(call::<A>),
    }
}

/// As [`row`], for an API that encodes its own answers.
pub const fn encoding_row<A: EncodingApi + 'static>(asks: &'static [Ask]) -> Row {
    Row {
        key: <A::Request as Request>::KEY,
        name: A::NAME,
        versions: A::VERSIONS,
        advertised_min: A::VERSIONS.0,
        memory_estimate: |frame_bytes| frame_bytes.saturating_mul(4),
        is_forwarded: false,
        asks,
        run: Run::Call(call_encoded::<A>),
    }
}

/// The row of an API that the active controller of a cluster answers, and no broker by itself.
pub const fn relayed_row<const KEY: i16>(
    name: &'static str,
    versions: (i16, i16),
    asks: &'static [Ask],
) -> Row {
    Row {
        key: KEY,
        name,
        versions,
        advertised_min: versions.0,
        memory_estimate: |frame_bytes| frame_bytes.saturating_mul(2),
        is_forwarded: true,
        asks,
        run: Run::Relay(relayed::<KEY>),
    }
}

impl Row {
    /// Whether it is served in a cluster only.
    pub const fn is_in_cluster_only(&self) -> bool {
        matches!(self.run, Run::Relay(_))
    }

    /// Whether `version` is served.
    pub fn serves(&self, version: i16) -> bool {
        (self.versions.0..=self.versions.1).contains(&version)
    }
}
