//! Pure: gzip members, read as one.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

/// How a member begins.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// So few bytes are no member: ten of header, eight behind the data.
const MEMBER_BYTES_MIN: usize = 18;

/// Members that were glued together. What else stands behind a member is passed over, as Java
/// does.
pub(super) struct Members<'a>(GzDecoder<&'a [u8]>);

impl<'a> Members<'a> {
    pub fn new(input: &'a [u8]) -> Members<'a> {
        Members(GzDecoder::new(input))
    }

    pub fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.0.read(part)?;
            let behind: &[u8] = self.0.get_ref();
            let more = behind.len() > MEMBER_BYTES_MIN && behind.starts_with(&MAGIC);
            if count > 0 || !more {
                return Ok(count);
            }
            self.0 = GzDecoder::new(behind);
        }
    }
}
