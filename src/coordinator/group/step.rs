//! Pure: what every kind of group shares: the surroundings of a step, and its deadlines.

use std::rc::Rc;

use crate::base::timers::Deadlines;
use crate::coordinator::probe::Probe;
use crate::coordinator::runtime::Now;

use super::config::GroupConfig;
use super::memory::Memory;
use super::request::Outcome;

/// What a group's step may use beside the group.
pub(super) struct Step<'a> {
    pub config: &'a GroupConfig,
    pub timers: &'a mut Deadlines<Timer>,
    pub probe: &'a Probe,
    pub out: &'a mut Outcome,
    pub memory: &'a dyn Memory,
    pub now: Now,
}

impl Step<'_> {
    /// Whether the log takes one more line about groups now.
    pub fn may_log(&self) -> bool {
        self.probe.may_log(self.now.instant)
    }

    /// The same for a line about a member.
    pub fn may_log_member(&self) -> bool {
        self.probe.may_log_member(self.now.instant)
    }
}

/// What a deadline is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Timer {
    /// The join phase of a group ends.
    Join(Rc<str>),
    /// Members of a group that have not asked for their assignment are removed.
    Sync(Rc<str>),
    /// A group's member is removed unless heard of.
    Session(Rc<str>, Rc<str>),
    /// A member of a consumer group is removed unless it has given up what it must by then.
    Revocation(Rc<str>, Rc<str>),
    /// A classic member of a consumer group is removed unless it has joined again by then.
    Rejoin(Rc<str>, Rc<str>),
    /// The same, unless it has asked for its assignment.
    Resync(Rc<str>, Rc<str>),
    /// Expired offsets are looked for.
    Retention,
}
