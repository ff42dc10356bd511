//! Drives: answers that depend on the cluster's image alone. They are made once for each image, on
//! other threads than the shard's, and sent to all clients without a copy.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::answer_memory::{self, NotMade};
use super::codes::ErrorCounts;
use crate::base::limits;
use crate::io::budget::Reserved;
use crate::io::event::Bell;
use crate::metadata::image::Image;
use crate::shard::Shard;
use crate::wire::codec::EncodeError;

/// Which answer of an image it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedKey {
    /// The API.
    pub api_key: i16,
    /// The version.
    pub version: i16,
    /// The name of the listener whose endpoints it names.
    pub listener: Arc<str>,
    /// Bits for what else the request chooses.
    pub flags: u8,
}

/// The body of an answer, held until the last connection has sent it.
pub struct SharedAnswer {
    /// The body, without length and header.
    pub body: Bytes,
    /// The errors in it.
    pub errors: ErrorCounts,
    _memory: Reserved,
}

/// A body and the errors in it.
pub type Made = Result<(Bytes, ErrorCounts), EncodeError>;

/// Why there is no answer.
#[derive(Debug)]
pub enum SharedError {
    /// It holds what its version cannot say: a mistake of ours.
    Encode(EncodeError),
    /// It was not made.
    NotMade(NotMade),
}

/// How an answer is made: what it takes at most while it is made, in bytes, and its body.
pub struct Recipe<A> {
    /// What `make` needs besides the image.
    pub asked: A,
    /// Bytes of memory.
    pub cost: fn(&Image) -> usize,
    /// The body and the errors in it.
    pub make: fn(&Image, &A) -> Made,
}

/// The shared answers of one shard.
#[derive(Default)]
pub struct SharedAnswers {
    entries: RefCell<Vec<Entry>>,
    changed: Bell,
}

struct Entry {
    key: SharedKey,
    image: Arc<Image>,
    /// `None` while it is made.
    answer: Option<Rc<SharedAnswer>>,
}

/// An answer that is being made. Other requests for it wait until this is dropped.
struct Making<'a> {
    of: &'a SharedAnswers,
    key: SharedKey,
    image: Arc<Image>,
}

impl SharedAnswers {
    /// The answer `key` of the shard's image, made by `recipe` if it is not there.
    pub async fn get<A: Send + 'static>(
        &self,
        shard: &Shard,
        key: SharedKey,
        recipe: Recipe<A>,
    ) -> Result<Rc<SharedAnswer>, SharedError> {
        loop {
            let image = shard.image();
            match self.find(&key, &image) {
                Some(Some(answer)) => return Ok(answer),
                // A request of another connection is making it.
                Some(None) => self.changed.wait().await,
                None => {
                    let making = self.begin(key, image);
                    return making.make(shard, recipe).await;
                }
            }
        }
    }

    fn find(&self, key: &SharedKey, image: &Arc<Image>) -> Option<Option<Rc<SharedAnswer>>> {
        let entries = self.entries.borrow();
        let found = entries
            .iter()
            .find(|entry| entry.key == *key && Arc::ptr_eq(&entry.image, image));
        found.map(|entry| entry.answer.clone())
    }

    fn begin(&self, key: SharedKey, image: Arc<Image>) -> Making<'_> {
        let mut entries = self.entries.borrow_mut();
        // Answers of older images are not asked for any more.
        entries.retain(|entry| entry.answer.is_none() || Arc::ptr_eq(&entry.image, &image));
        if entries.len() >= limits::SHARED_ANSWERS_MAX
            && let Some(oldest) = entries.iter().position(|entry| entry.answer.is_some())
        {
            entries.remove(oldest);
        }
        entries.push(Entry {
            key: key.clone(),
            image: image.clone(),
            answer: None,
        });
        Making {
            of: self,
            key,
            image,
        }
    }
}

impl Making<'_> {
    async fn make<A: Send + 'static>(
        self,
        shard: &Shard,
        recipe: Recipe<A>,
    ) -> Result<Rc<SharedAnswer>, SharedError> {
        let (image, cost) = (self.image.clone(), recipe.cost);
        let cost = shard.runtime().offload(move || cost(&image)).await;
        let cost = cost.map_err(|_| SharedError::NotMade(NotMade::Panicked))?;
        let mut memory = answer_memory::reserve(shard.runtime(), &shard.budget, cost)
            .await
            .map_err(SharedError::NotMade)?;
        let image = self.image.clone();
        let body = shard
            .runtime()
            .offload(move || (recipe.make)(&image, &recipe.asked))
            .await;
        let body = body.map_err(|_| SharedError::NotMade(NotMade::Panicked))?;
        let (body, errors) = body.map_err(SharedError::Encode)?;
        memory.resize(body.len());
        let answer = Rc::new(SharedAnswer {
            body,
            errors,
            _memory: memory,
        });
        let mut entries = self.of.entries.borrow_mut();
        let mine = entries.iter_mut().find(|entry| self.is(entry));
        if let Some(entry) = mine {
            entry.answer = Some(answer.clone());
        }
        Ok(answer)
    }

    fn is(&self, entry: &Entry) -> bool {
        entry.key == self.key && Arc::ptr_eq(&entry.image, &self.image)
    }
}

impl Drop for Making<'_> {
    /// Requests that wait for it find the answer, or make it if this one was not made.
    fn drop(&mut self) {
        let mut entries = self.of.entries.borrow_mut();
        entries.retain(|entry| entry.answer.is_some() || !self.is(entry));
        drop(entries);
        self.of.changed.ring();
    }
}
