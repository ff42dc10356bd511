//! Pure: whether bytes that go by are whole, sound batches.

use crate::base::{LeaderEpoch, Offset};
use crate::wire::batch::{BatchHeader, HEADER_BYTES, MAGIC};

/// A batch in a data file.
#[derive(Clone, Debug)]
pub struct Place {
    pub header: BatchHeader,
    pub position: u64,
    pub bytes: usize,
    /// Its first offset is not before this.
    pub expected: Offset,
    /// The epoch of the one before it; the least there is where that is not known.
    pub epoch: LeaderEpoch,
}

impl Place {
    /// Position behind it.
    pub fn end(&self) -> u64 {
        self.position + self.bytes as u64
    }
}

/// Follows the bytes of a data file from the beginning of a batch on, however they are cut.
/// Cheap to clone, so that bytes can be looked at once more.
#[derive(Clone, Debug)]
pub struct Check {
    /// Of the next byte.
    position: u64,
    expected: Offset,
    epoch: LeaderEpoch,
    /// As much of a batch's header as went by.
    head: [u8; HEADER_BYTES],
    head_bytes: usize,
    /// The batch under way.
    batch: Option<UnderWay>,
    /// The batch before, which fits by itself; what follows it tells the rest.
    before: Option<Place>,
}

#[derive(Clone, Debug)]
struct UnderWay {
    place: Place,
    left: usize,
    crc: u32,
}

/// Says whether a batch fits in between its neighbours: the one behind it, and the offset before
/// which it must end.
pub type Judge<'a> = &'a dyn Fn(&Place, Option<&BatchHeader>, Offset) -> bool;

impl Check {
    /// From the batch at `position` on, which begins with `expected` or, where compaction left a
    /// gap, behind it; `epoch` is that of the batch before, if known.
    pub fn new(position: u64, expected: Offset, epoch: LeaderEpoch) -> Check {
        Check {
            position,
            expected,
            epoch,
            head: [0; HEADER_BYTES],
            head_bytes: 0,
            batch: None,
            before: None,
        }
    }

    /// Position of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The offset behind all batches that have ended.
    pub fn next_offset(&self) -> Offset {
        self.expected
    }

    /// Takes the next bytes, none of which lie behind `end`. Fails with the position of a batch
    /// that is not what was written.
    pub fn feed(&mut self, mut bytes: &[u8], end: u64, judge: Judge<'_>) -> Result<(), u64> {
        while !bytes.is_empty() {
            let taken = match &mut self.batch {
                Some(batch) => {
                    let taken = bytes.len().min(batch.left);
                    batch.crc = crc32c::crc32c_append(batch.crc, &bytes[..taken]);
                    batch.left -= taken;
                    taken
                }
                None => {
                    let taken = bytes.len().min(HEADER_BYTES - self.head_bytes);
                    let to = self.head_bytes + taken;
                    self.head[self.head_bytes..to].copy_from_slice(&bytes[..taken]);
                    self.head_bytes = to;
                    taken
                }
            };
            self.position += taken as u64;
            bytes = &bytes[taken..];
            if self.head_bytes == HEADER_BYTES {
                self.begin(end, judge)?;
            }
            self.end_batch()?;
        }
        Ok(())
    }

    /// A header has gone by.
    fn begin(&mut self, end: u64, judge: Judge<'_>) -> Result<(), u64> {
        self.head_bytes = 0;
        let position = self.position - HEADER_BYTES as u64;
        let header = BatchHeader::copy(&self.head).ok_or(position)?;
        let size = header.claimed_bytes().filter(|size| {
            let fits = position + *size as u64 <= end;
            header.magic() == MAGIC && header.base_offset() <= header.last_offset() && fits
        });
        let bytes = size.ok_or(position)?;
        if let Some(before) = self.before.take()
            && !judge(&before, Some(&header), header.base_offset())
        {
            return Err(before.position);
        }
        self.batch = Some(UnderWay {
            left: bytes - HEADER_BYTES,
            crc: header.crc_seed(),
            place: Place {
                position,
                bytes,
                expected: self.expected,
                epoch: self.epoch,
                header,
            },
        });
        Ok(())
    }

