//! Pure: how many shards a broker runs when no setting says.

/// The most shards that are taken without being asked for.
const SHARDS_UNASKED_MAX: usize = 8;

/// Half of the physical cores that this process may use, at least 1 and at most 8.
///
/// `cores` counts physical cores, `cpus` the hardware threads (or the share of them that a
/// container leaves); the smaller counts. Why so: docs/decisions/0001-default-shards.md.
pub fn default_shards(cpus: usize, cores: usize) -> usize {
    (cpus.min(cores) / 2).clamp(1, SHARDS_UNASKED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_laptop_and_a_large_host_get_what_the_decision_record_says() {
        for (cpus, cores, shards) in [
            (1, 1, 1),
            (2, 2, 1),
            (4, 2, 1),
            (8, 4, 2),
            (12, 6, 3),
            (16, 8, 4),
            (32, 16, 8),
            (128, 64, 8),
            (3, 64, 1),
            (0, 0, 1),
        ] {
            assert_eq!(
                default_shards(cpus, cores),
                shards,
                "{cpus} cpus, {cores} cores"
            );
        }
    }
}
