//! Drives: one node of this process in the cluster: what its shard has told of itself, and the
//! task that keeps it registered and reports to the controller on a connection of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::base::ids::Uuid;
use crate::base::seldom::Seldom;
use crate::base::{Instant, NodeId, Offset};
use crate::io::event::{Bell, Event};
use crate::io::net::Net;
use crate::io::runtime::Runtime;
use crate::metadata::source::quorum::{Link, LinkError, Watch};
use crate::wire::codec::messages::{BrokerHeartbeatRequest, BrokerRegistrationRequest};

use super::member::{Denied, Fatal, Member, Next, View};

/// How long a node waits for an active controller to be known before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How many intervals of reporting a shard may be silent before its node reports no more.
const SILENT_INTERVALS: u32 = 2;

/// One node.
pub struct Node {
    member: RefCell<Member>,
    interval: Duration,
    applied: Cell<Offset>,
    opened: Cell<bool>,
    leaving: Cell<bool>,
    offline_dirs: RefCell<Vec<Uuid>>,
    /// When its shard answered last; `None` before it was asked.
    alive: Cell<Option<Instant>>,
    /// Ends the pause before the next report.
    hurry: Event,
    /// Rings when the controller has answered.
    answered: Bell,
}

/// What a session works with.
pub struct Session {
    /// The network.
    pub net: Net,
    /// The executor.
    pub runtime: Runtime,
    /// Who the active controller is.
    pub watch: Watch,
    /// How long it may take to register.
    pub registration_within: Duration,
}

// === impl Node ===

impl Node {
    pub(super) fn new(member: Member, interval: Duration) -> Rc<Node> {
        Rc::new(Node {
            member: RefCell::new(member),
            interval,
            applied: Cell::new(-1),
            opened: Cell::new(false),
            leaving: Cell::new(false),
            offline_dirs: RefCell::default(),
            alive: Cell::new(None),
            hurry: Event::default(),
            answered: Bell::default(),
        })
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.member.borrow().node()
    }

    /// How often it reports to the controller.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The epoch of its registration, while it has one.
    pub fn epoch(&self) -> Option<i64> {
        self.member.borrow().epoch()
    }

    /// Whether it may lead, as the controller said last.
    pub fn is_unfenced(&self) -> bool {
        self.member.borrow().is_unfenced()
    }

    /// The last offset that its shard serves by; -1 for none.
    pub fn applied(&self) -> Offset {
        self.applied.get()
    }

    /// Its shard serves by everything up to `offset`.
    pub fn has_applied(&self, offset: Offset) {
        self.applied.set(offset);
        if !self.is_unfenced() {
            self.hurry.call();
        }
    }

    /// Its shard has answered: it is not stuck.
    pub fn is_alive(&self, now: Instant) {
        self.alive.set(Some(now));
    }

    /// The logs of its shard are open: it wants to lead.
    pub fn has_opened(&self) {
        self.opened.set(true);
        self.hurry.call();
    }

    /// These folders of its have failed.
    pub fn lose_dirs(&self, dirs: &[Uuid]) {
        self.offline_dirs.borrow_mut().extend_from_slice(dirs);
        self.hurry.call();
    }

    /// Asks the controller to move its leaderships away, and waits until that is done.
    pub async fn leave(&self) {
        self.leaving.set(true);
        self.hurry.call();
        while !self.member.borrow().may_stop() {
            self.answered.wait().await;
        }
    }

    /// Waits until it is registered.
    pub async fn registered(&self) -> i64 {
        loop {
            if let Some(epoch) = self.epoch() {
                return epoch;
            }
            self.answered.wait().await;
        }
    }

    /// Waits until it may lead.
    pub async fn unfenced(&self) {
        while !self.is_unfenced() {
            self.answered.wait().await;
        }
    }

    fn view(&self) -> View {
        View {
            applied: self.applied.get(),
            opened: self.opened.get(),
            leaving: self.leaving.get(),
            offline_dirs: self.offline_dirs.borrow().clone(),
        }
    }

    /// Whether its shard has answered lately. One that is stuck must lose its leaderships: it does
    /// when its node reports no more.
    fn may_report(&self, now: Instant) -> bool {
        let silence = self.alive.get().map(|last| now.since(last));
        silence.is_none_or(|silence| silence <= self.interval * SILENT_INTERVALS)
    }
}

