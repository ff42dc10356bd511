//! Drives: whether a batch is what was written, by its checksum and by what is known of the log.

use super::check::Place;
use super::error::ReadError;
use super::window::Window;
use crate::base::{LeaderEpoch, Offset};
use crate::log::inner::Inner;
use crate::log::segment::Segment;
use crate::wire::batch::BatchHeader;

impl Inner {
    /// Whether a batch is what was written there: its checksum fits, and so do the two fields
    /// that the checksum leaves out.
    pub fn is_sound(
        &self,
        segment: &Segment,
        window: &Window,
        place: &Place,
        next: Option<&BatchHeader>,
    ) -> bool {
        let limit = self.end_within(segment, next);
        self.fits(place, next, limit) && window.crc(place) == place.header.crc()
    }

    /// Whether the fields of a batch fit that its checksum leaves out. Its offsets go on where
    /// the one before ended, or at least lie before `limit`; its epoch is the one known for them,
    /// or at least lies between those of its neighbours. (Where a neighbour is the damaged one,
    /// the former holds.)
    pub fn fits(&self, place: &Place, next: Option<&BatchHeader>, limit: Offset) -> bool {
        let header = &place.header;
        let (base, last) = (header.base_offset(), header.last_offset());
        let fits = base == place.expected || base > place.expected && last < limit;
        let epoch = header.leader_epoch();
        let next = next.map(BatchHeader::leader_epoch);
        let rises = match place.epoch {
            LeaderEpoch::MIN => next == Some(epoch),
            before => before <= epoch && next.is_some_and(|next| epoch <= next),
        };
        let known = self.state.borrow().epochs.epoch_at(base);
        let epoch_fits = rises || known.is_none_or(|known| known == epoch);
        fits && base <= last && epoch_fits
    }

    /// Before which offset a batch must end that has `next` behind it, or is the last of `segment`.
    pub fn end_within(&self, segment: &Segment, next: Option<&BatchHeader>) -> Offset {
        next.map_or_else(|| self.end_of(segment), BatchHeader::base_offset)
    }

    /// Where `segment` ends: where the next one begins, or the log ends.
    pub fn end_of(&self, segment: &Segment) -> Offset {
        let state = self.state.borrow();
        let segments = &state.segments;
        let after = segments.partition_point(|it| it.base_offset <= segment.base_offset);
        let next = segments.get(after).map(|next| next.base_offset);
        next.unwrap_or(self.end_offset.get())
    }

    /// Notes that a place is damaged; counts it once.
    pub fn damaged(&self, segment: &Segment, position: u64) -> ReadError {
        let place = (segment.base_offset, position);
        let is_news = self.damaged_places.borrow_mut().insert(place);
        if is_news {
            self.logs.probe().damaged_places_count.add(1);
        }
        ReadError::Damaged {
            file: segment.path().display().to_string(),
            position,
            is_news,
        }
    }
}
