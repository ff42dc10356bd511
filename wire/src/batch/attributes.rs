//! Pure: the sixteen attribute bits of a batch.

pub use crate::TimestampType;
use crate::compress::Codec;

/// The sixteen attribute bits of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The codec, or the unused number that stands in its place.
    #[inline]
    pub fn codec(self) -> Result<Codec, u8> {
        let id = (self.0 & Attributes::CODEC) as u8;
        Codec::from_id(id).ok_or(id)
    }

    /// Who set the timestamps.
    #[inline]
    pub fn timestamp_type(self) -> TimestampType {
        match self.0 & Attributes::LOG_APPEND_TIME {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        }
    }

    /// Whether the batch belongs to a transaction.
    #[inline]
    pub fn is_transactional(self) -> bool {
        self.0 & Attributes::TRANSACTIONAL != 0
    }

    /// Whether the batch holds a control record instead of data.
    #[inline]
    pub fn is_control(self) -> bool {
        self.0 & Attributes::CONTROL != 0
    }

    /// Whether the base timestamp is the compaction's delete horizon (KIP-534).
    #[inline]
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Attributes::DELETE_HORIZON != 0
    }

    /// These bits with the codec replaced.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> Attributes {
        Attributes(self.0 & !Attributes::CODEC | i16::from(codec.id()))
    }

    /// These bits with the timestamp type replaced.
    #[must_use]
    pub fn with_timestamp_type(self, kind: TimestampType) -> Attributes {
        self.with(
            Attributes::LOG_APPEND_TIME,
            kind == TimestampType::LogAppendTime,
        )
    }

    /// These bits with the transactional one set or cleared.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Attributes {
        self.with(Attributes::TRANSACTIONAL, on)
    }

    /// These bits with the control one set or cleared.
    #[must_use]
    pub fn with_control(self, on: bool) -> Attributes {
        self.with(Attributes::CONTROL, on)
    }

    /// These bits with the delete horizon's set or cleared.
    #[must_use]
    pub fn with_delete_horizon(self, on: bool) -> Attributes {
        self.with(Attributes::DELETE_HORIZON, on)
    }

    fn with(self, bit: i16, on: bool) -> Attributes {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}
