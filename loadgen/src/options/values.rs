//! Pure: the values of options that are more than a number, read and checked.

use corelane_wire::batch::Codec;

use super::event::Event;
use crate::load::Warmup;
use crate::load::stamp::STAMP_BYTES;

/// A size of a payload in bytes.
pub fn size(text: &str) -> Result<usize, String> {
    let size: usize = text
        .parse()
        .map_err(|_| "not a number of bytes".to_owned())?;
    match size {
        STAMP_BYTES..=16_777_216 => Ok(size),
        _ => Err(format!("from {STAMP_BYTES} to 16777216 bytes")),
    }
}

pub fn acks(text: &str) -> Result<i16, String> {
    match text {
        "-1" | "all" => Ok(-1),
        "1" => Ok(1),
        "0" => Ok(0),
        _ => Err("-1, 1 or 0".to_owned()),
    }
}

/// A codec by Kafka's name of it.
pub fn codec(text: &str) -> Result<Codec, String> {
    let known = (0..5).filter_map(Codec::from_id);
    let mut found = known.filter(|codec| codec.name() == text);
    found
        .next()
        .ok_or("none, gzip, snappy, lz4 or zstd".to_owned())
}

pub fn millis(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match (0.0..=60_000.0).contains(&value) {
        true => Ok(value),
        false => Err("from 0 to 60000".to_owned()),
    }
}

pub fn warmup(text: &str) -> Result<Warmup, String> {
    match (text, text.parse()) {
        ("steady", _) => Ok(Warmup::Steady),
        (_, Ok(seconds @ 0..=1_000_000)) => Ok(Warmup::Seconds(seconds)),
        _ => Err("a number of seconds, or steady".to_owned()),
    }
}

/// A setting.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let found = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = found.ok_or("not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub fn at_second(text: &str) -> Result<Event, String> {
    let wrong = || "such as 30=restart".to_owned();
    let (at, what) = text.split_once('=').ok_or_else(wrong)?;
    let at_s: f64 = at.trim().parse().map_err(|_| wrong())?;
    match at_s >= 0.0 && at_s.is_finite() && !what.is_empty() {
        true => Ok(Event {
            at_s,
            what: what.to_owned(),
        }),
        false => Err(wrong()),
    }
}
