//! Drives: one partition and its machine: loads it, writes what it decides, answers when that is
//! durable, and does what its deadlines ask for. The only file of this room that waits.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::base::{Instant, Offset, ProducerId};
use crate::io::event::Event;
use crate::io::runtime::Runtime;
use crate::io::turn::{self, Work};
use crate::partition::append::{self, AppendError};
use crate::partition::producers::Guard;
use crate::partition::{Acks, Marker, Partition};
use crate::wire::batch::NO_SEQUENCE;

use super::loading::load;
use super::machine::{Factory, InTransaction, Machine, Now, Outcome, Unavailable};
use super::queue::Unwritten;
use super::refused::NotInTransaction;
use super::serving::Serving;

/// Time between two looks at whether a full device has space again, or enough replicas are in sync.
const SPACE_WAIT: Duration = Duration::from_secs(1);

/// A partition that is led here, and the machine that lives on it.
pub(super) struct Driver<F: Factory> {
    partition: Rc<Partition>,
    factory: Rc<F>,
    state: RefCell<State<F::Machine>>,
    /// There is a batch to write or to wait for, or the driver has resigned.
    work: Event,
    /// A deadline has moved closer, there is work that may be done now, or the driver has resigned.
    sooner: Event,
    resigned: Cell<bool>,
}

enum State<M: Machine> {
    /// The log is read; changes of the cluster are kept until the machine can follow them.
    Loading(Vec<M::Change>),
    Serving(Box<Serving<M>>),
    /// The log cannot be read or takes no writes.
    Failed,
}

// === impl Driver: what others ask of it ===

impl<F: Factory> Driver<F> {
    /// Begins to load the machine; it runs until [`Driver::resign`].
    pub fn start(partition: Rc<Partition>, factory: &Rc<F>) -> Rc<Driver<F>> {
        let driver = Rc::new(Driver {
            partition,
            factory: factory.clone(),
            state: RefCell::new(State::Loading(Vec::new())),
            work: Event::default(),
            sooner: Event::default(),
            resigned: Cell::new(false),
        });
        let running = driver.clone().run();
        let work = Work::job(F::Machine::NAME);
        driver.runtime().spawn(turn::measured(work, running));
        driver
    }

    /// The partition that it drives.
    pub fn partition(&self) -> &Rc<Partition> {
        &self.partition
    }

    /// Unloads the machine for good: every request that waits is told so.
    pub fn resign(&self) {
        self.resigned.set(true);
        *self.state.borrow_mut() = State::Failed;
        self.work.call();
        self.sooner.call();
    }

    /// Looks at the machine; `None` while it is not served. What is seen may not be durable yet.
    pub fn look<T>(&self, look: impl FnOnce(&F::Machine) -> T) -> Option<T> {
        match &*self.state.borrow() {
            State::Serving(serving) => Some(look(serving.machine())),
            State::Loading(_) | State::Failed => None,
        }
    }

    /// Lets `act` work on the machine, and tells its result once what it rests on is durable.
    pub async fn ask<T>(
        &self,
        act: impl FnOnce(&mut F::Machine, Now, &mut Outcome<Reply<F>>) -> T,
    ) -> Result<T, Unavailable> {
        let now = self.now();
        let asked = self.serve(|serving| serving.ask(now, |machine, out| act(machine, now, out)));
        let (value, turn) = asked?;
        if let Some(turn) = turn {
            turn.await.map_err(|_| Unavailable::NotCoordinator)?;
        }
        Ok(value)
    }

    /// As [`Self::ask`], where `act` makes records that are part of a transaction.
    pub async fn ask_in_transaction<T>(
        &self,
        transaction: &InTransaction,
        act: impl FnOnce(&mut F::Machine, Now, &mut Outcome<Reply<F>>) -> T,
    ) -> Result<T, NotInTransaction> {
        if self.is_ahead() {
            return Err(NotInTransaction::Unavailable(Unavailable::Loading));
        }
        let (id, epoch) = (transaction.producer_id, transaction.producer_epoch);
        let checked = self
            .partition
            .check_in_transaction(id, epoch, transaction.guard);
        checked.map_err(NotInTransaction::Refused)?;
        self.ask(act).await.map_err(NotInTransaction::Unavailable)
    }

    /// The partition, for a question to the coordinator of a transaction: see
    /// [`Partition::ask_about`].
    pub fn ask_about(&self, producer_id: ProducerId, producer_epoch: i16) -> Option<Guard> {
        let (partition, now) = (&self.partition, self.now().wall_ms);
        partition.ask_about(producer_id, producer_epoch, NO_SEQUENCE, now)
    }

