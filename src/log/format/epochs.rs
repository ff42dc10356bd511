//! Pure: which leader epoch wrote which offsets (KIP-101), and its checkpoint's text.

use crate::base::{LeaderEpoch, Offset};

/// The name of their checkpoint in the log's folder.
pub const FILE: &str = "leader-epoch-checkpoint";

/// The start offset of every leader epoch that wrote to a log, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(Vec<(LeaderEpoch, Offset)>);

impl Epochs {
    /// Notes that `epoch` writes from `start` on; `true` when that was news.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch < 0 || self.0.last().is_some_and(|last| last.0 >= epoch) {
            return false;
        }
        // An epoch that ended up with no records at all gives way to its successor.
        while self.0.last().is_some_and(|last| last.1 >= start) {
            self.0.pop();
        }
        self.0.push((epoch, start));
        true
    }

    /// The newest epoch that wrote.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.0.last().map(|last| last.0)
    }

    /// The largest epoch not above `epoch` and the offset at which it ended, as Kafka answers
    /// OffsetForLeaderEpoch; (-1, -1) where that is unknown.
    pub fn end_of(&self, epoch: LeaderEpoch, end_offset: Offset) -> (LeaderEpoch, Offset) {
        const UNKNOWN: (LeaderEpoch, Offset) = (-1, -1);
        if epoch < 0 {
            return UNKNOWN;
        }
        if self.latest() == Some(epoch) {
            return (epoch, end_offset);
        }
        let above = self.0.partition_point(|entry| entry.0 <= epoch);
        let Some(next) = self.0.get(above) else {
            return UNKNOWN;
        };
        let floor = above.checked_sub(1).map_or(epoch, |at| self.0[at].0);
        (floor, next.1)
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.0.partition_point(|entry| entry.1 <= offset);
        after.checked_sub(1).map(|at| self.0[at].0)
    }

    /// Forgets what lies before `start_offset`.
    pub fn cut_front(&mut self, start_offset: Offset) {
        let after = self.0.partition_point(|entry| entry.1 <= start_offset);
        if after > 0 {
            self.0.drain(..after - 1);
            self.0[0].1 = start_offset;
        }
    }

    /// Forgets what lies at or behind `end_offset`.
    pub fn cut_back(&mut self, end_offset: Offset) {
        self.0.retain(|entry| entry.1 < end_offset);
    }

    /// The text of `leader-epoch-checkpoint` (version 0).
    pub fn to_text(&self) -> String {
        let mut text = format!("0\n{}\n", self.0.len());
        for (epoch, start) in &self.0 {
            text.push_str(&format!("{epoch} {start}\n"));
        }
        text
    }

    /// Reads that text; `None` when it is none, or not whole: the last number may be a beginning of
    /// what was to be written.
    pub fn from_text(text: &str) -> Option<Epochs> {
        if !text.ends_with('\n') {
            return None;
        }
        let mut lines = text.lines();
        if lines.next()?.trim() != "0" {
            return None;
        }
        let count: usize = lines.next()?.trim().parse().ok()?;
        let mut epochs = Epochs::default();
        for line in lines.by_ref().take(count) {
            let (epoch, start) = line.trim().split_once(' ')?;
            let (epoch, start) = (epoch.parse().ok()?, start.parse().ok()?);
            if !epochs.assign(epoch, start) {
                return None;
            }
        }
        (epochs.0.len() == count).then_some(epochs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_of_the_text_is_not_taken_for_it() {
        let text = some().to_text();
        assert!(Epochs::from_text(&text).is_some());
        for len in 0..text.len() {
            assert!(Epochs::from_text(&text[..len]).is_none(), "{len}");
        }
    }

    fn some() -> Epochs {
        let mut epochs = Epochs::default();
        assert!(epochs.assign(2, 0));
        assert!(epochs.assign(5, 100));
        assert!(!epochs.assign(5, 120));
        assert!(!epochs.assign(3, 120));
        assert!(epochs.assign(6, 150));
        epochs
    }

    #[test]
    fn answers_as_kafka_does() {
        let epochs = some();
        assert_eq!(epochs.end_of(6, 200), (6, 200));
        assert_eq!(epochs.end_of(5, 200), (5, 150));
        assert_eq!(epochs.end_of(4, 200), (2, 100));
        assert_eq!(epochs.end_of(1, 200), (1, 0));
        assert_eq!(epochs.end_of(7, 200), (-1, -1));
        assert_eq!(epochs.end_of(-1, 200), (-1, -1));
        assert_eq!(Epochs::default().end_of(0, 0), (-1, -1));
        assert_eq!(epochs.epoch_at(99), Some(2));
        assert_eq!(epochs.epoch_at(100), Some(5));
    }

    #[test]
    fn cuts_at_both_ends() {
        let mut epochs = some();
        epochs.cut_front(120);
        assert_eq!(epochs.end_of(4, 200), (4, 120));
        epochs.cut_back(150);
        assert_eq!(epochs.latest(), Some(5));
        epochs.cut_back(0);
        assert_eq!(epochs, Epochs::default());
    }

    #[test]
    fn an_epoch_without_records_gives_way() {
        let mut epochs = some();
        assert!(epochs.assign(8, 150));
        assert_eq!(epochs.to_text(), "0\n3\n2 0\n5 100\n8 150\n");
    }

    #[test]
    fn the_text_comes_back() {
        let epochs = some();
        assert_eq!(Epochs::from_text(&epochs.to_text()), Some(epochs));
        for bad in [
            "",
            "1\n0\n",
            "0\n2\n1 0\n",
            "0\n1\nx 0\n",
            "0\n2\n3 0\n2 5\n",
        ] {
            assert_eq!(Epochs::from_text(bad), None, "{bad:?}");
        }
    }
}
