//! Pure: keys of records, drawn from a distribution by a seed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use fastrand::Rng;

/// More different keys are not kept in a table.
const KEYS_MAX: u64 = 10_000_000;

/// Keys of records, as written on the command line.
#[derive(Clone, Debug)]
pub struct Keys {
    text: String,
    kinds: Kinds,
}

#[derive(Clone, Debug)]
enum Kinds {
    None,
    Uniform(u64),
    /// The share of the keys up to each one.
    Zipf(Arc<[f64]>),
}

impl Keys {
    /// The next record's key; `None` where there are none.
    pub fn draw(&self, rng: &mut Rng) -> Option<u64> {
        match &self.kinds {
            Kinds::None => None,
            Kinds::Uniform(count) => Some(rng.u64(0..*count)),
            Kinds::Zipf(shares) => {
                let at = rng.f64();
                let found = shares.partition_point(|share| *share <= at);
                Some(found.min(shares.len() - 1) as u64)
            }
        }
    }

    /// Whether records have keys.
    pub fn any(&self) -> bool {
        !matches!(self.kinds, Kinds::None)
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Keys, String> {
        let count = |text: &str| match text.parse() {
            Ok(count @ 1..=KEYS_MAX) => Ok(count),
            _ => Err(format!("there may be from 1 to {KEYS_MAX} keys")),
        };
        let kinds = match text.split_once(':') {
            None if text == "none" => Kinds::None,
            Some(("uniform", number)) => Kinds::Uniform(count(number)?),
            Some(("zipf", rest)) => {
                let (number, exponent) = rest.split_once(':').unwrap_or((rest, "0.99"));
                let exponent: f64 = exponent.parse().map_err(|_| "the exponent is no number")?;
                if !(0.0..=10.0).contains(&exponent) {
                    return Err("the exponent is from 0 to 10".to_owned());
                }
                Kinds::Zipf(zipf(count(number)?, exponent))
            }
            _ => return Err("none, uniform:N or zipf:N[:EXPONENT]".to_owned()),
        };
        Ok(Keys {
            text: text.to_owned(),
            kinds,
        })
    }
}

fn zipf(count: u64, exponent: f64) -> Arc<[f64]> {
    let mut sum = 0.0;
    let mut shares: Vec<f64> = (1..=count)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    shares.iter_mut().for_each(|share| *share /= sum);
    shares.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distributed_as_they_say() {
        let mut rng = Rng::with_seed(7);
        let zipf: Keys = "zipf:1000:1".parse().unwrap();
        let mut counts = vec![0u64; 1_000];
        for _ in 0..200_000 {
            counts[zipf.draw(&mut rng).unwrap() as usize] += 1;
        }
        // The first of a thousand has 1 / H(1000) = 13.36 % of all, the tenth a tenth of that.
        assert!((26_000..27_500).contains(&counts[0]), "{}", counts[0]);
        assert!((2_450..2_900).contains(&counts[9]), "{}", counts[9]);
        let uniform: Keys = "uniform:3".parse().unwrap();
        assert!((0..100).all(|_| uniform.draw(&mut rng).unwrap() < 3));
        assert_eq!("none".parse::<Keys>().unwrap().draw(&mut rng), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in ["", "uniform", "uniform:0", "zipf:10:x", "zipf:99999999999"] {
            assert!(wrong.parse::<Keys>().is_err(), "{wrong}");
        }
    }
}