    /// Takes a request in and waits for its reply, which may come with a later step.
    pub async fn handle(
        &self,
        request: <F::Machine as Machine>::Request,
    ) -> Result<Reply<F>, Unavailable> {
        let now = self.now();
        let reply = self.serve(|serving| serving.handle(request, now))?;
        reply.await.map_err(|_| Unavailable::NotCoordinator)
    }

    /// Ends a transaction that has records here, and waits until the marker is durable.
    pub async fn end_transaction(&self, marker: &Marker) -> Result<(), AppendError> {
        if self.is_ahead() {
            return Err(AppendError::Busy);
        }
        self.partition.check_marker(marker)?;
        let now = self.now();
        let turn = self.serve(|serving| serving.end_transaction(marker, now));
        let turn = turn.map_err(|_| AppendError::Closed)?;
        match turn {
            Some(turn) => turn.await.map_err(|_| AppendError::Closed),
            None => Ok(()),
        }
    }

    /// Whether the log has not taken all that the machine has decided: what is open in it may be
    /// decided already, so that nothing may be said of transactions.
    fn is_ahead(&self) -> bool {
        matches!(&*self.state.borrow(), State::Serving(it) if it.unwritten().is_some())
    }

    /// Lets the machine follow a change of the cluster, now or once it is loaded.
    pub fn follow(&self, change: &<F::Machine as Machine>::Change) {
        if let State::Loading(kept) = &mut *self.state.borrow_mut() {
            return kept.push(change.clone());
        }
        let now = self.now();
        // A partition that has failed is told of nothing.
        let _ = self.serve(|serving| serving.follow(change, now));
    }
}

/// The reply to a parked request.
type Reply<F> = <<F as Factory>::Machine as Machine>::Reply;

// === impl Driver: its parts ===

impl<F: Factory> Driver<F> {
    /// The executor that it runs on.
    pub fn runtime(&self) -> &Runtime {
        self.partition.disk().runtime()
    }

    fn now(&self) -> Now {
        Now {
            instant: self.runtime().now(),
            wall_ms: self.runtime().wall_ms(),
        }
    }

    /// Runs `act` if the machine is served, and sees to what comes of it.
    fn serve<T>(&self, act: impl FnOnce(&mut Serving<F::Machine>) -> T) -> Result<T, Unavailable> {
        let mut state = self.state.borrow_mut();
        let serving = match &mut *state {
            State::Serving(serving) => serving,
            State::Loading(_) => return Err(Unavailable::Loading),
            State::Failed => return Err(Unavailable::NotCoordinator),
        };
        let value = self.change(serving, |serving| {
            let value = act(serving);
            self.write(serving);
            value
        });
        if serving.unwritten().is_some() || serving.unacked().is_some() {
            self.work.call();
        }
        Ok(value)
    }

    /// Runs `act`, and wakes [`Self::keep_deadlines`] if that has more to do than before.
    fn change<T>(
        &self,
        serving: &mut Serving<F::Machine>,
        act: impl FnOnce(&mut Serving<F::Machine>) -> T,
    ) -> T {
        let (before, had_work) = (serving.next_deadline(), serving.may_work());
        let value = act(serving);
        let after = serving.next_deadline();
        let is_sooner = after.is_some() && before.is_none_or(|before| after < Some(before));
        if is_sooner || serving.may_work() && !had_work {
            self.sooner.call();
        }
        value
    }

    /// Appends what the log has space for. What goes wrong is found by the writing task.
    fn write(&self, serving: &mut Serving<F::Machine>) {
        while let Some(batch) = serving.unwritten() {
            match self.append(batch) {
                Ok(upto) => serving.wrote(upto),
                Err(_) => return,
            }
        }
    }

    /// Appends a batch; it is durable once everything before the offset is acked.
    fn append(&self, batch: &Unwritten) -> Result<Offset, AppendError> {
        self.partition.check_in_sync(Acks::All)?;
        let (origin, now) = (append::Origin::Coordinator, self.now().wall_ms);
        let (bytes, partition) = (&batch.bytes, &self.partition);
        let appended = partition.append_in_transaction(bytes, origin, batch.guard, now)?;
        Ok(appended.upto)
    }
}

// === impl Driver: its task ===

