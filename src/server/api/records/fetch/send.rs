//! Drives: a fetch's answer on its way to the client: what is in memory at once, the rest as it
//! is read. A client that does not take it makes the broker hold nothing for it.

use std::io::{self, IoSlice};

use super::Scratch;
use super::part::Part;
use super::write::{SHORT_LIST, Written, write};
use crate::io::buffer::Slice;
use crate::io::stream::Stream;
use crate::log::{BatchStream, ReadError};
use crate::server::api::refused::Refused;
use crate::wire::batch::pieces;

/// An answer whose records are yet to be spliced in.
pub(super) struct Answer {
    pub(super) scratch: Scratch,
}

// === impl Answer ===

impl Answer {
    /// Sends the frame in `out` with its records in their places. Gives its lists back.
    pub(super) async fn send(
        mut self,
        out: &[u8],
        stream: &Stream,
    ) -> (Scratch, Result<(), Refused>) {
        let sent = self.send_all(out, stream).await;
        self.scratch.empty().await;
        (self.scratch, sent)
    }

    async fn send_all(&mut self, out: &[u8], stream: &Stream) -> Result<(), Refused> {
        let mut skip = 0;
        if !self.scratch.streams {
            let written = self.send_memory(out, stream).await?;
            let Some(feeler) = written.feeler else {
                return Ok(());
            };
            skip = written.bytes;
            self.give_up_from(skip).await?;
            stream.write_all(&feeler).await?;
        }
        let mut from = 0;
        for splice in 0..self.scratch.splices.len() {
            let (at, part) = self.scratch.splices[splice];
            let head = &out[from..at];
            from = at;
            let gone = skip.min(head.len());
            skip -= gone;
            let bytes = self.scratch.parts[part].found.bytes;
            if skip < bytes {
                self.send_part(&head[gone..], part, stream).await?;
            }
            skip -= skip.min(bytes);
        }
        stream.write_all(&out[from + skip..]).await?;
        Ok(())
    }

    /// Sends an answer that is all in memory, or as much of it as the client takes.
    async fn send_memory(&self, out: &[u8], stream: &Stream) -> io::Result<Written> {
        let pieces = 1 + self.scratch.splices.len() + self.scratch.slices.len();
        if pieces <= SHORT_LIST {
            let mut list = [IoSlice::new(&[]); SHORT_LIST];
            let count = self.lay_out(out, &mut list);
            self.write(stream, &mut list[..count]).await
        } else {
            let mut list = vec![IoSlice::new(&[]); pieces];
            let count = self.lay_out(out, &mut list);
            self.write(stream, &mut list[..count]).await
        }
    }

