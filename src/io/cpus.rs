//! Drives: the CPUs of the process, and which of them have an executor.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// It is kept here since a thread that an executor starts inherits the executor's one CPU, and
/// sees no other when it asks the kernel.
struct Cpus {
    all: Vec<usize>,
    pinned: Vec<usize>,
}

static CPUS: Mutex<Cpus> = Mutex::new(Cpus {
    all: Vec::new(),
    pinned: Vec::new(),
});

/// The CPUs that this thread may run on, in the kernel's order. On the main thread they are those
/// of the process.
pub fn allowed() -> Vec<usize> {
    core_affinity::get_core_ids()
        .map(|ids| ids.into_iter().map(|id| id.id).collect())
        .unwrap_or_default()
}

/// Notes that an executor starts, pinned to `cpu` if that is given. To be called on a thread that
/// may run on all CPUs of the process.
pub(super) fn has_executor(cpu: Option<usize>) {
    cpus().has_executor(cpu);
}

/// The CPUs for threads beside the executors: those that no executor is pinned to, or all of the
/// process's where none is left. Empty before the first executor starts.
pub(super) fn beside_executors() -> Vec<usize> {
    cpus().beside_executors()
}

fn cpus() -> MutexGuard<'static, Cpus> {
    CPUS.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Cpus ===

impl Cpus {
    fn has_executor(&mut self, cpu: Option<usize>) {
        if self.all.is_empty() {
            self.all = allowed();
        }
        self.pinned.extend(cpu);
    }

    fn beside_executors(&self) -> Vec<usize> {
        let is_free = |cpu: &usize| !self.pinned.contains(cpu);
        let free: Vec<usize> = self.all.iter().copied().filter(is_free).collect();
        if free.is_empty() {
            self.all.clone()
        } else {
            free
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_beside_executors_get_the_cpus_that_none_is_pinned_to_or_all() {
        let mut cpus = Cpus {
            all: vec![0, 1, 2],
            pinned: Vec::new(),
        };
        assert_eq!(cpus.beside_executors(), [0, 1, 2]);
        cpus.has_executor(None);
        cpus.has_executor(Some(2));
        assert_eq!(cpus.beside_executors(), [0, 1]);
        cpus.has_executor(Some(0));
        cpus.has_executor(Some(2));
        assert_eq!(cpus.beside_executors(), [1]);
        cpus.has_executor(Some(1));
        assert_eq!(cpus.beside_executors(), [0, 1, 2]);
    }
}