    fn end_batch(&mut self) -> Result<(), u64> {
        let Some(batch) = self.batch.take_if(|batch| batch.left == 0) else {
            return Ok(());
        };
        let header = &batch.place.header;
        if batch.crc != header.crc() {
            return Err(batch.place.position);
        }
        self.expected = header.last_offset() + 1;
        self.epoch = header.leader_epoch();
        self.before = Some(batch.place);
        Ok(())
    }

    /// All has gone by: the last batch is judged by `next`, the header behind it, and the offset
    /// before which it must end.
    pub fn finish(
        &mut self,
        next: Option<&BatchHeader>,
        limit: Offset,
        judge: Judge<'_>,
    ) -> Result<(), u64> {
        if let Some(batch) = &self.batch {
            return Err(batch.place.position);
        }
        if self.head_bytes > 0 {
            return Err(self.position - self.head_bytes as u64);
        }
        match self.before.take() {
            Some(before) if !judge(&before, next, limit) => Err(before.position),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::wire::batch::{BatchBuilder, NewRecord, stamp};

    /// Batches back to back, and where each begins.
    fn batches() -> (Vec<u8>, Vec<u64>) {
        let (mut bytes, mut begins) = (Vec::new(), Vec::new());
        for (base, count) in [(100, 3), (103, 1), (104, 50), (160, 2)] {
            let mut builder = BatchBuilder::new();
            (0..count).for_each(|_| builder.push(NewRecord::new(1, None, Some(b"value"))));
            let mut batch = builder.build();
            stamp(&mut batch, base, 7);
            begins.push(bytes.len() as u64);
            bytes.extend(batch);
        }
        (bytes, begins)
    }

    fn run(bytes: &[u8], step: usize, judge: Judge<'_>) -> Result<Check, u64> {
        let mut check = Check::new(0, 100, LeaderEpoch::MIN);
        for piece in bytes.chunks(step) {
            check.feed(piece, bytes.len() as u64, judge)?;
        }
        check.finish(None, 170, judge)?;
        Ok(check)
    }

    #[test]
    fn sound_batches_pass_however_they_are_cut_and_each_is_judged_by_the_one_behind() {
        let (bytes, _) = batches();
        for step in 1..bytes.len() {
            let seen = RefCell::new(Vec::new());
            let judge: Judge<'_> = &|place, next, limit| {
                let next = next.map(BatchHeader::base_offset);
                seen.borrow_mut().push((place.expected, next, limit));
                true
            };
            let check = run(&bytes, step, judge).expect("sound");
            assert_eq!(check.next_offset(), 162);
            assert_eq!(
                *seen.borrow(),
                [
                    (100, Some(103), 103),
                    (103, Some(104), 104),
                    (104, Some(160), 160),
                    (154, None, 170)
                ]
            );
        }
    }

    #[test]
    fn damage_is_found_where_it_is_in_whatever_byte() {
        let (bytes, begins) = batches();
        for at in 0..bytes.len() {
            let which = begins.partition_point(|begin| *begin <= at as u64) - 1;
            let inside = at as u64 - begins[which];
            if inside < 8 || (12..16).contains(&inside) {
                // Offset and epoch: not in the checksum; what is known of the log judges them.
                continue;
            }
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x41;
            for step in [1, 7, bytes.len()] {
                let found = run(&bytes, step, &|_, _, _| true).expect_err("damaged");
                assert_eq!(found, begins[which], "byte {at}");
            }
        }
        let found = run(&bytes, 50, &|place, _, _| place.expected != 104);
        assert_eq!(found.expect_err("judged"), begins[2]);
        let cut = run(&bytes[..bytes.len() - 1], 50, &|_, _, _| true);
        assert_eq!(cut.expect_err("cut short"), begins[3]);
    }
}
