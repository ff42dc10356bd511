//! Pure: a map that is cheap to copy and cheap to drop, whatever its size.
//!
//! Every change of the cluster publishes a new image, and the last shard to let go of an old one
//! drops it in between two produce requests. So neither may touch all entries: entries live in a
//! fixed number of buckets behind counters, and a copy shares all buckets but those it changes.

use std::borrow::Borrow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Count of buckets: with 10,000 entries a bucket holds 40, so that a change costs 256 counters
/// and the copy of one bucket: a few microseconds.
const BUCKETS: usize = 256;

type Bucket<K, V> = Option<Arc<Vec<(K, V)>>>;

/// A hash map whose clones share what they have in common.
#[derive(Debug)]
pub struct SharedMap<K, V> {
    buckets: Arc<[Bucket<K, V>]>,
    len: usize,
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        SharedMap {
            buckets: Arc::clone(&self.buckets),
            len: self.len,
        }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        SharedMap {
            buckets: (0..BUCKETS).map(|_| None).collect(),
            len: 0,
        }
    }
}

impl<K, V> SharedMap<K, V> {
    /// Count of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let buckets = self.buckets.iter().flatten();
        buckets.flat_map(|bucket| bucket.iter().map(|(key, value)| (key, value)))
    }

    /// The entries in buckets that `self` does not share with `older`, each with whether it
    /// comes from `self` (true) or from `older` (false). What is the same in both may be among
    /// them, what differs always is.
    pub fn differing<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = (bool, &'a K, &'a V)> {
        let pairs = self.buckets.iter().zip(older.buckets.iter());
        let differing = pairs.filter(|(new, old)| !same_bucket(new, old));
        differing.flat_map(|(new, old)| {
            let new = new.iter().flat_map(|bucket| bucket.iter());
            let old = old.iter().flat_map(|bucket| bucket.iter());
            new.map(|(key, value)| (true, key, value))
                .chain(old.map(|(key, value)| (false, key, value)))
        })
    }
}

fn same_bucket<K, V>(a: &Bucket<K, V>, b: &Bucket<K, V>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

fn bucket_of<Q: Hash + ?Sized>(key: &Q) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() as usize % BUCKETS
}

impl<K: Hash + Eq + Clone, V: Clone> SharedMap<K, V> {
    /// The value of `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let bucket = self.buckets[bucket_of(key)].as_ref()?;
        let entry = bucket.iter().find(|(found, _)| found.borrow() == key)?;
        Some(&entry.1)
    }

    /// Sets the value of `key`; answers the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let bucket = self.bucket_mut(bucket_of(&key));
        match bucket.iter_mut().find(|(found, _)| *found == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                bucket.push((key, value));
                self.len += 1;
                None
            }
        }
    }

    /// Takes `key` out; answers its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.get(key)?;
        let index = bucket_of(key);
        let bucket = self.bucket_mut(index);
        let position = bucket.iter().position(|(found, _)| found.borrow() == key)?;
        let (_, value) = bucket.swap_remove(position);
        self.len -= 1;
        Some(value)
    }

    /// A bucket to change, no longer shared with another image.
    fn bucket_mut(&mut self, index: usize) -> &mut Vec<(K, V)> {
        let buckets = Arc::make_mut(&mut self.buckets);
        Arc::make_mut(buckets[index].get_or_insert_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let mut map: SharedMap<String, i32> = SharedMap::default();
        for i in 0..1000 {
            assert_eq!(map.insert(i.to_string(), i), None);
        }
        let before = map.clone();
        assert_eq!(map.insert("7".into(), -7), Some(7));
        assert_eq!(map.remove("8"), Some(8));
        assert_eq!(map.remove("8"), None);
        assert_eq!(
            (map.get("7"), map.get("8"), map.len()),
            (Some(&-7), None, 999)
        );
        assert_eq!(
            (before.get("7"), before.get("8"), before.len()),
            (Some(&7), Some(&8), 1000)
        );
        assert_eq!(map.iter().count(), 999);
    }

    #[test]
    fn only_what_changed_is_looked_at_to_find_what_differs() {
        let mut old: SharedMap<i32, i32> = SharedMap::default();
        for i in 0..10_000 {
            old.insert(i, i);
        }
        let mut new = old.clone();
        assert_eq!(new.differing(&old).count(), 0);
        new.insert(3, 30);
        new.insert(-1, 0);
        let seen: Vec<_> = new.differing(&old).collect();
        assert!(seen.contains(&(true, &3, &30)) && seen.contains(&(false, &3, &3)));
        assert!(seen.contains(&(true, &-1, &0)));
        assert!(seen.len() < 500, "{}", seen.len());
    }
}
