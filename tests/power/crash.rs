//! What a disk may hold after a power cut: everything that a flush vouched for, and of the rest
//! any of its 512-byte sectors.

use corelane_testing::checked::Tick;
use fastrand::Rng;

use super::disk::{Data, DiskWrite, History, SECTOR};

/// What becomes of the writes that nothing vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All are lost.
    Lost,
    /// All are there.
    Kept,
    /// Each write is there or not.
    ByWrite,
    /// Each sector is there or not.
    BySector,
    /// One write is lost, and it alone.
    OneLost,
}

pub const FATES: [Fate; 5] = [
    Fate::Lost,
    Fate::Kept,
    Fate::ByWrite,
    Fate::BySector,
    Fate::OneLost,
];

/// Makes the states at rising points of a history.
pub struct Crashes<'a> {
    history: &'a History,
    /// The disk with the first `applied` writes, all of which are vouched for.
    base: Vec<u8>,
    applied: usize,
}

/// A disk after a power cut.
pub struct State {
    pub bytes: Vec<u8>,
    /// Writes that nothing vouched for, and how many sectors of them were left out.
    pub open: usize,
    pub sectors_lost: usize,
}

impl<'a> Crashes<'a> {
    pub fn new(history: &'a History, base: Vec<u8>) -> Crashes<'a> {
        Crashes {
            history,
            base,
            applied: 0,
        }
    }

    /// The disk when the power was cut at `cut`, which must not go back.
    pub fn at(&mut self, cut: Tick, fate: Fate, random: &mut Rng) -> State {
        let done = self.history.flushes.iter().filter(|flush| {
            let done = flush.done;
            done.is_some_and(|done| done < cut)
        });
        // Flushes are done in any order: the one that arrived last vouches for most.
        let vouched = done.map(|flush| flush.arrived).max().unwrap_or(0);
        let is_stable = |write: &DiskWrite| {
            let done = write.done.filter(|done| *done < cut);
            done.is_some_and(|done| done < vouched || write.fua)
        };
        let writes = &self.history.writes;
        while let Some(write) = writes.get(self.applied)
            && is_stable(write)
        {
            put(&mut self.base, write, |_| true);
            self.applied += 1;
        }
        let mut state = State {
            bytes: self.base.clone(),
            open: 0,
            sectors_lost: 0,
        };
        let rest = writes[self.applied..].iter();
        let rest: Vec<_> = rest.take_while(|write| write.arrived < cut).collect();
        let open = rest.iter().filter(|write| !is_stable(write)).count();
        let victim = random.usize(..open.max(1));
        for write in rest {
            if is_stable(write) {
                put(&mut state.bytes, write, |_| true);
                continue;
            }
            let whole = match fate {
                Fate::Lost => Some(false),
                Fate::Kept => Some(true),
                Fate::ByWrite => Some(random.u64(..2) == 0),
                Fate::OneLost => Some(state.open != victim),
                Fate::BySector => None,
            };
            state.open += 1;
            let lost = &mut state.sectors_lost;
            put(&mut state.bytes, write, |_| {
                let kept = whole.unwrap_or_else(|| random.u64(..2) == 0);
                *lost += usize::from(!kept);
                kept
            });
        }
        state
    }
}

/// Puts those sectors of a write to the disk that `is_kept` wants.
fn put(disk: &mut [u8], write: &DiskWrite, mut is_kept: impl FnMut(usize) -> bool) {
    let at = write.position as usize;
    let place = &mut disk[at..at + write.data.len()];
    for (number, sector) in place.chunks_mut(SECTOR).enumerate() {
        if !is_kept(number) {
            continue;
        }
        match &write.data {
            Data::Zeros(_) => sector.fill(0),
            Data::Bytes(bytes) => {
                let from = number * SECTOR;
                sector.copy_from_slice(&bytes[from..from + sector.len()]);
            }
        }
    }
}

/// A disk that forgets what it should not must be seen to: the states of a small history.
pub fn selfcheck() {
    use super::disk::Flush;
    let write = |arrived, done, fua, position, byte: u8| DiskWrite {
        arrived,
        done: Some(done),
        fua,
        position,
        data: Data::Bytes(vec![byte; SECTOR].into()),
    };
    let history = History {
        writes: vec![
            write(1, 2, false, 0, 1),
            // Reported after the flush arrived: not vouched for.
            write(3, 6, false, 512, 2),
            write(8, 9, true, 1024, 3),
        ],
        flushes: vec![Flush {
            arrived: 4,
            done: Some(7),
        }],
    };
    let at = |cut, fate| {
        let mut crashes = Crashes::new(&history, vec![0; 3 * SECTOR]);
        let bytes = crashes.at(cut, fate, &mut Rng::with_seed(1)).bytes;
        [bytes[0], bytes[512], bytes[1024]]
    };
    assert_eq!(at(7, Fate::Lost), [0, 0, 0], "the flush is not done yet");
    assert_eq!(at(7, Fate::Kept), [1, 2, 0]);
    assert_eq!(at(8, Fate::Lost), [1, 0, 0]);
    assert_eq!(at(99, Fate::Lost), [1, 0, 3], "FUA needs no flush");
}
