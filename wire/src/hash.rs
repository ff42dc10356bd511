//! Pure: the hashes by which Kafka places keys, groups and settings.

/// Java's `String.hashCode` (over UTF-16 units, wrapping).
pub fn java_string(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

/// Where a Java `HashMap` that has grown to `count` string keys keeps this one: it is walked in
/// the order of its buckets, which shows where Kafka takes "the first" of equals.
pub fn java_bucket(key: &str, count: usize) -> u32 {
    let hash = java_string(key) as u32;
    // The table starts with 16 buckets and doubles when it is three quarters full.
    let mut buckets = 16u32;
    while count > buckets as usize / 4 * 3 {
        buckets *= 2;
    }
    (hash ^ (hash >> 16)) & (buckets - 1)
}

/// The partition of an internal topic that a group or transactional id belongs to
/// (`Utils.abs(id.hashCode()) % partitions`, as `GroupCoordinatorService.partitionFor` has it).
/// `partitions` is at least 1.
pub fn partition_of_id(id: &str, partitions: i32) -> i32 {
    // Kafka's Utils.abs maps the one number without an absolute value to zero.
    java_string(id).checked_abs().unwrap_or(0) % partitions
}

/// Kafka's murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`), the hash of record keys.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

/// The partition that Kafka's default partitioner gives a record with this key.
/// `partitions` is at least 1.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hash_as_in_java() {
        assert_eq!(java_string(""), 0);
        assert_eq!(java_string("polygenelubricants"), i32::MIN);
        assert_eq!(java_string("console-consumer-1"), 35_782_224);
        assert_eq!(java_string("gruppe-\u{e4}\u{1f600}"), -1_282_783_819);
    }

    #[test]
    fn keys_lie_where_a_java_hash_map_has_them() {
        // Buckets, and with them the order of iteration, as a JDK 17 prints them.
        let names = ["rr", "sticky", "range", "roundrobin", "cooperative-sticky"];
        assert_eq!(names.map(|name| java_bucket(name, 5)), [0, 8, 9, 10, 15]);
        assert_eq!(
            ["p10", "p12", "p11"].map(|name| java_bucket(name, 13)),
            [14, 16, 17]
        );
    }

    #[test]
    fn the_one_number_without_an_absolute_value_lands_on_partition_0() {
        assert_eq!(partition_of_id("polygenelubricants", 50), 0);
        assert_eq!(partition_of_id("console-consumer-1", 50), 24);
    }

    #[test]
    fn murmur2_agrees_with_kafka() {
        for (text, hash) in [
            ("", 275_646_681),
            ("2", 648_968_168),
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
        assert_eq!(partition_of_key(b"foobar", 7), 0);
    }
}
