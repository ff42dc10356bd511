//! Pure: what an entry of the journal is made of, before it is bytes.

use std::rc::Rc;

use futures_channel::oneshot;

use super::entry::Owner;
use crate::base::{Offset, TopicId};
use crate::log::inner::{Inner, Mark};

/// What one entry takes of one log.
pub struct Part {
    pub log: Rc<Inner>,
    pub mark: Mark,
    /// Whether the mark ends in this entry: until then nothing of it is acked.
    pub is_whole: bool,
}

/// What an entry says of a log whose files are about to be removed or replaced.
pub struct Cut {
    pub folder: String,
    pub topic_id: Option<TopicId>,
    /// The base offset of the first segment that is left alone.
    pub below: Offset,
    /// Told when the entry is durable.
    pub done: oneshot::Sender<()>,
}

impl Cut {
    /// Bytes that it takes in an entry.
    pub fn bytes(&self) -> usize {
        self.owner().piece_bytes()
    }

    /// The log's name and topic.
    pub fn owner(&self) -> Owner<'_> {
        Owner {
            folder: &self.folder,
            topic_id: self.topic_id,
        }
    }
}

impl Part {
    /// Bytes that it takes in an entry.
    pub fn bytes(&self) -> usize {
        self.log.owner().piece_bytes() + (self.mark.to - self.mark.from) as usize
    }

    /// Whether the log's settings ask for a flush by now.
    pub fn wants_flush(&self) -> bool {
        let flush_messages = self.log.config.borrow().flush_messages;
        let unflushed = self.mark.end_offset - self.log.flushed_offset.get();
        self.is_whole && unflushed >= flush_messages
    }

    /// Writes the piece; returns how many bytes it has.
    pub fn put(&self, out: &mut [u8]) -> usize {
        let Part { log, mark, .. } = self;
        let len = (mark.to - mark.from) as usize;
        let base = mark.segment.base_offset;
        let head = log
            .owner()
            .put_data(out, base, mark.from as u32, len as u32);
        let data = &mut out[head..head + len];
        let copied = log.state.borrow().tail.copy_out(base, mark.from, data);
        assert_eq!(copied, len, "the tail keeps what is to go into the journal");
        head + len
    }
}
