//! Pure: the seed of a run.

/// The seed in the environment as `CORELANE_SEED`, or `usual`; printed, so that a failure can be
/// played again.
pub fn seed(usual: u64) -> u64 {
    let told = std::env::var("CORELANE_SEED").ok();
    let seed = told.and_then(|seed| seed.parse().ok()).unwrap_or(usual);
    println!("CORELANE_SEED={seed}");
    seed
}