impl<F: Factory> Driver<F> {
    /// Loads and serves, again after a failure, until it resigns.
    async fn run(self: Rc<Self>) {
        while !self.resigned.get() {
            let loaded = load(&*self.factory, &self.partition, &self.resigned).await;
            if self.resigned.get() {
                return;
            }
            let kept = F::Machine::NAME;
            let (topic, partition) = (&self.partition.name().topic, self.partition.name().index);
            match loaded {
                Ok((machine, batch_bytes_max)) => self.begin(machine, batch_bytes_max),
                Err(error) if error.may_pass() => {
                    tracing::error!(%topic, partition, %error, "cannot load {kept} now: again soon");
                    self.runtime().sleep(SPACE_WAIT).await;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%topic, partition, %error, "cannot load {kept}");
                    *self.state.borrow_mut() = State::Failed;
                    return;
                }
            }
            let Err(error) = self.attend().await else {
                return;
            };
            if self.resigned.get() {
                return;
            }
            if !self.partition.is_leader() {
                // Another node has taken over, which is no fault; the resignation follows.
                *self.state.borrow_mut() = State::Failed;
                return;
            }
            tracing::error!(%topic, partition, ?error, "{kept} cannot be written: unloading");
            if self.partition.failure().is_some() {
                *self.state.borrow_mut() = State::Failed;
                return;
            }
            *self.state.borrow_mut() = State::Loading(Vec::new());
            self.wait_for_space().await;
        }
    }

    /// Waits while the device is full, and until what was appended before is written: what is
    /// loaded then is all that there is.
    async fn wait_for_space(&self) {
        while self.partition.lack_of_space().is_some() && !self.resigned.get() {
            self.runtime().sleep(SPACE_WAIT).await;
        }
        // A failure is found again by the next write.
        let end = self.partition.end_offset();
        let _ = self.partition.wait_committed(end).await;
    }

    /// Serves a machine that was just loaded.
    fn begin(&self, machine: F::Machine, batch_bytes_max: usize) {
        let mut state = self.state.borrow_mut();
        let changes = match &mut *state {
            State::Loading(changes) => std::mem::take(changes),
            State::Serving(_) | State::Failed => Vec::new(),
        };
        let serving = Serving::new(machine, batch_bytes_max, &changes, self.now());
        *state = State::Serving(Box::new(serving));
        self.work.call();
    }

    /// Writes and keeps deadlines, until writing fails or the driver resigns.
    async fn attend(&self) -> Result<(), AppendError> {
        let writing = pin!(self.keep_writing());
        let deadlines = pin!(self.keep_deadlines());
        match select(writing, deadlines).await {
            Either::Left((ended, _)) => ended,
            // The machine is not served any more, which ends the writing as well.
            Either::Right(((), writing)) => writing.await,
        }
    }

    /// Writes what is left to write and gives the answers that waited for it.
    async fn keep_writing(&self) -> Result<(), AppendError> {
        while !self.resigned.get() {
            let (unwritten, unacked) = match &mut *self.state.borrow_mut() {
                State::Serving(serving) => {
                    self.write(serving);
                    let upto = self.partition.high_watermark();
                    self.change(serving, |serving| serving.acked(upto));
                    (serving.unwritten().cloned(), serving.unacked())
                }
                State::Loading(_) | State::Failed => return Ok(()),
            };
            match (unwritten, unacked) {
                (_, Some(upto)) => self.partition.wait_committed(upto).await?,
                (Some(batch), None) => self.write_refused(&batch).await?,
                (None, None) => self.work.wait().await,
            }
        }
        Ok(())
    }

    /// The log has refused `batch` with nothing before it under way: waits until it may take it,
    /// or finds out that it never will.
    async fn write_refused(&self, batch: &Unwritten) -> Result<(), AppendError> {
        match self.append(batch) {
            Ok(upto) => {
                if let State::Serving(serving) = &mut *self.state.borrow_mut() {
                    serving.wrote(upto);
                }
                Ok(())
            }
            Err(AppendError::Busy) => {
                self.partition.wait_for_space().await;
                Ok(())
            }
            // Requests that wait for it get no answer meanwhile: their clients send them again.
            Err(AppendError::TooFewReplicas) => {
                self.runtime().sleep(SPACE_WAIT).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Does what is due, when it is due, and work that takes long step by step, until the machine
    /// is not served any more.
    async fn keep_deadlines(&self) {
        loop {
            let now = self.now();
            let served = self.serve(|serving| {
                let (deadline, may_work) = (serving.next_deadline(), serving.may_work());
                let is_due = deadline.is_some_and(|deadline| deadline <= now.instant);
                if is_due {
                    serving.expire(now);
                }
                if may_work {
                    serving.work(now);
                }
                (deadline, is_due || may_work)
            });
            match served {
                Err(_) => return,
                Ok((deadline, false)) => self.wait_until(deadline, now).await,
                // A long step waits for its next turn with other long work.
                Ok((_, true)) if turn::is_due() => turn::give_way().await,
                Ok((_, true)) => self.runtime().yield_now().await,
            }
        }
    }

    /// Waits for a deadline, if there is one, or until there is more to do before.
    async fn wait_until(&self, deadline: Option<Instant>, now: Now) {
        let sooner = self.sooner.wait();
        match deadline.map(|deadline| deadline.since(now.instant)) {
            Some(length) => drop(self.runtime().within(length, sooner).await),
            None => sooner.await,
        }
    }
}
