//! Drives: what of a journal counts no more: cuts of single logs, and all of a journal that has
//! failed.

use std::io;
use std::rc::Rc;

use futures_channel::oneshot;

use super::entry::{HEAD_BYTES, Owner, Position};
use super::parts::Cut;
use super::stage::Stage;
use super::writer::{Journal, Shared};
use crate::base::Offset;
use crate::log::inner::Inner;

impl Journal {
    /// See [`Inner::void_in_journal`].
    pub(super) async fn cut(&self, log: &Rc<Inner>, below: Offset) -> io::Result<()> {
        let shared = &self.0;
        log.side.pass_below(below);
        if log.side.is_kept() {
            shared.forget_kept(log, below).await?;
        }
        if !self.holds(log) || shared.enter_cut(log.owner(), below).await {
            return Ok(());
        }
        // No cut can be written to one that has failed: all of it is to be void.
        while self.holds(log) {
            if shared.stage() != Stage::Failed || !shared.bring_home().await {
                let reason = "what the journal holds of a log cannot be voided: it takes no more";
                return Err(io::Error::other(reason));
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Has a cut written to an entry; `false` where the journal takes none.
    async fn enter_cut(&self, owner: Owner<'_>, below: Offset) -> bool {
        if self.is_over() {
            return false;
        }
        let (done, entered) = oneshot::channel();
        self.cuts.borrow_mut().push(Cut {
            folder: owner.folder.to_owned(),
            topic_id: owner.topic_id,
            below,
            done,
        });
        self.work.call();
        entered.await.is_ok()
    }

    /// Takes the oldest cuts, as many as one entry may have.
    pub(super) fn take_cuts(&self) -> Vec<Cut> {
        let max = self.file.entry_bytes_max() as usize;
        let mut bytes = HEAD_BYTES;
        let mut cuts = self.cuts.borrow_mut();
        let fit = cuts.iter().take_while(|cut| {
            bytes += cut.bytes();
            bytes <= max
        });
        let count = fit.count();
        cuts.drain(..count).collect()
    }

    /// Gives the journal up, since its file cannot be written or flushed: what it holds is brought
    /// home, and then counts for nothing.
    pub(super) fn fail(&self, error: &io::Error) {
        self.logs.probe().journal_failed_count.add(1);
        tracing::error!(dir = %self.file.dir().display(), %error,
            "the journal has failed: until the next start each log is written to its own file");
        self.is_over_now(Stage::Failed);
    }

    /// Has a start pass over the journal, which has failed, once everything that was entered, up
    /// to `position`, is in the logs' own files.
    pub(super) async fn void(&self, position: Position) -> io::Result<()> {
        if position < self.written() || !self.away.borrow().is_empty() {
            // Entered while this round was under way: the next one brings it home.
            return Ok(());
        }
        if !planted!(VoidForgotten) {
            self.file.is_out_of_use().await?;
        }
        self.file.void();
        tracing::info!(dir = %self.file.dir().display(),
            "what the failed journal holds is in the logs' own files, and needed no more");
        self.end();
        Ok(())
    }
}
