//! Pure: metrics as clients push them (KIP-714): `MetricsData` of OpenTelemetry's protocol,
//! protobuf walked in place.
//!
//! Only what is shown of a metric is taken out: name, attributes, the newest number. All else is
//! passed over, but must be whole.

use super::cursor::{Cursor, Short};

/// One number of a metric.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The metric's name, with its attributes in braces where it has some.
    pub name: String,
    /// The number; of a histogram the sum.
    pub value: f64,
}

/// The samples of a payload.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Samples {
    /// The first of them.
    pub list: Vec<Sample>,
    /// How many more there were than fit, or had names that are too long.
    pub left_out: usize,
}

/// The most that is taken of a payload.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Samples.
    pub samples: usize,
    /// Bytes of a sample's name, with its attributes.
    pub name_bytes: usize,
}

/// A field of a message: its number and its value.
enum Field<'a> {
    Varint(u32, u64),
    Fixed64(u32, u64),
    Bytes(u32, &'a [u8]),
    Fixed32,
}

/// Takes the next field off the front.
fn field<'a>(cursor: &mut Cursor<'a>) -> Result<Field<'a>, Short> {
    let tag = varint(cursor)?;
    let number = u32::try_from(tag >> 3).map_err(|_| Short)?;
    if number == 0 {
        return Err(Short);
    }
    Ok(match tag & 7 {
        0 => Field::Varint(number, varint(cursor)?),
        1 => {
            let bytes: [u8; 8] = cursor.take(8)?.try_into().map_err(|_| Short)?;
            Field::Fixed64(number, u64::from_le_bytes(bytes))
        }
        2 => {
            let length = usize::try_from(varint(cursor)?).map_err(|_| Short)?;
            Field::Bytes(number, cursor.take(length)?)
        }
        5 => {
            cursor.take(4)?;
            Field::Fixed32
        }
        // Groups are long gone from the protocol.
        _ => return Err(Short),
    })
}

fn varint(cursor: &mut Cursor<'_>) -> Result<u64, Short> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = cursor.take(1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Short)
}

/// Calls `see` with each field of a message.
fn each<'a>(
    message: &'a [u8],
    mut see: impl FnMut(Field<'a>) -> Result<(), Short>,
) -> Result<(), Short> {
    let mut cursor = Cursor::new(message);
    while cursor.remaining() > 0 {
        see(field(&mut cursor)?)?;
    }
    Ok(())
}

/// Calls `see` with each message that is field `number` of a message.
fn each_message<'a>(
    message: &'a [u8],
    number: u32,
    mut see: impl FnMut(&'a [u8]) -> Result<(), Short>,
) -> Result<(), Short> {
    each(message, |field| match field {
        Field::Bytes(found, inner) if found == number => see(inner),
        _ => Ok(()),
    })
}

/// Reads a `MetricsData`.
pub fn read(payload: &[u8], bounds: Bounds) -> Result<Samples, Short> {
    let mut samples = Samples::default();
    each_message(payload, 1, |resource| {
        each_message(resource, 2, |scope| {
            each_message(scope, 2, |of| metric(of, bounds, &mut samples))
        })
    })?;
    Ok(samples)
}

fn metric(message: &[u8], bounds: Bounds, samples: &mut Samples) -> Result<(), Short> {
    let mut name = "";
    each_message(message, 1, |text| {
        name = std::str::from_utf8(text).map_err(|_| Short)?;
        Ok(())
    })?;
    each(message, |field| {
        let (kind, data) = match field {
            Field::Bytes(number, data) => (number, data),
            _ => return Ok(()),
        };
        // Number of the field of a point's attributes.
        let attributes = match kind {
            // Gauge, sum, summary.
            5 | 7 | 11 => 7,
            // Histogram.
            9 => 9,
            // Exponential histogram.
            10 => 1,
            _ => return Ok(()),
        };
        each_message(data, 1, |of| {
            point(of, kind, attributes, name, bounds, samples)
        })
    })
}

fn point(
    message: &[u8],
    kind: u32,
    attributes: u32,
    name: &str,
    bounds: Bounds,
    samples: &mut Samples,
) -> Result<(), Short> {
    let (mut value, mut text) = (None, String::new());
    each(message, |field| {
        match (kind, field) {
            // As a double; of a summary and of histograms field 5 is the sum.
            (5 | 7, Field::Fixed64(4, bits)) | (9..=11, Field::Fixed64(5, bits)) => {
                value = Some(f64::from_bits(bits));
            }
            (5 | 7, Field::Fixed64(6, bits)) => value = Some(bits as i64 as f64),
            (_, Field::Bytes(number, inner)) if number == attributes => {
                attribute(inner, bounds, &mut text)?;
            }
            _ => {}
        }
        Ok(())
    })?;
    let Some(value) = value else {
        return Ok(());
    };
    let bytes = name.len() + text.len();
    if samples.list.len() >= bounds.samples || bytes > bounds.name_bytes {
        samples.left_out += 1;
        return Ok(());
    }
    let name = match text.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{{{text}}}"),
    };
    samples.list.push(Sample { name, value });
    Ok(())
}

