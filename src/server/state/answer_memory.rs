//! Drives: the memory of answers, counted before they are made and until the kernel has them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::base::limits;
use crate::io::budget::{Budget, Reserved, Use};
use crate::io::runtime::Runtime;

/// What the answer to one request takes of the shard's memory.
#[derive(Default)]
pub struct AnswerMemory {
    reserved: RefCell<Option<Reserved>>,
    refused: Cell<Option<NotMade>>,
}

/// Why an answer was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMade {
    /// It takes more memory than there is.
    #[error(
        "the answer takes {wanted} bytes of memory, more than the {total} of \
         corelane.shard.memory.bytes: ask for less at a time"
    )]
    TooLarge {
        /// Bytes that it takes.
        wanted: usize,
        /// `corelane.shard.memory.bytes`.
        total: usize,
    },
    /// The memory was not free in time.
    #[error(
        "the {wanted} bytes of memory that the answer takes were not free within {} s",
        limits::ANSWER_MEMORY_WAIT_MS / 1_000
    )]
    NotInTime {
        /// Bytes that it takes.
        wanted: usize,
    },
    /// Work that was done beside the core panicked: a mistake of ours.
    #[error("work on the answer panicked")]
    Panicked,
}

/// Reserves `bytes` for an answer. Waits for them, but not for long.
pub async fn reserve(
    runtime: &Runtime,
    budget: &Rc<Budget>,
    bytes: usize,
) -> Result<Reserved, NotMade> {
    let (wanted, total) = (bytes, budget.total_bytes());
    if wanted > total {
        return Err(NotMade::TooLarge { wanted, total });
    }
    if let Some(reserved) = budget.try_reserve(Use::Answers, bytes) {
        return Ok(reserved);
    }
    let patience = Duration::from_millis(limits::ANSWER_MEMORY_WAIT_MS);
    let waiting = budget.reserve(Use::Answers, bytes);
    let reserved = runtime.within(patience, waiting).await;
    reserved.ok_or(NotMade::NotInTime { wanted })
}

impl AnswerMemory {
    /// Counts `bytes` more; `false` where they are not free in time.
    pub async fn claim(&self, runtime: &Runtime, budget: &Rc<Budget>, bytes: usize) -> bool {
        if self.refused.get().is_some() {
            return false;
        }
        let before = self.bytes();
        let more = match before + bytes {
            wanted if wanted <= limits::ANSWER_FREE_BYTES => budget.hold(Use::Answers, bytes),
            wanted if wanted > budget.total_bytes() => {
                let total = budget.total_bytes();
                self.refused.set(Some(NotMade::TooLarge { wanted, total }));
                return false;
            }
            _ => match reserve(runtime, budget, bytes).await {
                Ok(more) => more,
                Err(error) => {
                    self.refused.set(Some(error));
                    return false;
                }
            },
        };
        let mut reserved = self.reserved.borrow_mut();
        match &mut *reserved {
            Some(reserved) => reserved.join(more),
            None => *reserved = Some(more),
        }
        true
    }

    /// Bytes that are counted.
    pub fn bytes(&self) -> usize {
        self.reserved.borrow().as_ref().map_or(0, Reserved::bytes)
    }

    /// Why a claim was refused, if one was.
    pub fn refused(&self) -> Option<NotMade> {
        self.refused.get()
    }

    /// Gives the answer up.
    pub fn refuse(&self, reason: NotMade) {
        self.refused.set(Some(reason));
    }

    /// Counts nothing: the answer is sent.
    pub fn release(&self) {
        self.reserved.borrow_mut().take();
    }

    /// The memory of the answer once it is made and takes `bytes`.
    pub fn seal(&self, budget: &Rc<Budget>, bytes: usize) -> Reserved {
        let reserved = self.reserved.borrow_mut().take();
        let mut reserved = reserved.unwrap_or_else(|| budget.hold(Use::Answers, 0));
        reserved.resize(bytes);
        reserved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn claim(memory: &AnswerMemory, budget: &Rc<Budget>, bytes: usize) -> bool {
        memory
            .claim(&Runtime::ring(), budget, bytes)
            .now_or_never()
            .expect("no wait")
    }

    #[test]
    fn claims_add_up_and_shrink_to_what_the_answer_is() {
        let budget = Budget::new(1 << 20);
        let memory = AnswerMemory::default();
        assert!(claim(&memory, &budget, 10) && claim(&memory, &budget, 500_000));
        assert_eq!(budget.used_by(Use::Answers), 500_010);
        let answer = memory.seal(&budget, 70);
        assert_eq!((budget.used_bytes(), memory.bytes()), (70, 0));
        drop(answer);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn small_answers_are_made_without_memory_and_giants_never() {
        let budget = Budget::new(1 << 20);
        let _all = budget.hold(Use::Groups, 1 << 20);
        let memory = AnswerMemory::default();
        assert!(claim(&memory, &budget, limits::ANSWER_FREE_BYTES));
        assert!(!claim(&memory, &budget, 2 << 20));
        let (wanted, total) = ((2 << 20) + limits::ANSWER_FREE_BYTES, 1 << 20);
        assert_eq!(memory.refused(), Some(NotMade::TooLarge { wanted, total }));
        assert!(!claim(&memory, &budget, 1), "once refused is refused");
    }
}
