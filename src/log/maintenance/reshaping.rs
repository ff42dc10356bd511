//! Pure: one task at a time takes segments off a log, or exchanges some.

use crate::log::inner::Inner;

/// Segments of a log are being taken off or exchanged for as long as this lives: a task that is
/// dropped at that ends it, too.
pub struct Reshaping<'a>(&'a Inner);

impl Inner {
    /// Begins to take segments off or to exchange some, unless another task does so.
    pub fn reshape(&self) -> Option<Reshaping<'_>> {
        let is_other = self.reshaping.replace(true);
        (!is_other).then(|| Reshaping(self))
    }
}

impl Drop for Reshaping<'_> {
    fn drop(&mut self) {
        self.0.reshaping.set(false);
        self.0.progress.ring();
    }
}
