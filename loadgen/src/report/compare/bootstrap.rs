//! Pure: how sure a ratio is, from how much blocks differ among themselves.
//!
//! Samples of one block share what the host did meanwhile, so they are not independent, and
//! a million of them prove nothing that eight blocks do not. What is drawn again and again, with
//! replacement, is therefore whole blocks (the percentile bootstrap of Efron). Of each draw the
//! median over blocks is taken, which one bad block cannot move far. The seed
//! is given: two looks at the same files must not differ.

use fastrand::Rng;

/// Fewer blocks of a side give no interval that could be trusted.
pub const BLOCKS_MIN: usize = 5;

/// How often blocks are drawn.
const DRAWS: usize = 4_000;

/// The part of draws left out at each end: together 5 %.
const TAIL: f64 = 0.025;

/// A change of less is not worth a verdict, however sure it is.
pub const CHANGE_MIN: f64 = 0.02;

/// A ratio with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median of the other's blocks over the median of the first's.
    pub ratio: f64,
    /// The ends of the interval; `None` with too few blocks.
    pub interval: Option<(f64, f64)>,
}

/// What may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The other's value is higher.
    Higher,
    /// The other's value is lower.
    Lower,
    /// Neither can be said.
    Open,
    /// There are too few blocks to say anything.
    TooFew,
}

impl Ratio {
    /// A verdict only where the interval excludes no change and the change is more than 2 %.
    pub fn verdict(&self) -> Verdict {
        match self.interval {
            None => Verdict::TooFew,
            Some((low, _)) if low > 1.0 && self.ratio > 1.0 + CHANGE_MIN => Verdict::Higher,
            Some((_, high)) if high < 1.0 && self.ratio < 1.0 - CHANGE_MIN => Verdict::Lower,
            Some(_) => Verdict::Open,
        }
    }
}

/// The median; reorders `values`, which must not be empty.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// The ratio of `others` to `firsts`, a value per block; `None` where a side has no block or a
/// value that is not positive.
pub fn compare(firsts: &[f64], others: &[f64], random: &mut Rng) -> Option<Ratio> {
    compare_by(DRAWS, firsts, others, random)
}

