//! Pure: the quotas of an image: what users, clients and addresses may use (KIP-546).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::metadata::record;

use super::shared::SharedMap;

/// Whom a quota is for: kinds of entity with their names, in the order of the kinds. `None` stands
/// for all of a kind that have no quota of their own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct QuotaEntity(Vec<(String, Option<String>)>);

/// The limits of one entity, by name.
pub type QuotaValues = Arc<BTreeMap<String, f64>>;

/// All quotas.
#[derive(Clone, Debug, Default)]
pub struct ClientQuotas {
    entities: SharedMap<QuotaEntity, QuotaValues>,
    /// Bytes that an answer about all of them may take while it is made.
    answer_bytes: usize,
}

// === impl QuotaEntity ===

impl QuotaEntity {
    /// The entity with these parts; of a kind that stands there twice the last name counts.
    pub fn new(parts: impl IntoIterator<Item = (String, Option<String>)>) -> QuotaEntity {
        let parts: BTreeMap<_, _> = parts.into_iter().collect();
        QuotaEntity(parts.into_iter().collect())
    }

    /// Its kinds and names.
    pub fn parts(&self) -> &[(String, Option<String>)] {
        &self.0
    }

    /// Its name of this kind: `None` where it has none, `Some(None)` for all others of the kind.
    pub fn name(&self, kind: &str) -> Option<Option<&str>> {
        let part = self.0.iter().find(|(of, _)| of == kind)?;
        Some(part.1.as_deref())
    }

    /// What an answer takes for it, at most: for the structs, and for a name of each kind.
    fn answer_bytes(&self) -> usize {
        const STRUCTS_BYTES: usize = 1024;
        let name = |(kind, name): &(String, Option<String>)| {
            kind.len() + name.as_ref().map_or(0, String::len)
        };
        STRUCTS_BYTES + 2 * self.0.iter().map(name).sum::<usize>()
    }
}

// === impl ClientQuotas ===

impl ClientQuotas {
    /// Count of entities that have quotas.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// The limits of an entity, if it has any.
    pub fn of(&self, entity: &QuotaEntity) -> Option<&QuotaValues> {
        self.entities.get(entity)
    }

    /// All entities with their limits, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &QuotaValues)> {
        self.entities.iter()
    }

    /// Bytes that an answer about all of them may take while it is made.
    pub fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    pub(super) fn replay(&mut self, record: &record::ClientQuota) {
        let parts = record.entity.iter();
        let parts = parts.map(|part| (part.entity_type.clone(), part.entity_name.clone()));
        let entity = QuotaEntity::new(parts);
        let is_known = self.of(&entity).is_some();
        let mut values = self.of(&entity).cloned().unwrap_or_default();
        let changed = Arc::make_mut(&mut values);
        match record.remove {
            true => changed.remove(&record.key),
            false => changed.insert(record.key.clone(), f64::from_bits(record.value as u64)),
        };
        let bytes = entity.answer_bytes();
        match (is_known, values.is_empty()) {
            (false, true) => {}
            (true, true) => {
                self.entities.remove(&entity);
                self.answer_bytes -= bytes;
            }
            (_, false) => {
                self.answer_bytes += if is_known { 0 } else { bytes };
                self.entities.insert(entity, values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::record::QuotaEntity as Part;

    fn record(user: Option<&str>, key: &str, value: f64, remove: bool) -> record::ClientQuota {
        let part = Part {
            entity_type: "user".into(),
            entity_name: user.map(String::from),
        };
        record::ClientQuota {
            entity: vec![part],
            key: key.into(),
            value: value.to_bits() as i64,
            remove,
        }
    }

    #[test]
    fn an_entity_is_there_as_long_as_it_has_a_limit() {
        let mut quotas = ClientQuotas::default();
        quotas.replay(&record(Some("a"), "x", 0.0, true));
        assert!(quotas.is_empty() && quotas.answer_bytes() == 0);
        quotas.replay(&record(Some("a"), "x", 1.5, false));
        quotas.replay(&record(Some("a"), "y", 2.0, false));
        quotas.replay(&record(None, "x", 3.0, false));
        let before = quotas.clone();
        let entity = |name: Option<&str>| QuotaEntity::new([("user".into(), name.map(Into::into))]);
        assert_eq!(quotas.of(&entity(Some("a"))).unwrap().len(), 2);
        assert_eq!(quotas.of(&entity(None)).unwrap()["x"], 3.0);
        for key in ["x", "y"] {
            quotas.replay(&record(Some("a"), key, 0.0, true));
        }
        quotas.replay(&record(None, "x", 0.0, true));
        assert_eq!((quotas.len(), quotas.answer_bytes()), (0, 0));
        assert_eq!(before.len(), 2);
        assert!(before.answer_bytes() > 0);
    }

    #[test]
    fn the_order_of_the_parts_does_not_matter() {
        let part = |kind: &str, name: &str| (kind.to_owned(), Some(name.to_owned()));
        let one = QuotaEntity::new([part("user", "u"), part("client-id", "c")]);
        let other = QuotaEntity::new([part("client-id", "c"), part("user", "u")]);
        assert_eq!(one, other);
        assert_eq!(one.name("user"), Some(Some("u")));
        assert_eq!(one.name("ip"), None);
    }
}
