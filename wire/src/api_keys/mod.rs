//! Pure: every API that Kafka knows of, with its versions.

mod table;

pub(crate) use table::API_KEYS;

/// One API that Kafka knows of, whether served here or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiRow {
    /// Its number.
    pub key: i16,
    /// Its name, without `Request`.
    pub name: &'static str,
    /// Oldest version that Kafka 4.3.1 has a schema for.
    pub first: i16,
    /// Newest version that Kafka 4.3.1 has a schema for.
    pub last: i16,
    /// First version with compact lengths and tagged fields (KIP-482), `i16::MAX` for never.
    pub flexible: i16,
}

impl ApiRow {
    const fn new(key: i16, name: &'static str, first: i16, last: i16, flexible: i16) -> ApiRow {
        ApiRow {
            key,
            name,
            first,
            last,
            flexible,
        }
    }

    /// The API with this key, if Kafka knows one.
    pub fn find(key: i16) -> Option<&'static ApiRow> {
        let index = API_KEYS.binary_search_by_key(&key, |row| row.key).ok()?;
        Some(&API_KEYS[index])
    }

    /// Whether this version has compact lengths and tagged fields. As in Kafka, versions
    /// newer than the newest known count like it.
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible
    }
}