    fn lay_out<'a>(&'a self, out: &'a [u8], list: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut put = |bytes: &'a [u8]| {
            list[count] = IoSlice::new(bytes);
            count += 1;
        };
        let mut from = 0;
        for (at, part) in &self.scratch.splices {
            put(&out[from..*at]);
            let slices = self.scratch.parts[*part].found.slices.clone();
            self.scratch.slices[slices]
                .iter()
                .for_each(|slice| put(slice));
            from = *at;
        }
        put(&out[from..]);
        count
    }

    /// Gives up all records in memory: of what is not among the first `sent` bytes of the
    /// answer, all is read again when its turn comes.
    async fn give_up_from(&mut self, sent: usize) -> Result<(), Refused> {
        let mut from = 0;
        let mut sent = sent;
        for splice in 0..self.scratch.splices.len() {
            let (at, part) = self.scratch.splices[splice];
            sent -= sent.min(at - from);
            from = at;
            let bytes = self.scratch.parts[part].found.bytes;
            if sent > 0 && sent < bytes {
                self.reopen(part, sent).await?;
            }
            sent -= sent.min(bytes);
        }
        self.give_up();
        Ok(())
    }

    /// Gives up what is in memory of all parts, for their streams to read again.
    fn give_up(&mut self) {
        for part in &mut self.scratch.parts {
            let found = &mut part.found;
            match &mut found.stream {
                Some(stream) if found.slices.is_empty() => stream.forget_reads(),
                // What it gives out is only what lies behind the slices.
                stream => *stream = None,
            }
            found.slices = 0..0;
        }
        self.scratch.slices.clear();
    }

    /// Has the records of a part but for the first `sent` bytes come from disk.
    async fn reopen(&mut self, part: usize, sent: usize) -> Result<(), Refused> {
        let found = &mut self.scratch.parts[part].found;
        let slices = &self.scratch.slices[found.slices.clone()];
        let skip = pieces::boundary_before(slices.iter().map(|slice| &**slice), sent);
        found.slices = 0..0;
        let Some(stretch) = &found.stretch else {
            return Ok(());
        };
        let opened = stretch.stream(skip, sent - skip).await;
        match opened {
            Ok(stream) => found.stream = Some(Box::new(stream)),
            Err(error) => return Err(self.cut(part, ReadError::Io(error))),
        }
        Ok(())
    }

    /// Sends `head` and then the records of a part, as far as they have not been sent.
    async fn send_part(
        &mut self,
        mut head: &[u8],
        part: usize,
        stream: &Stream,
    ) -> Result<(), Refused> {
        let slices = self.scratch.parts[part].found.slices.clone();
        if !slices.is_empty() {
            let records = &self.scratch.slices[slices.clone()];
            let mut list: Vec<IoSlice<'_>> = Vec::with_capacity(1 + records.len());
            list.push(IoSlice::new(head));
            list.extend(records.iter().map(|slice| IoSlice::new(slice)));
            let written = self.write(stream, &mut list).await?;
            let of_head = written.bytes.min(head.len());
            head = &head[of_head..];
            if let Some(feeler) = written.feeler {
                self.reopen(part, written.bytes - of_head).await?;
                self.give_up();
                stream.write_all(&feeler).await?;
            } else {
                self.scratch.slices[slices].fill(Slice::default());
                self.scratch.parts[part].found.slices = 0..0;
            }
        } else if self.scratch.parts[part].found.stream.is_none() {
            self.reopen(part, 0).await?;
        }
        let Some(mut records) = self.scratch.parts[part].found.stream.take() else {
            stream.write_all(head).await?;
            return Ok(());
        };
        self.send_stream(head, part, &mut records, stream).await?;
        if let Some(partition) = &self.scratch.parts[part].partition {
            partition.keep_stream(records).await;
        }
        Ok(())
    }

    /// Sends `head` and all that `records` has to give.
    async fn send_stream(
        &mut self,
        mut head: &[u8],
        part: usize,
        records: &mut BatchStream,
        stream: &Stream,
    ) -> Result<(), Refused> {
        loop {
            let next = records.next().await;
            let Some(piece) = next.map_err(|error| self.cut(part, error))? else {
                stream.write_all(head).await?;
                return Ok(());
            };
            let mut list = [IoSlice::new(head), IoSlice::new(&piece)];
            let written = self.write(stream, &mut list).await?;
            let of_head = written.bytes.min(head.len());
            head = &head[of_head..];
            if let Some(feeler) = written.feeler {
                records.rewind(written.bytes - of_head);
                drop(piece);
                self.give_up();
                stream.write_all(&feeler).await?;
            }
        }
    }

    /// Writes the list, unless the client takes nothing for too long.
    async fn write(&self, stream: &Stream, list: &mut [IoSlice<'_>]) -> io::Result<Written> {
        let any = self.scratch.any_partition.as_ref();
        write(stream, list, &|| any.is_some_and(|it| it.is_memory_tight())).await
    }

    fn cut(&self, part: usize, error: ReadError) -> Refused {
        let Part { key, partition, .. } = &self.scratch.parts[part];
        let topic: &str = match partition {
            Some(partition) => &partition.name().topic,
            None => &key.topic,
        };
        Refused::Cut {
            partition: format!("{topic}-{}", key.index),
            error,
        }
    }
}
