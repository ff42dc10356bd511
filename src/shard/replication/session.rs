//! Pure: what a leader knows of the partitions that are asked of it, so that each fetch names those
//! only that have changed (an incremental fetch session, KIP-227).

use std::cmp::Ordering;

use super::following::Key;
use crate::base::{ErrorCode, LeaderEpoch, Offset};

/// The first number of a request in a session.
const FIRST_EPOCH: i32 = 0;

/// A partition that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub key: Key,
    /// The term that it follows in.
    pub leader_epoch: LeaderEpoch,
    /// Where its log ends.
    pub offset: Offset,
    /// The term of its last record; -1 where it has none.
    pub last_epoch: LeaderEpoch,
    /// The first offset that may be read here.
    pub start_offset: Offset,
}

/// A fetch session with one leader, from the follower's side.
#[derive(Default)]
pub struct Session {
    /// The leader's number for it; 0 where there is none yet.
    id: i32,
    /// The number of the next request in it; 0 opens a session and ends the one that there was.
    epoch: i32,
    /// What the leader knows, by rising keys.
    known: Vec<Asked>,
}

/// What a request says.
pub struct Named {
    /// The session's id.
    pub id: i32,
    /// The request's number in it.
    pub epoch: i32,
    /// Partitions that are new or asked for in another way.
    pub asked: Vec<Asked>,
    /// Partitions that are not asked for any more.
    pub forgotten: Vec<Key>,
}

impl Session {
    /// What a request for these partitions, by rising keys, must name.
    pub fn ask_for(&mut self, asked: &[Asked]) -> Named {
        let mut named = Named {
            id: self.id,
            epoch: self.epoch,
            asked: Vec::new(),
            forgotten: Vec::new(),
        };
        if self.epoch == FIRST_EPOCH {
            named.asked = asked.to_vec();
        } else {
            difference(&self.known, asked, &mut named);
        }
        self.known.clear();
        self.known.extend_from_slice(asked);
        named
    }

    /// The leader has answered without an error, in this session; 0 stands for none.
    pub fn answered(&mut self, id: i32) {
        match id {
            0 => self.restart(),
            id => {
                self.id = id;
                self.epoch = self.epoch.checked_add(1).unwrap_or(FIRST_EPOCH + 1);
            }
        }
    }

    /// Nothing is known of the session any more: the next request opens one.
    pub fn restart(&mut self) {
        self.epoch = FIRST_EPOCH;
    }

    /// Whether an error of the whole answer says that the leader does not know the session, so that
    /// a new one is to be opened.
    pub fn is_lost(error: ErrorCode) -> bool {
        [
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
            ErrorCode::INVALID_FETCH_SESSION_EPOCH,
            ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
        ]
        .contains(&error)
    }
}

/// What is in `now` and was not so in `before`, and what of that is gone; both by rising keys.
fn difference(before: &[Asked], now: &[Asked], named: &mut Named) {
    let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
    loop {
        let order = match (before.peek(), now.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(now)) => before.key.cmp(&now.key),
        };
        let was = before.next_if(|_| order != Ordering::Greater);
        let is = now.next_if(|_| order != Ordering::Less);
        match (was, is) {
            (Some(was), None) => named.forgotten.push(was.key),
            (was, Some(is)) if was != Some(is) => named.asked.push(*is),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TopicId;
    use crate::base::ids::Uuid;

    fn asked(index: i32, offset: i64) -> Asked {
        Asked {
            key: (TopicId(Uuid::from_u128(7)), index),
            leader_epoch: 1,
            offset,
            last_epoch: 1,
            start_offset: 0,
        }
    }

    fn indexes(named: &Named) -> (Vec<i32>, Vec<i32>) {
        let asked = named.asked.iter().map(|one| one.key.1);
        let forgotten = named.forgotten.iter().map(|key| key.1);
        (asked.collect(), forgotten.collect())
    }

    #[test]
    fn only_what_has_changed_is_named() {
        let mut session = Session::default();
        let first = session.ask_for(&[asked(0, 5), asked(1, 5), asked(3, 5)]);
        assert_eq!((first.id, first.epoch), (0, 0));
        assert_eq!(indexes(&first), (vec![0, 1, 3], vec![]));
        session.answered(44);
        let next = session.ask_for(&[asked(0, 5), asked(1, 9), asked(2, 0), asked(4, 0)]);
        assert_eq!((next.id, next.epoch), (44, 1));
        assert_eq!(indexes(&next), (vec![1, 2, 4], vec![3]));
        session.answered(44);
        let same = session.ask_for(&[asked(0, 5), asked(1, 9), asked(2, 0), asked(4, 0)]);
        assert_eq!(same.epoch, 2);
        assert_eq!(indexes(&same), (vec![], vec![]));
        session.answered(44);
        assert_eq!(indexes(&session.ask_for(&[])), (vec![], vec![0, 1, 2, 4]));
    }

    #[test]
    fn after_an_answer_that_was_not_taken_all_is_named_and_the_old_session_ends() {
        let mut session = Session::default();
        session.ask_for(&[asked(0, 5)]);
        session.answered(44);
        session.ask_for(&[asked(0, 6)]);
        session.restart();
        let again = session.ask_for(&[asked(0, 6)]);
        assert_eq!((again.id, again.epoch), (44, 0));
        assert_eq!(indexes(&again), (vec![0], vec![]));
        // A leader without room for sessions.
        session.answered(0);
        let full = session.ask_for(&[asked(0, 6)]);
        assert_eq!(full.epoch, 0);
        assert_eq!(indexes(&full), (vec![0], vec![]));
        assert!(Session::is_lost(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
        assert!(!Session::is_lost(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    }

    #[test]
    fn the_numbers_of_requests_wrap_and_never_come_to_the_one_that_opens() {
        let mut session = Session {
            id: 44,
            epoch: i32::MAX,
            known: Vec::new(),
        };
        session.answered(44);
        assert_eq!(session.ask_for(&[]).epoch, 1);
    }
}
