//! Drives: a log of a generated life that parts from its leader's: cut back, or begun anew.

use std::rc::Rc;

use super::finding::find_so;
use super::story::{Story, Topic, Wrong};
use super::work::Life;
use crate::base::Offset;
use crate::log::{Log, Opening};

impl Life {
    /// Closes the log that follows another and has it go on as its leader's.
    pub async fn part(&mut self) -> Result<(), Wrong> {
        let topics = Rc::clone(&self.topics);
        let Some(which) = topics.iter().position(|topic| topic.follows) else {
            return Ok(());
        };
        for _ in 0..self.random.below(3) {
            self.append(which).await?;
        }
        if self.random.one_in(2) {
            let log = &self.logs[which];
            let acked = log.wait_acked(log.end_offset()).await;
            acked.map_err(|failure| failure.to_string())?;
            self.checkpoint().await?;
        }
        let (topic, log) = (&topics[which], self.logs.remove(which));
        let wrong = |error: std::io::Error| error.to_string();
        let story = topic.story();
        let end = log.end_offset();
        let (opening, next): (Opening, _) = if self.random.one_in(4) {
            let at = self.random.below(end as usize + 20) as Offset;
            story.anew.set(Some(at));
            story.cutting.set(Some((self.sim.moment(), 0)));
            let begun = self.folder.begin_anew(topic.name, 0, None, Some(&log), at);
            (begun.await.map_err(wrong)?, Story::anew(at, 0))
        } else {
            log.close().await.map_err(wrong)?;
            let first = log
                .0
                .state
                .borrow()
                .segments
                .first()
                .map(|it| it.base_offset);
            let first = first.unwrap_or(0);
            let to = first + self.random.below((end - first) as usize + 4) as Offset;
            let next = story.cut(to, 0);
            let left = next.flushed.at(usize::MAX);
            story.cutting.set(Some((self.sim.moment(), left)));
            let cut = self.folder.cut_back(topic.name, 0, &log, to);
            (cut.await.map_err(wrong)?, next)
        };
        drop(log);
        if self.random.one_in(4) {
            self.checkpoint_but(which).await?;
        }
        let log = self.reopened(topic, opening, next).await?;
        self.listen(&log, topic);
        self.logs.insert(which, log);
        let emptied = self.folder.empty_trash().await;
        emptied.map_err(|(path, error)| format!("{}: {error}", path.display()))
    }

    /// Opens it and compares what is there with the story that goes on.
    async fn reopened(
        &self,
        topic: &Topic,
        opening: Opening,
        mut next: Story,
    ) -> Result<Log, Wrong> {
        let opened = find_so(&self.disk, &self.folder, &self.shared, topic, opening);
        let (log, (found, _)) = opened.await?;
        self.folder.opened(topic.name, 0);
        let end = next.flushed.at(usize::MAX);
        if found.end != end {
            return Err(format!("to end at {end}: {found:?}"));
        }
        next.born = self.sim.moment() + 1;
        topic.stories.borrow_mut().push(Rc::new(next));
        Ok(log)
    }

    /// Writes the checkpoints of the logs that are open.
    async fn checkpoint_but(&self, which: usize) -> Result<(), Wrong> {
        let names = self.topics.iter().enumerate().filter(|it| it.0 != which);
        let logs = self.logs.iter().zip(names);
        let logs = logs.map(|(log, (_, topic))| (topic.name, 0, log));
        let written = self.folder.checkpoint(logs).await;
        written.map_err(|error| error.to_string())
    }
}
