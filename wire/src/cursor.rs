//! Pure: reading primitives off the front of a byte slice, and writing them, without allocating.

/// The bytes ended before the value did, or a length pointed outside them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Short;

/// A position in a byte slice that only moves forward.
///
/// Every read takes its bytes off the front, or takes nothing and answers [`Short`].
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

macro_rules! big_endian {
    ($($name:ident $type:ty)*) => {$(
        #[doc = concat!("Takes a big-endian `", stringify!($type), "`.")]
        #[inline]
        pub fn $name(&mut self) -> Result<$type, Short> {
            self.array().map(<$type>::from_be_bytes)
        }
    )*};
}

impl<'a> Cursor<'a> {
    /// A cursor over nothing.
    pub const EMPTY: Cursor<'static> = Cursor { rest: &[] };

    /// A cursor at the start of `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// The bytes not yet taken.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Count of bytes not yet taken.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Short)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    big_endian! { u8 u8 i8 i8 u16 u16 i16 i16 i32 i32 u32 u32 i64 i64 }

    /// Takes sixteen bytes, as a UUID stands on the wire.
    #[inline]
    pub fn uuid(&mut self) -> Result<[u8; 16], Short> {
        self.array()
    }

    /// Takes an unsigned variable-length integer of at most 32 bits. As in Kafka's
    /// `ByteUtils`, a fifth byte that still has its continuation bit is refused, while bits
    /// of the fifth byte beyond the 32nd are dropped.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, Short> {
        if let [first, rest @ ..] = self.rest
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u32::from(*first));
        }
        self.long_uvarint(5).map(|value| value as u32)
    }

    /// Takes a zigzag variable-length integer of at most 32 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<i32, Short> {
        let raw = self.uvarint()?;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// Takes a zigzag variable-length integer of at most 64 bits.
    #[inline]
    pub fn varlong(&mut self) -> Result<i64, Short> {
        let raw = self.long_uvarint(10)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    fn long_uvarint(&mut self, max_bytes: usize) -> Result<u64, Short> {
        let mut value = 0u64;
        for (i, byte) in self.rest.iter().take(max_bytes).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(Short)
    }
}

/// Where bytes are put. Growing is the owner's matter: a buffer that is kept between uses and
/// large enough never allocates.
pub trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// Count of bytes there.
    fn position(&self) -> usize;

    /// Overwrites the bytes at `at`, which are there already.
    fn patch(&mut self, at: usize, bytes: &[u8]);

    /// Appends an unsigned variable-length integer of one to five bytes.
    fn put_uvarint(&mut self, value: u32) {
        put_base128(self, u64::from(value));
    }

    /// Appends a zigzag variable-length integer of one to five bytes.
    fn put_varint(&mut self, value: i32) {
        self.put_uvarint(((value << 1) ^ (value >> 31)) as u32);
    }

    /// Appends a zigzag variable-length integer of one to ten bytes.
    fn put_varlong(&mut self, value: i64) {
        put_base128(self, ((value << 1) ^ (value >> 63)) as u64);
    }
}

fn put_base128<S: Sink + ?Sized>(sink: &mut S, mut value: u64) {
    while value >= 0x80 {
        sink.put(&[value as u8 | 0x80]);
        value >>= 7;
    }
    sink.put(&[value as u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn position(&self) -> usize {
        self.len()
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl Sink for bytes::BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn position(&self) -> usize {
        self.len()
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Count of bytes that [`Sink::put_varint`] writes for `value`.
pub fn varint_len(value: i32) -> usize {
    varlong_len(i64::from(value))
}

/// Count of bytes that [`Sink::put_varlong`] writes for `value`.
pub fn varlong_len(value: i64) -> usize {
    let raw = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (raw | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_length_integers_come_back() {
        let edges = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX, i32::MIN];
        for value in edges {
            let mut bytes = Vec::new();
            bytes.put_varint(value);
            assert_eq!(bytes.len(), varint_len(value));
            assert_eq!(Cursor::new(&bytes).varint(), Ok(value));
            assert_eq!(Cursor::new(&bytes[..bytes.len() - 1]).varint(), Err(Short));
        }
        for value in edges.map(i64::from).into_iter().chain([i64::MIN, i64::MAX]) {
            let mut bytes = Vec::new();
            bytes.put_varlong(value);
            assert_eq!(bytes.len(), varlong_len(value));
            assert_eq!(Cursor::new(&bytes).varlong(), Ok(value));
        }
    }

    #[test]
    fn an_endless_integer_is_refused() {
        assert_eq!(Cursor::new(&[0xff; 6]).uvarint(), Err(Short));
        assert_eq!(Cursor::new(&[0xff; 11]).varlong(), Err(Short));
    }

    #[test]
    fn a_read_past_the_end_takes_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.i32(), Err(Short));
        assert_eq!(cursor.take(4), Err(Short));
        assert_eq!(cursor.u16(), Ok(0x0102));
        assert_eq!(cursor.rest(), &[3]);
    }
}
