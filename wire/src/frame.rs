//! Pure: the four-byte length in front of every request and response.

use super::cursor::Sink;

/// Bytes in front of a frame's own.
pub const PREFIX_BYTES: usize = 4;

/// Why a length prefix cannot be followed. The connection cannot be used further.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is below zero.
    #[error("a request claims a length of {0} bytes")]
    Negative(i32),
    /// The length is above `socket.request.max.bytes`.
    #[error("a request claims {length} bytes, more than socket.request.max.bytes ({max_bytes})")]
    TooLarge {
        /// What the prefix says.
        length: i32,
        /// What is allowed.
        max_bytes: i32,
    },
}

/// What the bytes received so far hold at their front.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next<'a> {
    /// A whole frame, without its prefix. It may be empty: [`PREFIX_BYTES`] and its own are
    /// used up with it.
    Frame(&'a [u8]),
    /// Part of a frame: at least so many bytes are missing, and no more than that until the
    /// frame ends once its prefix is there.
    Missing(usize),
}

/// Looks at the front of what a connection received. Costs nothing to call again with more.
#[inline]
pub fn next(received: &[u8], max_bytes: i32) -> Result<Next<'_>, FrameError> {
    let Some((prefix, rest)) = received.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(Next::Missing(PREFIX_BYTES - received.len()));
    };
    let length = length_of(*prefix, max_bytes)?;
    Ok(match rest.get(..length) {
        Some(frame) => Next::Frame(frame),
        None => Next::Missing(length - rest.len()),
    })
}

/// The length that a prefix claims, if it may.
#[inline]
pub fn length_of(prefix: [u8; PREFIX_BYTES], max_bytes: i32) -> Result<usize, FrameError> {
    let length = i32::from_be_bytes(prefix);
    if length > max_bytes {
        return Err(FrameError::TooLarge { length, max_bytes });
    }
    usize::try_from(length).map_err(|_| FrameError::Negative(length))
}

/// A frame being written: where its prefix stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the prefix is zero until the frame is closed"]
pub struct Open(usize);

/// Begins a frame at the end of `out`.
pub fn open(out: &mut impl Sink) -> Open {
    let at = out.position();
    out.put(&[0; PREFIX_BYTES]);
    Open(at)
}

/// Ends the frame: its length is what was put since, and `elsewhere` bytes that will be sent
/// between or behind without being in `out`.
///
/// # Panics
/// When the frame is 2 GiB or larger, which no response of ours can be.
pub fn close(out: &mut impl Sink, frame: Open, elsewhere: usize) {
    let length = out.position() - frame.0 - PREFIX_BYTES + elsewhere;
    assert!(i32::try_from(length).is_ok(), "a frame of {length} bytes");
    out.patch(frame.0, &(length as i32).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_arrives_in_pieces() {
        let bytes = [0, 0, 0, 3, 7, 8, 9, 0, 0];
        for end in 0..4 {
            assert_eq!(next(&bytes[..end], 100), Ok(Next::Missing(4 - end)));
        }
        for end in 4..7 {
            assert_eq!(next(&bytes[..end], 100), Ok(Next::Missing(7 - end)));
        }
        assert_eq!(next(&bytes, 100), Ok(Next::Frame(&[7, 8, 9])));
        assert_eq!(next(&[0; 4], 100), Ok(Next::Frame(&[])));
    }

    #[test]
    fn the_limit_is_looked_at_before_any_byte_of_the_frame() {
        let length = i32::MAX;
        let max_bytes = 100;
        let too_large = Err(FrameError::TooLarge { length, max_bytes });
        assert_eq!(next(&length.to_be_bytes(), max_bytes), too_large);
        assert!(next(&101i32.to_be_bytes(), max_bytes).is_err());
        assert_eq!(next(&100i32.to_be_bytes(), 100), Ok(Next::Missing(100)));
        let negative = (-1i32).to_be_bytes();
        assert_eq!(next(&negative, max_bytes), Err(FrameError::Negative(-1)));
    }

    #[test]
    fn a_written_frame_is_read_again() {
        let mut out = vec![9];
        let frame = open(&mut out);
        out.put(b"abc");
        close(&mut out, frame, 0);
        assert_eq!(next(&out[1..], 100), Ok(Next::Frame(b"abc")));
        close(&mut out, frame, 5);
        assert_eq!(next(&out[1..], 100), Ok(Next::Missing(5)));
    }
}
