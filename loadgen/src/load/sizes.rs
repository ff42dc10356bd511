//! Pure: sizes of values, drawn from a distribution by a seed.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

use super::stamp::STAMP_BYTES;

/// No value is larger, in bytes.
const SIZE_MAX: usize = 16 << 20;

/// Sizes of values in bytes, as written on the command line.
#[derive(Clone, Debug)]
pub struct Sizes {
    text: String,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Fixed(usize),
    /// Each from the first to the second, evenly.
    Uniform(usize, usize),
    /// Sizes and the weights added up to each.
    List(Vec<(usize, u64)>),
    /// From the first to the second, heavy at the first; the exponent.
    Pareto(usize, usize, f64),
}

impl Sizes {
    /// The size of the next value.
    pub fn draw(&self, rng: &mut Rng) -> usize {
        match &self.shape {
            Shape::Fixed(size) => *size,
            Shape::Uniform(least, most) => rng.usize(*least..=*most),
            Shape::List(list) => {
                let all = list.last().map_or(1, |(_, sum)| *sum);
                let at = rng.u64(0..all);
                let found = list.partition_point(|(_, sum)| *sum <= at);
                list[found].0
            }
            Shape::Pareto(least, most, alpha) => {
                // The inverse of the distribution function of a bounded Pareto.
                let (l, h) = (*least as f64, *most as f64);
                let cut = 1.0 - (l / h).powf(*alpha);
                let size = l / (1.0 - rng.f64() * cut).powf(1.0 / alpha);
                (size as usize).clamp(*least, *most)
            }
        }
    }

    /// The largest that can come.
    pub fn max(&self) -> usize {
        match &self.shape {
            Shape::Fixed(size) => *size,
            Shape::Uniform(_, most) | Shape::Pareto(_, most, _) => *most,
            Shape::List(list) => list.iter().map(|(size, _)| *size).max().unwrap_or(0),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Sizes, String> {
        let shape = match text.split_once(':') {
            None => Shape::Fixed(bytes(text)?),
            Some(("uniform", range)) => {
                let (least, most) = range_of(range)?;
                Shape::Uniform(least, most)
            }
            Some(("pareto", rest)) => {
                let (range, alpha) = rest.split_once(':').unwrap_or((rest, "1.16"));
                let (least, most) = range_of(range)?;
                let alpha: f64 = alpha.parse().map_err(|_| "the exponent is no number")?;
                if !(0.01..=100.0).contains(&alpha) {
                    return Err("the exponent is from 0.01 to 100".to_owned());
                }
                Shape::Pareto(least, most, alpha)
            }
            Some(("list", list)) => {
                let mut sum = 0;
                let items = list.split(',').map(|item| {
                    let (size, weight) = item.split_once('x').unwrap_or((item, "1"));
                    let weight: u32 = weight.parse().map_err(|_| "a weight is no number")?;
                    sum += u64::from(weight.max(1));
                    Ok::<_, String>((bytes(size)?, sum))
                });
                Shape::List(items.collect::<Result<_, _>>()?)
            }
            Some((other, _)) => return Err(format!("{other}: not uniform, list or pareto")),
        };
        Ok(Sizes {
            text: text.to_owned(),
            shape,
        })
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let size = text.parse().map_err(|_| format!("{text} is no size"))?;
    match size {
        STAMP_BYTES..=SIZE_MAX => Ok(size),
        _ => Err(format!("sizes are from {STAMP_BYTES} to {SIZE_MAX} bytes")),
    }
}

fn range_of(text: &str) -> Result<(usize, usize), String> {
    let (least, most) = text.split_once('-').ok_or("not LEAST-MOST")?;
    let (least, most) = (bytes(least)?, bytes(most)?);
    match least <= most {
        true => Ok((least, most)),
        false => Err("the least is more than the most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> Vec<usize> {
        let (sizes, mut rng): (Sizes, _) = (text.parse().unwrap(), Rng::with_seed(7));
        assert_eq!(sizes.to_string(), text);
        (0..100_000).map(|_| sizes.draw(&mut rng)).collect()
    }

    #[test]
    fn sizes_are_distributed_as_they_say() {
        assert!(drawn("1024").iter().all(|size| *size == 1024));
        let uniform = drawn("uniform:100-299");
        let mean = uniform.iter().sum::<usize>() as f64 / 1e5;
        assert!((mean - 199.5).abs() < 1.0, "{mean}");
        assert_eq!(
            (uniform.iter().min(), uniform.iter().max()),
            (Some(&100), Some(&299))
        );
        let list = drawn("list:100x3,200");
        let small = list.iter().filter(|size| **size == 100).count();
        assert!((74_000..76_000).contains(&small), "{small}");
        let mut pareto = drawn("pareto:100-100000:1");
        pareto.sort_unstable();
        // The median of a Pareto with exponent 1 is twice its least.
        assert!((198..203).contains(&pareto[50_000]), "{}", pareto[50_000]);
        assert!(pareto[99_000] > 8_000 && pareto[99_999] <= 100_000);
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            "",
            "31",
            "uniform:9",
            "uniform:200-100",
            "pareto:40-90:x",
            "list:",
            "a:1",
        ] {
            assert!(wrong.parse::<Sizes>().is_err(), "{wrong}");
        }
    }
}
