//! Pure: the work lists of a fetch, which are kept from one fetch for the next.

use std::any::Any;
use std::cell::RefCell;
use std::mem;
use std::rc::Rc;

use super::part::Part;
use crate::base::{NodeId, limits};
use crate::io::buffer::Slice;
use crate::partition::Partition;
use crate::server::api::spares::Reusable;
use crate::server::state::fetch_sessions::{Key, Wanted};
use crate::wire::fetch::AbortedTransaction;

/// The work lists of a fetch, kept between fetches so that steady state allocates nothing.
#[derive(Default)]
pub struct Scratch {
    pub(super) wanted: Vec<(Key, Wanted)>,
    pub(super) parts: Vec<Part>,
    pub(super) slices: Vec<Slice>,
    /// Aborted transactions to tell of.
    pub(super) aborted: Vec<AbortedTransaction>,
    /// Where in the output the records of which part go.
    pub(super) splices: Vec<(usize, usize)>,
    /// How many parts in a row are of one topic.
    pub(super) topics: Vec<usize>,
    /// One of the partitions that are here: all share the shard's memory.
    pub(super) any_partition: Option<Rc<Partition>>,
    /// Whether records of some part are read from disk as they are sent.
    pub(super) streams: bool,
    /// Whether partitions leave the session.
    pub(super) forgets: bool,
    /// Scratch memory to find repeated partitions in.
    pub(super) order: Vec<u32>,
    /// The name of topics that come by id.
    pub(super) nameless: Rc<str>,
    /// Whether a follower asks.
    pub(super) is_follower: bool,
    /// The nodes in the consumer's rack, where it is to read from one of those.
    pub(super) near: Vec<NodeId>,
    /// Where it goes if its fetch is cut off, and the request's context: as long as that lives the
    /// memory of these lists is counted.
    pub(super) in_use: Option<(Rc<CutOff>, Rc<dyn Any>)>,
}

/// Lists of fetches that were cut off, each with its request's context. See
/// [`super::Fetch::free_cut_off`].
pub(super) type CutOff = RefCell<Vec<(Scratch, Rc<dyn Any>)>>;

impl Reusable for Scratch {
    fn capacity(&self) -> usize {
        self.parts.capacity().max(self.wanted.capacity())
    }

    fn clear(&mut self) {
        self.wanted.clear();
        self.forgets = false;
        self.near.clear();
        self.parts.clear();
        self.slices.clear();
        self.aborted.clear();
        self.splices.clear();
        self.topics.clear();
        self.streams = false;
        self.any_partition = None;
        self.in_use = None;
    }
}

impl Drop for Scratch {
    /// To drop what it holds of very many partitions would take too long for one turn.
    fn drop(&mut self) {
        if let Some((cut_off, counted)) = self.in_use.take()
            && self.capacity() > limits::SPARE_PARTITIONS_MAX
        {
            cut_off.borrow_mut().push((mem::take(self), counted));
        }
    }
}
