//! Drives: what is known of the cluster and of its active controller, for the tasks of the control
//! executor: the follower of the metadata log changes it, all others look and wait.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::base::{Instant, Offset};
use crate::io::event::Bell;
use crate::metadata::image::Image;

use super::link::ApiRanges;
use super::observer::Leader;

/// What is known; clones share it.
#[derive(Clone)]
pub struct Watch(Rc<Inner>);

struct Inner {
    image: RefCell<Arc<Image>>,
    /// Rings when there is a new image.
    newer: Bell,
    leader: RefCell<Leader>,
    ranges: RefCell<Arc<ApiRanges>>,
    high_watermark: Cell<Offset>,
    answered: Cell<Option<Instant>>,
}

// === impl Watch ===

impl Watch {
    /// Nothing is known but the cluster's id.
    pub fn new(cluster_id: &str) -> Watch {
        Watch(Rc::new(Inner {
            image: RefCell::new(Image::empty(cluster_id).into()),
            newer: Bell::default(),
            leader: RefCell::default(),
            ranges: RefCell::default(),
            high_watermark: Cell::new(-1),
            answered: Cell::new(None),
        }))
    }

    /// The newest image.
    pub fn image(&self) -> Arc<Image> {
        self.0.image.borrow().clone()
    }

    /// Waits for an image that `is_it`.
    pub async fn image_where(&self, is_it: impl Fn(&Image) -> bool) -> Arc<Image> {
        loop {
            let image = self.image();
            if is_it(&image) {
                return image;
            }
            self.0.newer.wait().await;
        }
    }

    /// What is known of the active controller.
    pub fn leader(&self) -> Leader {
        self.0.leader.borrow().clone()
    }

    /// What the controller understands that was heard last.
    pub fn ranges(&self) -> Arc<ApiRanges> {
        self.0.ranges.borrow().clone()
    }

    /// Offset after what is known to be committed; -1 before anything is.
    pub fn high_watermark(&self) -> Offset {
        self.0.high_watermark.get()
    }

    /// When the active controller answered last.
    pub fn answered(&self) -> Option<Instant> {
        self.0.answered.get()
    }

    pub(super) fn hear_answer(&self, leader: &Leader, high_watermark: Offset, now: Instant) {
        if *self.0.leader.borrow() != *leader {
            *self.0.leader.borrow_mut() = leader.clone();
        }
        self.0.high_watermark.set(high_watermark);
        if leader.address.is_some() {
            self.0.answered.set(Some(now));
        }
    }

    pub(super) fn hear_silence(&self, leader: &Leader) {
        *self.0.leader.borrow_mut() = leader.clone();
    }

    pub(super) fn hear_ranges(&self, ranges: &ApiRanges) {
        if **self.0.ranges.borrow() != *ranges {
            *self.0.ranges.borrow_mut() = ranges.clone().into();
        }
    }

    pub(super) fn become_image(&self, image: Image) {
        *self.0.image.borrow_mut() = image.into();
        self.0.newer.ring();
    }
}
