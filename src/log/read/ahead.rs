//! Drives: what a reader of old records is likely to ask for next is looked up while it is sent
//! what it asked for.

use std::cell::RefCell;
use std::rc::Rc;

use super::check::Check;
use super::error::ReadError;
use super::pieces::UnderWay;
use super::stream::BatchStream;
use super::stretch::Stretch;
use crate::base::{LeaderEpoch, Offset};
use crate::io::event::Event;
use crate::io::file::File;
use crate::log::inner::Inner;
use crate::log::segment::Segment;

/// A look at what comes behind a stretch, under way or done. One task takes what it found.
#[derive(Default)]
pub struct Ahead {
    found: RefCell<Option<Next>>,
    done: Event,
}

/// What comes behind a stretch.
pub struct Next {
    /// Begins with the next segment, where the stretch ends with its own.
    pub stream: Option<Box<BatchStream>>,
    /// Up to this position it was looked for.
    pub limit: u64,
    /// Where the last batch ends before that.
    pub to: u64,
    /// No record behind this offset lies before `to`.
    pub end_offset: Offset,
}

/// Where a reader will stand, and how it reads.
pub struct Reader {
    /// The segment of its stretch.
    pub segment: Rc<Segment>,
    /// Its file.
    pub file: File,
    /// Where in it the stretch ends.
    pub at: u64,
    /// The most bytes that it asks for.
    pub max_bytes: usize,
    /// Up to this offset it may read.
    pub upto: Offset,
    /// How many pieces are read ahead for it.
    pub pieces_ahead: u64,
}

impl Ahead {
    /// Begins to look in a task of its own.
    pub fn begin(log: &Rc<Inner>, reader: Reader) -> Rc<Ahead> {
        let ahead = Rc::new(Ahead::default());
        let runtime = log.logs.disk().runtime();
        let (log, kept) = (Rc::clone(log), Rc::downgrade(&ahead));
        runtime.spawn(async move {
            // What fails here is tried again, and told, when the reader asks.
            let found = log.look_behind(reader).await.ok().flatten();
            if let Some(ahead) = kept.upgrade() {
                *ahead.found.borrow_mut() = found;
                ahead.done.call();
            }
        });
        ahead
    }

    /// What was found, once the look is over. To be called once.
    pub async fn take(&self) -> Option<Next> {
        self.done.wait().await;
        self.found.borrow_mut().take()
    }
}

impl Inner {
    async fn look_behind(self: &Rc<Self>, reader: Reader) -> Result<Option<Next>, ReadError> {
        if self.is_removed() || !self.damaged_places.borrow().is_empty() {
            return Ok(None);
        }
        let _under_way = UnderWay::new(self);
        let (max_bytes, upto) = (reader.max_bytes as u64, reader.upto);
        let found = |stream, limit, boundary: Option<(u64, Offset)>| {
            boundary.map(|(to, end_offset)| Next {
                stream,
                limit,
                to,
                end_offset,
            })
        };
        let Some(next) = self.segment_behind(&reader) else {
            let limit = reader.at.saturating_add(max_bytes);
            let boundary = self.boundary(&reader.segment, &reader.file, reader.at, limit, upto);
            return Ok(found(None, limit, boundary.await?));
        };
        self.load_lookups(&next).await.map_err(ReadError::Io)?;
        let file = next.file(self.logs.disk()).await.map_err(ReadError::Io)?;
        let check = Check::new(0, next.base_offset, LeaderEpoch::MIN);
        let stretch = Stretch::new(self, &next, 0, 0);
        let mut stream = Box::new(BatchStream::behind(&stretch, file.clone(), check));
        stream.expect(max_bytes, reader.pieces_ahead);
        stream.prepare_next().await;
        let boundary = self.boundary(&next, &file, 0, max_bytes, upto).await?;
        Ok(found(Some(stream), max_bytes, boundary))
    }

    /// The segment that a reader goes on in, where it has come to the end of its own.
    fn segment_behind(&self, reader: &Reader) -> Option<Rc<Segment>> {
        let segment = &reader.segment;
        if reader.at < segment.written.get() {
            return None;
        }
        let state = self.state.borrow();
        let segments = &state.segments;
        let behind = segments.partition_point(|it| it.base_offset <= segment.base_offset);
        segments.get(behind).cloned()
    }
}