/// Keeps `node` registered and reports for it, until no controller will have it.
pub async fn run(node: Rc<Node>, session: Session) -> Fatal {
    let mut running = Running {
        name: format!("corelane-{}-heartbeat", node.id()),
        lost: Some(session.runtime.now()),
        troubles: Seldom::default(),
        link: None,
        node,
        session,
    };
    loop {
        let now = running.session.runtime.now();
        if running.node.epoch().is_some() {
            running.lost = None;
        } else if now.since(*running.lost.get_or_insert(now)) > running.session.registration_within
        {
            return running.node.member.borrow().late();
        }
        if running.node.member.borrow().may_stop() {
            // It has left: another report would be one of a broker that is still there.
            std::future::pending::<()>().await;
        }
        match running.step().await {
            Ok(pause) => {
                let runtime = running.session.runtime.clone();
                runtime.within(pause, running.node.hurry.wait()).await;
            }
            Err(fatal) => return fatal,
        }
    }
}

struct Running {
    node: Rc<Node>,
    session: Session,
    name: String,
    link: Option<Link>,
    /// Since when it is not registered.
    lost: Option<Instant>,
    troubles: Seldom,
}

// === impl Running ===

impl Running {
    /// Sends what is to be sent, and takes the answer in; how long to wait then.
    async fn step(&mut self) -> Result<Duration, Fatal> {
        let now = self.session.runtime.now();
        if !self.node.may_report(now) {
            self.tell(&"its shard does not answer: it does not report for it");
            return Ok(LOOK_AGAIN);
        }
        let Some(to) = self.session.watch.leader().address else {
            return Ok(LOOK_AGAIN);
        };
        let link = match self.link.take().filter(|link| *link.to() == to) {
            Some(link) => link,
            None => {
                let (net, runtime) = (&self.session.net, &self.session.runtime);
                match Link::open(net, runtime, to, &self.name).await {
                    Ok(link) => link,
                    Err(error) => return Ok(self.again(&error)),
                }
            }
        };
        match self.ask(link).await {
            Ok(Ok(())) => {
                self.node.answered.ring();
                let view = self.node.view();
                Ok(self.node.member.borrow().pause(&view))
            }
            Ok(Err(Denied::Fatal(fatal))) => Err(fatal),
            Ok(Err(Denied::Again(error))) => {
                self.node.answered.ring();
                Ok(self.again(&format!("{error:?}")))
            }
            Ok(Err(Denied::NotController)) => {
                self.link = None;
                Ok(self.again(&"it is not the active controller"))
            }
            Err(error) => Ok(self.again(&error)),
        }
    }

    /// Asks over `link`, which is kept if an answer comes.
    async fn ask(&mut self, mut link: Link) -> Result<Result<(), Denied>, LinkError> {
        let next = self.node.member.borrow().next(&self.node.view());
        let taken = match next {
            Next::Register(request) => {
                let version = link.ranges().choose::<BrokerRegistrationRequest>(4, 4)?;
                let answer = link.call(version, &request, Duration::ZERO).await?;
                let taken = self.node.member.borrow_mut().registered(&answer);
                if taken.is_ok() {
                    let (node, epoch) = (self.node.id(), answer.broker_epoch);
                    tracing::info!(%node, epoch, "registered in the cluster");
                }
                taken
            }
            Next::Report(request) => {
                let version = link.ranges().choose::<BrokerHeartbeatRequest>(1, 1)?;
                let answer = link.call(version, &request, Duration::ZERO).await?;
                let was_unfenced = self.node.is_unfenced();
                let taken = self.node.member.borrow_mut().reported(&answer);
                self.tell_of_fence(was_unfenced);
                taken
            }
        };
        self.link = Some(link);
        Ok(taken)
    }

    fn tell_of_fence(&self, was_unfenced: bool) {
        let node = self.node.id();
        match (was_unfenced, self.node.is_unfenced()) {
            (false, true) => tracing::info!(%node, "unfenced: the node may lead"),
            (true, false) if self.node.leaving.get() => {}
            (true, false) => tracing::warn!(%node, "fenced: the node leads nothing"),
            _ => {}
        }
    }

    fn again(&self, why: &dyn std::fmt::Display) -> Duration {
        self.tell(why);
        self.node.member.borrow().retry_pause()
    }

    fn tell(&self, why: &dyn std::fmt::Display) {
        if let Some(times) = self.troubles.happens(self.session.runtime.now()) {
            let node = self.node.id();
            tracing::warn!(%node, error = %why, times, "a node cannot report to the controller");
        }
    }
}
