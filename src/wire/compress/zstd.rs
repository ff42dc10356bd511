//! Pure: zstd frames, read as one.

use std::cell::Cell;
use std::io;

use ::zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

thread_local! {
    /// Making a decoder costs more than reading a small batch with it.
    static KEPT: Cell<Option<Decoder<'static>>> = const { Cell::new(None) };
}

pub(super) struct Frames<'a> {
    decoder: Option<Decoder<'static>>,
    input: InBuffer<'a>,
    ended: bool,
}

impl<'a> Frames<'a> {
    /// Nothing at all is no frame and no error.
    pub fn new(input: &'a [u8]) -> io::Result<Frames<'a>> {
        let decoder = match KEPT.take() {
            Some(mut kept) => {
                kept.reinit()?;
                kept
            }
            None => Decoder::new()?,
        };
        Ok(Frames {
            decoder: Some(decoder),
            input: InBuffer::around(input),
            ended: true,
        })
    }

    pub fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(0);
        };
        loop {
            let no_more = self.input.pos() == self.input.src.len();
            if no_more && self.ended {
                return Ok(0);
            }
            let mut output = OutBuffer::around(part);
            // What is returned is how much more the decoder would like; nothing at the end of a
            // frame. The next one may follow at once.
            self.ended = decoder.run(&mut self.input, &mut output)? == 0;
            let count = output.pos();
            if count > 0 {
                return Ok(count);
            }
            if no_more && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Drop for Frames<'_> {
    fn drop(&mut self) {
        KEPT.set(self.decoder.take());
    }
}
