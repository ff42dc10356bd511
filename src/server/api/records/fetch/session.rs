//! Drives: the session of a fetch, which may have very many partitions: a step at a time.

use super::{Head, Scratch, many, pace_at};
use crate::base::ErrorCode;
use crate::io::turn;
use crate::server::api::Context;
use crate::server::state::fetch_sessions::{Key, NO_SESSION, News, Opened};
use crate::wire::cursor::Short;
use crate::wire::fetch::{self, Item, TOPIC_ID_FROM};

use super::Part;

/// Partitions of a session that are looked at before there is such a look.
const SESSION_STEP: usize = 1_000;
impl Scratch {
    /// Opens the session that a request names, and brings it up to date with what the request
    /// adds and changes, and with what the body in `forgotten` forgets. A session that grows
    /// beyond the memory there is, is dropped: its client asks for a new one.
    pub(super) async fn open_session(
        &self,
        cx: &Context,
        head: &Head,
        forgotten: Option<&[u8]>,
    ) -> Result<Opened, Short> {
        let sessions = &cx.server.sessions;
        let (id, by_id) = (head.session_id, cx.version >= TOPIC_ID_FROM);
        let opened = sessions
            .borrow_mut()
            .open(id, head.session_epoch, by_id, cx.now);
        let opened = match opened {
            Opened::Incremental(id) => self.update_session(cx, id, forgotten).await?,
            other => other,
        };
        drop_sessions(cx).await;
        Ok(opened)
    }

    async fn update_session(
        &self,
        cx: &Context,
        id: i32,
        forgotten: Option<&[u8]>,
    ) -> Result<Opened, Short> {
        let sessions = &cx.server.sessions;
        for step in self.wanted.chunks(SESSION_STEP) {
            let wanted = step.iter().cloned();
            if !sessions.borrow_mut().add(id, wanted, cx.now) {
                return Ok(Opened::Refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
            }
            turn::pace().await;
        }
        if let Some(body) = forgotten {
            self.forget(cx, id, body).await?;
        }
        Ok(sessions.borrow_mut().opened(id))
    }

    /// Takes what `body` forgets out of a session. It is read anew: a list of it would take many
    /// times its bytes.
    async fn forget(&self, cx: &Context, id: i32, body: &[u8]) -> Result<(), Short> {
        let mut key = Key::nameless(&self.nameless);
        let mut parts = fetch::Parts::new(body, cx.version)?;
        let mut read = 0;
        while let Some(item) = parts.next()? {
            read += 1;
            pace_at(read).await;
            match item {
                Item::Topic { name, id } => key.move_to(name, id, &self.nameless),
                Item::Forgotten { index } => {
                    key.index = index;
                    cx.server.sessions.borrow_mut().forget(id, &key);
                }
                Item::Partition { .. } => {}
            }
        }
        Ok(())
    }

    /// Notes in the session that was opened what is sent; returns its number.
    pub(super) async fn note_sent(&mut self, cx: &Context, opened: &Opened, by_id: bool) -> i32 {
        match *opened {
            Opened::Full => {
                let id = self.make_session(cx, by_id).await;
                self.keep_news(cx, id, false).await;
                id
            }
            Opened::Incremental(id) => {
                self.keep_news(cx, id, true).await;
                id
            }
            _ => NO_SESSION,
        }
    }

    /// Makes a session of what the fetch names, if there is a place and memory for it.
    async fn make_session(&self, cx: &Context, by_id: bool) -> i32 {
        let wanted = |part: &Part| (part.key.clone(), part.wanted);
        let (first, rest) = self.parts.split_at(self.parts.len().min(SESSION_STEP));
        let sessions = &cx.server.sessions;
        let first = first.iter().map(wanted);
        let id = sessions.borrow_mut().create(by_id, first, cx.now);
        for part in rest.chunks(SESSION_STEP) {
            turn::pace().await;
            let part = part.iter().map(wanted);
            if id == NO_SESSION || !sessions.borrow_mut().add(id, part, cx.now) {
                drop_sessions(cx).await;
                return NO_SESSION;
            }
        }
        drop_sessions(cx).await;
        id
    }

    /// Takes the partitions of a session for those that are wanted.
    pub(super) async fn take_session(&mut self, cx: &Context, id: i32) {
        self.wanted.clear();
        let sessions = &cx.server.sessions;
        self.wanted.reserve(sessions.borrow().partition_count(id));
        let mut place = sessions.borrow().first(id);
        while let Some(from) = place {
            place = sessions
                .borrow()
                .copy(id, from, SESSION_STEP, &mut self.wanted);
            turn::pace().await;
        }
    }

    /// Notes in the session what is sent, and drops what is not news if `only_news`.
    async fn keep_news(&mut self, cx: &Context, session: i32, only_news: bool) {
        let sessions = &cx.server.sessions;
        let mut kept = 0;
        for at in 0..self.parts.len() {
            let part = &self.parts[at];
            let news = News {
                has_records: part.found.bytes > 0,
                error: part.found.error,
                high_watermark: part.found.high_watermark,
                start_offset: part.found.start_offset,
            };
            let is_news = sessions.borrow_mut().note_sent(session, &part.key, news);
            if is_news || !only_news {
                self.parts.swap(kept, at);
                kept += 1;
            }
            pace_at(at + 1).await;
        }
        many::shorten(&mut self.parts, kept).await;
    }
}

/// Drops, in steps, what is left of sessions that have ended.
async fn drop_sessions(cx: &Context) {
    while cx.server.sessions.borrow_mut().drop_some(SESSION_STEP) {
        turn::pace().await;
    }
}
