//! Drives: the partitions of an internal topic that are led here, each with its machine, and which
//! of them is asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::hash::partition_of_id;
use crate::base::{PartitionIndex, ProducerId};
use crate::io::turn;
use crate::partition::append::AppendError;
use crate::partition::producers::Guard;
use crate::partition::{Marker, Partition};

use super::driver::Driver;
use super::machine::{Factory, InTransaction, Machine, Now, Outcome, Unavailable};
use super::refused::NotInTransaction;

/// The machines that live on the partitions of one internal topic, as far as these are led here.
pub struct Partitions<F: Factory> {
    factory: Rc<F>,
    /// Partitions of the topic: as configured until the topic is there.
    count: Cell<i32>,
    led: RefCell<BTreeMap<PartitionIndex, Rc<Driver<F>>>>,
}

type Reply<F> = <<F as Factory>::Machine as Machine>::Reply;
type Request<F> = <<F as Factory>::Machine as Machine>::Request;
type Change<F> = <<F as Factory>::Machine as Machine>::Change;

// === impl Partitions: they come and go ===

impl<F: Factory> Partitions<F> {
    /// None yet; the topic has, or will have, `count` of them.
    pub fn new(factory: F, count: i32) -> Partitions<F> {
        Partitions {
            factory: Rc::new(factory),
            count: Cell::new(count.max(1)),
            led: RefCell::default(),
        }
    }

    /// What makes the machines.
    pub fn factory(&self) -> &F {
        &self.factory
    }

    /// The topic is there, with this many partitions.
    pub fn set_count(&self, count: i32) {
        self.count.set(count.max(1));
    }

    /// The partition that keeps what has this id.
    pub fn partition_of(&self, id: &str) -> PartitionIndex {
        partition_of_id(id, self.count.get())
    }

    /// Serves exactly these partitions from now on: those that are new are loaded beside other
    /// work, those that are gone are dropped.
    pub fn lead(&self, partitions: Vec<Rc<Partition>>) {
        let stays = |index: PartitionIndex, driver: &Driver<F>| {
            let mut all = partitions.iter();
            all.any(|led| led.name().index == index && Rc::ptr_eq(led, driver.partition()))
        };
        self.led.borrow_mut().retain(|index, driver| {
            let stays = stays(*index, driver);
            if !stays {
                driver.resign();
            }
            stays
        });
        for partition in partitions {
            let mut led = self.led.borrow_mut();
            let entry = led.entry(partition.name().index);
            entry.or_insert_with(|| Driver::start(partition, &self.factory));
        }
    }

    /// Lets every machine follow a change of the cluster.
    pub fn follow(&self, change: &Change<F>) {
        for driver in self.led.borrow().values() {
            driver.follow(change);
        }
    }

    /// Those that are led here.
    pub fn led(&self) -> Vec<PartitionIndex> {
        self.led.borrow().keys().copied().collect()
    }

    /// One that is led here.
    pub fn partition(&self, index: PartitionIndex) -> Option<Rc<Partition>> {
        let driver = self.driver_at(index).ok()?;
        Some(driver.partition().clone())
    }

    fn driver(&self, id: &str) -> Result<Rc<Driver<F>>, Unavailable> {
        self.driver_at(self.partition_of(id))
    }

    fn driver_at(&self, index: PartitionIndex) -> Result<Rc<Driver<F>>, Unavailable> {
        let led = self.led.borrow();
        led.get(&index).cloned().ok_or(Unavailable::NotCoordinator)
    }

    fn all(&self) -> Vec<Rc<Driver<F>>> {
        self.led.borrow().values().cloned().collect()
    }
}

// === impl Partitions: they are asked ===

impl<F: Factory> Partitions<F> {
    /// Gives a request to the machine that keeps `id` and waits for its reply, which may come with
    /// a later step of the machine.
    pub async fn handle(&self, id: &str, request: Request<F>) -> Result<Reply<F>, Unavailable> {
        self.driver(id)?.handle(request).await
    }

    /// Lets `act` work on the machine that keeps `id`, and tells its result once what it rests on
    /// is durable.
    pub async fn ask<T>(
        &self,
        id: &str,
        act: impl FnOnce(&mut F::Machine, Now, &mut Outcome<Reply<F>>) -> T,
    ) -> Result<T, Unavailable> {
        self.driver(id)?.ask(act).await
    }

    /// As [`Self::ask`], where `act` makes records that are part of a transaction.
    pub async fn ask_in_transaction<T>(
        &self,
        id: &str,
        transaction: &InTransaction,
        act: impl FnOnce(&mut F::Machine, Now, &mut Outcome<Reply<F>>) -> T,
    ) -> Result<T, NotInTransaction> {
        let driver = self.driver(id).map_err(NotInTransaction::Unavailable)?;
        driver.ask_in_transaction(transaction, act).await
    }

    /// To be called before the coordinator of a transaction is asked whether the partition that
    /// keeps `id` is part of it; `None` where it was asked before.
    pub fn ask_about(
        &self,
        id: &str,
        producer_id: ProducerId,
        producer_epoch: i16,
    ) -> Result<Option<Guard>, Unavailable> {
        Ok(self.driver(id)?.ask_about(producer_id, producer_epoch))
    }

    /// Ends a transaction that has records in the partition `index`.
    pub async fn end_transaction(
        &self,
        index: PartitionIndex,
        marker: &Marker,
    ) -> Result<(), AppendError> {
        let driver = self.driver_at(index).map_err(|_| AppendError::Closed)?;
        driver.end_transaction(marker).await
    }

    /// As [`Self::handle`], for the machine of a partition.
    pub async fn handle_at(
        &self,
        index: PartitionIndex,
        request: Request<F>,
    ) -> Result<Reply<F>, Unavailable> {
        self.driver_at(index)?.handle(request).await
    }

    /// As [`Self::ask`], for the machine of a partition.
    pub async fn ask_at<T>(
        &self,
        index: PartitionIndex,
        act: impl FnOnce(&mut F::Machine, Now, &mut Outcome<Reply<F>>) -> T,
    ) -> Result<T, Unavailable> {
        self.driver_at(index)?.ask(act).await
    }

    /// As [`Self::ask`], for all machines here, one after the other.
    pub async fn ask_all<T>(
        &self,
        mut act: impl FnMut(&mut F::Machine) -> T,
    ) -> Result<Vec<T>, Unavailable> {
        let all = self.all();
        let mut results = Vec::with_capacity(all.len());
        for driver in all {
            turn::pace().await;
            match driver.ask(|machine, _, _| act(machine)).await {
                Ok(result) => results.push(result),
                // It has moved: its new leader answers for it.
                Err(Unavailable::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(results)
    }

    /// Looks at the machine that keeps `id`; `None` where it is not served. What is seen may not be
    /// durable yet.
    pub fn look<T>(&self, id: &str, look: impl FnOnce(&F::Machine) -> T) -> Option<T> {
        self.driver(id).ok()?.look(look)
    }

    /// As [`Self::look`], at all machines that are served, one after the other.
    pub async fn look_at_all(&self, mut look: impl FnMut(&F::Machine)) {
        for driver in self.all() {
            driver.look(&mut look);
            driver.runtime().yield_now().await;
        }
    }
}