/// Appends `key=value` to `text`, which may become a little longer than a name may be.
fn attribute(message: &[u8], bounds: Bounds, text: &mut String) -> Result<(), Short> {
    let (mut key, mut value) = ("", String::new());
    each(message, |field| {
        match field {
            Field::Bytes(1, bytes) => key = std::str::from_utf8(bytes).map_err(|_| Short)?,
            Field::Bytes(2, any) => each(any, |field| {
                value = match field {
                    Field::Bytes(1, bytes) => {
                        let text = std::str::from_utf8(bytes).map_err(|_| Short)?;
                        text.chars().take(bounds.name_bytes).collect()
                    }
                    Field::Varint(2, flag) => (flag != 0).to_string(),
                    Field::Varint(3, number) => (number as i64).to_string(),
                    Field::Fixed64(4, bits) => f64::from_bits(bits).to_string(),
                    _ => "…".to_owned(),
                };
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    if text.len() <= bounds.name_bytes {
        let comma = if text.is_empty() { "" } else { "," };
        let key: String = key.chars().take(bounds.name_bytes).collect();
        *text += &format!("{comma}{key}={value}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        samples: 10,
        name_bytes: 100,
    };

    fn bytes(number: u8, inner: &[u8]) -> Vec<u8> {
        let length = [inner.len() as u8 | 0x80, (inner.len() >> 7) as u8];
        let mut out = vec![number << 3 | 2, length[0], length[1]];
        out.extend(inner);
        out
    }

    fn fixed(number: u8, bits: u64) -> Vec<u8> {
        let mut out = vec![number << 3 | 1];
        out.extend(bits.to_le_bytes());
        out
    }

    fn payload(kind: u8, points: &[Vec<u8>]) -> Vec<u8> {
        let data: Vec<u8> = points.iter().flat_map(|point| bytes(1, point)).collect();
        let metric = [bytes(1, b"m"), bytes(kind, &data)].concat();
        bytes(1, &bytes(2, &bytes(2, &metric)))
    }

    #[test]
    fn names_attributes_and_numbers_are_taken_out() {
        let key = [bytes(1, b"node"), bytes(2, &bytes(1, b"1"))].concat();
        let with = [bytes(7, &key), fixed(4, 1.5f64.to_bits())].concat();
        let plain = fixed(6, -3i64 as u64);
        let sum = payload(7, &[with, plain]);
        let histogram = payload(9, &[fixed(5, 2f64.to_bits())]);
        let samples = read(&[sum, histogram].concat(), BOUNDS).unwrap();
        let found: Vec<_> = samples
            .list
            .iter()
            .map(|it| (&*it.name, it.value))
            .collect();
        assert_eq!(found, [("m{node=1}", 1.5), ("m", -3.0), ("m", 2.0)]);
        assert_eq!(read(&[], BOUNDS), Ok(Samples::default()));
    }

    #[test]
    fn no_more_is_taken_than_the_bounds_say() {
        let many = payload(5, &vec![fixed(4, 0); 11]);
        let samples = read(&many, BOUNDS).unwrap();
        assert_eq!((samples.list.len(), samples.left_out), (10, 1));
        let short = Bounds {
            name_bytes: 0,
            ..BOUNDS
        };
        assert_eq!(read(&many, short).unwrap().left_out, 11);
    }

    #[test]
    fn what_is_cut_or_changed_is_no_reason_to_panic() {
        let key = [bytes(1, b"k"), bytes(2, &fixed(4, 7))].concat();
        let good = payload(5, &[[bytes(7, &key), fixed(4, 1)].concat()]);
        for end in 1..good.len() {
            assert_eq!(read(&good[..end], BOUNDS), Err(Short), "{end}");
        }
        for at in 0..good.len() {
            for with in 0..=255 {
                let mut bad = good.clone();
                bad[at] = with;
                let _ = read(&bad, BOUNDS);
            }
        }
        let endless = [0x80; 20];
        assert_eq!(read(&endless, BOUNDS), Err(Short));
    }
}
