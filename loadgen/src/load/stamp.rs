//! Pure: what each record's value begins with: which run and producer it is of, its number and
//! its send time, with a checksum.

/// Bytes of a record's value that loadgen needs for itself.
pub const STAMP_BYTES: usize = 32;

/// Where the checksum stands in them.
const CHECKSUM_AT: usize = 28;

/// What a record's value begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Tells this run's records from those of others in the same topic.
    pub run: u64,
    /// Who sent it.
    pub producer: u32,
    /// Which of the producer's records it is, from 0.
    pub sequence: u64,
    /// When it was to be sent, in nanoseconds of the run's clock.
    pub intended_ns: u64,
}

impl Stamp {
    /// Writes the stamp over the beginning of `value`, which has [`STAMP_BYTES`] at least, with
    /// a checksum of it, and of all that follows if `whole`.
    pub fn write(&self, value: &mut [u8], whole: bool) {
        value[0..8].copy_from_slice(&self.run.to_be_bytes());
        value[8..12].copy_from_slice(&self.producer.to_be_bytes());
        value[12..20].copy_from_slice(&self.sequence.to_be_bytes());
        value[20..28].copy_from_slice(&self.intended_ns.to_be_bytes());
        let sum = checksum(value, whole).to_be_bytes();
        value[CHECKSUM_AT..STAMP_BYTES].copy_from_slice(&sum);
    }

    /// The stamp at the beginning of `value`; `None` if there is none with the right checksum.
    pub fn read(value: &[u8], whole: bool) -> Option<Stamp> {
        let u64_at = |at: usize| Some(u64::from_be_bytes(*value.get(at..)?.first_chunk()?));
        let sum = u32::from_be_bytes(*value.get(CHECKSUM_AT..)?.first_chunk()?);
        if sum != checksum(value, whole) {
            return None;
        }
        Some(Stamp {
            run: u64_at(0)?,
            producer: u32::from_be_bytes(*value.get(8..)?.first_chunk()?),
            sequence: u64_at(12)?,
            intended_ns: u64_at(20)?,
        })
    }

    /// The run that `value` claims to be of, without a look at its checksum.
    pub fn claimed_run(value: &[u8]) -> Option<u64> {
        Some(u64::from_be_bytes(*value.first_chunk()?))
    }
}

fn checksum(value: &[u8], whole: bool) -> u32 {
    let stamp = crc32c::crc32c(&value[..CHECKSUM_AT]);
    match whole {
        true => crc32c::crc32c_append(stamp, &value[STAMP_BYTES..]),
        false => stamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(producer: u32, sequence: u64) -> Stamp {
        Stamp {
            run: 7,
            producer,
            sequence,
            intended_ns: 9,
        }
    }

    #[test]
    fn a_stamp_is_read_as_written_and_vouches_for_its_value() {
        let mut value = [0; 40];
        stamp(3, 1 << 30).write(&mut value, true);
        assert_eq!(Stamp::read(&value, true), Some(stamp(3, 1 << 30)));
        assert_eq!(Stamp::read(&value[..STAMP_BYTES - 1], false), None);
        for at in 0..40 {
            value[at] ^= 4;
            assert_eq!(Stamp::read(&value, true), None, "{at}");
            value[at] ^= 4;
        }
        stamp(3, 5).write(&mut value, false);
        value[39] ^= 1;
        assert_eq!(Stamp::read(&value, false), Some(stamp(3, 5)));
    }
}
