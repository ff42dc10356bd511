//! Pure: what the state of the server knows of the APIs that are served.

/// One API that is served.
#[derive(Clone, Copy, Debug)]
pub struct ServedApi {
    /// Kafka's name of it.
    pub name: &'static str,
    /// Kafka's key of it.
    pub key: i16,
    /// First and last version that clients are told of.
    pub advertised: (i16, i16),
    /// Whether it is served in a cluster only.
    pub is_in_cluster_only: bool,
    /// Whether in a cluster the active controller answers.
    pub is_forwarded: bool,
}

impl ServedApi {
    /// The API of this name and key.
    pub const fn new(name: &'static str, key: i16, advertised: (i16, i16)) -> ServedApi {
        ServedApi {
            name,
            key,
            advertised,
            is_in_cluster_only: false,
            is_forwarded: false,
        }
    }
}
