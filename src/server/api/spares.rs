//! Pure: work lists of requests that were answered, kept for the next requests of their kind.

use std::cell::RefCell;

use crate::base::limits;

/// Lists of one kind that no request of the shard uses. With them a request of the usual size
/// allocates nothing.
#[derive(Default)]
pub struct Spares<T>(RefCell<Vec<T>>);

/// A list, or a struct of lists, that can be used again.
pub trait Reusable: Default {
    /// Empties it and keeps its memory.
    fn clear(&mut self);
    /// Items for which it has memory.
    fn capacity(&self) -> usize;
}

impl<T: Reusable> Spares<T> {
    /// An empty list, with the memory of one that was used before if there is one.
    pub fn take(&self) -> T {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a list whose request is answered, unless it is too large or there are enough.
    pub fn keep(&self, mut list: T) {
        list.clear();
        let mut spares = self.0.borrow_mut();
        let fits = list.capacity() <= limits::SPARE_PARTITIONS_MAX;
        if fits && spares.len() < limits::SPARE_REQUESTS_MAX {
            spares.push(list);
        }
    }
}

impl<T: Reusable> Reusable for Box<T> {
    fn clear(&mut self) {
        T::clear(self);
    }

    fn capacity(&self) -> usize {
        T::capacity(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Reusable for Vec<u8> {
        fn clear(&mut self) {
            Vec::clear(self);
        }

        fn capacity(&self) -> usize {
            Vec::capacity(self)
        }
    }

    #[test]
    fn lists_come_back_empty_and_neither_many_nor_large_ones_are_kept() {
        let spares = Spares::default();
        let mut list = Vec::with_capacity(10);
        list.push(1);
        spares.keep(list);
        spares.keep(Vec::with_capacity(limits::SPARE_PARTITIONS_MAX + 1));
        let list: Vec<u8> = spares.take();
        assert!(list.is_empty() && list.capacity() >= 10);
        assert_eq!(spares.take().capacity(), 0);
        (0..2 * limits::SPARE_REQUESTS_MAX).for_each(|_| spares.keep(Vec::new()));
        assert_eq!(spares.0.borrow().len(), limits::SPARE_REQUESTS_MAX);
    }
}
