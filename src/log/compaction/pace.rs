//! Drives: how fast a cleaning may go: others first, and no more bytes a second than allowed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::log::inner::Inner;

/// Work between two chances for others to run, in bytes that were looked at.
const TURN_BYTES: usize = 32 << 10;
/// A pause is made up of debts of at least this length, since each costs a timer.
const PAUSE_MIN_SECONDS: f64 = 0.005;
/// A pause; the caller must look afterwards whether the log was closed meanwhile.
const PAUSE_MAX_SECONDS: f64 = 0.1;

/// Paces one cleaning.
pub struct Pace {
    log: Rc<Inner>,
    bytes_per_second: f64,
    since_turn: Cell<usize>,
    /// Bytes read and written so far.
    pub moved_bytes: Cell<(u64, u64)>,
    /// Time by which the bytes so far are ahead of the allowed rate.
    ahead_seconds: Cell<f64>,
}

impl Pace {
    /// At most `bytes_per_second` read and written.
    pub fn new(log: &Rc<Inner>, bytes_per_second: f64) -> Pace {
        Pace {
            log: Rc::clone(log),
            bytes_per_second: bytes_per_second.max(1.0),
            since_turn: Cell::new(0),
            moved_bytes: Cell::new((0, 0)),
            ahead_seconds: Cell::new(0.0),
        }
    }

    /// Lets others run after each stretch of work on `bytes` in memory.
    pub async fn worked(&self, bytes: usize) {
        self.since_turn.set(self.since_turn.get() + bytes);
        if self.since_turn.get() >= TURN_BYTES {
            self.since_turn.set(0);
            self.log.logs.disk().runtime().yield_now().await;
        }
    }

    /// Counts `bytes` that were read, and waits for as long as they may take.
    pub async fn read(&self, bytes: usize) {
        let (read, written) = self.moved_bytes.get();
        self.moved_bytes.set((read + bytes as u64, written));
        self.moved(bytes).await;
    }

    /// Counts `bytes` that were written, and waits for as long as they may take.
    pub async fn wrote(&self, bytes: usize) {
        let (read, written) = self.moved_bytes.get();
        self.moved_bytes.set((read, written + bytes as u64));
        self.moved(bytes).await;
    }

    async fn moved(&self, bytes: usize) {
        let mut ahead = self.ahead_seconds.get() + bytes as f64 / self.bytes_per_second;
        while ahead >= PAUSE_MIN_SECONDS && self.log.check_goes_on().is_ok() {
            let pause = ahead.min(PAUSE_MAX_SECONDS);
            let length = Duration::from_secs_f64(pause);
            self.log.logs.disk().runtime().sleep(length).await;
            ahead -= pause;
        }
        self.ahead_seconds.set(ahead);
    }
}