fn compare_by(draws: usize, firsts: &[f64], others: &[f64], random: &mut Rng) -> Option<Ratio> {
    let logs = |values: &[f64]| -> Option<Vec<f64>> {
        let good = |value: &f64| (*value > 0.0 && value.is_finite()).then(|| value.ln());
        let logs: Option<Vec<f64>> = values.iter().map(good).collect();
        logs.filter(|logs| !logs.is_empty())
    };
    let (firsts, others) = (logs(firsts)?, logs(others)?);
    let ratio = (median(&mut others.clone()) - median(&mut firsts.clone())).exp();
    if firsts.len().min(others.len()) < BLOCKS_MIN {
        return Some(Ratio {
            ratio,
            interval: None,
        });
    }
    let mut drawn = (vec![0.0; firsts.len()], vec![0.0; others.len()]);
    let mut draw = |from: &[f64], into: &mut Vec<f64>| {
        into.iter_mut()
            .for_each(|value| *value = from[random.usize(..from.len())]);
        median(into)
    };
    let mut differences: Vec<f64> = (0..draws)
        .map(|_| -draw(&firsts, &mut drawn.0) + draw(&others, &mut drawn.1))
        .collect();
    differences.sort_unstable_by(f64::total_cmp);
    let cut = (draws as f64 * TAIL) as usize;
    let (low, high) = (differences[cut], differences[draws - 1 - cut]);
    Some(Ratio {
        ratio,
        interval: Some((low.exp(), high.exp())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough draws to tell, in tests of many comparisons.
    const FEW: usize = 600;

    /// Draws a block's value.
    type Draw = fn(&mut Rng) -> f64;

    fn normal(random: &mut Rng) -> f64 {
        // Box and Muller; 0 has no logarithm.
        let (u, v) = (1.0 - random.f64(), random.f64());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    const NOISE: [(&str, Draw); 3] = [
        ("even", |random| (normal(random) * 0.05).exp()),
        ("outliers", |random| {
            let wide = random.f64() < 0.15;
            (normal(random).abs() * if wide { 0.6 } else { 0.05 }).exp()
        }),
        ("skewed", |random| (-(1.0 - random.f64()).ln() * 0.1).exp()),
    ];

    /// The share of 300 comparisons that end in a verdict, where the other is `factor` times as
    /// slow.
    fn share_of_verdicts(blocks: usize, factor: f64, noise: Draw) -> f64 {
        let mut random = Rng::with_seed(7);
        let mut verdicts = 0;
        for _ in 0..300 {
            let firsts: Vec<f64> = (0..blocks).map(|_| noise(&mut random)).collect();
            let others = (0..blocks).map(|_| noise(&mut random) * factor);
            let others: Vec<f64> = others.collect();
            let found = compare_by(FEW, &firsts, &others, &mut random).unwrap();
            let wrong = if factor >= 1.0 {
                Verdict::Lower
            } else {
                Verdict::Higher
            };
            let said = found.verdict();
            verdicts += i32::from(said != Verdict::Open && (factor == 1.0 || said != wrong));
        }
        f64::from(verdicts) / 300.0
    }

    #[test]
    fn equal_sides_are_told_apart_no_more_often_than_one_time_in_twenty() {
        for (name, noise) in NOISE {
            for blocks in [BLOCKS_MIN, 8, 16] {
                let share = share_of_verdicts(blocks, 1.0, noise);
                // 5 % of 300, and what chance may add to it.
                assert!(share <= 0.08, "{name}, {blocks} blocks: {share}");
            }
        }
        // And not never either, or the intervals would be too wide to be of use.
        let any: f64 = NOISE
            .iter()
            .map(|one| share_of_verdicts(8, 1.0, one.1))
            .sum();
        assert!(any > 0.01, "{any}");
    }

    #[test]
    fn a_real_change_is_found_and_the_interval_holds_it() {
        for factor in [0.7, 1.3] {
            let share = share_of_verdicts(8, factor, NOISE[0].1);
            assert!(share > 0.97, "{factor}: {share}");
        }
        let mut random = Rng::with_seed(3);
        let held = (0..300).filter(|_| {
            let firsts: Vec<f64> = (0..8).map(|_| NOISE[0].1(&mut random)).collect();
            let others = (0..8).map(|_| 1.3 * NOISE[0].1(&mut random));
            let others: Vec<f64> = others.collect();
            let found = compare_by(FEW, &firsts, &others, &mut random).unwrap();
            let (low, high) = found.interval.unwrap();
            low <= 1.3 && 1.3 <= high
        });
        let held = held.count();
        assert!(held >= 276, "{held} of 300");
    }

    #[test]
    fn a_sure_change_of_one_percent_is_no_verdict() {
        let same = vec![100.0; 8];
        let more = vec![101.0; 8];
        let found = compare(&same, &more, &mut Rng::with_seed(1)).unwrap();
        assert!(found.interval.unwrap().0 > 1.0);
        assert_eq!(found.verdict(), Verdict::Open);
        let twice = compare(&same, &[200.0; 8], &mut Rng::with_seed(1)).unwrap();
        assert_eq!(twice.verdict(), Verdict::Higher);
        let half = compare(&same, &[50.0; 8], &mut Rng::with_seed(1)).unwrap();
        assert_eq!(half.verdict(), Verdict::Lower);
    }

    #[test]
    fn too_few_blocks_have_a_ratio_and_no_verdict() {
        let found = compare(&[1.0; 4], &[2.0; 8], &mut Rng::with_seed(1)).unwrap();
        assert_eq!((found.ratio, found.verdict()), (2.0, Verdict::TooFew));
        assert_eq!(compare(&[], &[1.0], &mut Rng::with_seed(1)), None);
        assert_eq!(compare(&[0.0; 8], &[1.0; 8], &mut Rng::with_seed(1)), None);
    }
}
