//! Drives: where batches lie that a reader gets.

use std::fmt;
use std::io;
use std::rc::Rc;

use super::check::Check;
use super::stream::BatchStream;
use crate::base::LeaderEpoch;
use crate::log::inner::Inner;
use crate::log::segment::Segment;

/// Where whole batches of one segment lie.
#[derive(Clone)]
pub struct Stretch {
    pub(super) log: Rc<Inner>,
    pub(super) segment: Rc<Segment>,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Stretch {
    /// From position to position in `segment`.
    pub fn new(log: &Rc<Inner>, segment: &Rc<Segment>, from: u64, to: u64) -> Stretch {
        Stretch {
            log: Rc::clone(log),
            segment: Rc::clone(segment),
            from,
            to,
        }
    }

    /// Bytes of its batches.
    pub fn bytes(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// A stream of what lies behind its first `skip` bytes, which are whole batches, but for the
    /// first `sent` bytes of that.
    pub async fn stream(&self, skip: usize, sent: usize) -> io::Result<BatchStream> {
        let file = self.segment.file(self.log.logs.disk()).await?;
        let from = self.from + skip as u64;
        let check = Check::new(from, self.segment.base_offset, LeaderEpoch::MIN);
        let mut stream = BatchStream::behind(self, file, check);
        stream.skip(sent);
        Ok(stream)
    }
}

impl fmt::Debug for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.segment.path();
        write!(f, "{} from {} to {}", path.display(), self.from, self.to)
    }
}

impl PartialEq for Stretch {
    fn eq(&self, other: &Stretch) -> bool {
        Rc::ptr_eq(&self.segment, &other.segment) && (self.from, self.to) == (other.from, other.to)
    }
}
