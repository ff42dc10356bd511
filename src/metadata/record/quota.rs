//! Pure: records about what users, clients and addresses may use.

use super::field::{fields, items};

items! {
    /// One part of whom a quota is for.
    QuotaEntity {
        /// `user`, `client-id` or `ip`.
        entity_type: String,
        /// `None` for all that have no quota of their own.
        entity_name: Option<String>,
    }
}

fields! {
    /// Key 14: a quota of a user, a client or an address is set or removed.
    ClientQuota {
        /// Whom it is for.
        entity: Vec<QuotaEntity>,
        /// What is limited.
        key: String,
        /// The bits of the limit, a 64-bit float.
        value: i64,
        /// Whether it is removed.
        remove: bool,
    }
}
