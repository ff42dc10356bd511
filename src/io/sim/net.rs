//! Drives: a network in memory: connections that are slow, stuck or lost as the seed and the
//! test have it.

mod stream;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::random::Random;
use super::tasks::Tasks;
use crate::base::Instant;
pub use stream::SimStream;
use stream::Wire;

/// Where clients connect from; each connection has a port of its own.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
/// The first of these ports, and the first that a listener is given which leaves it open.
const FIRST_PORT: u16 = 32_768;
/// Connections that may wait to be accepted.
const BACKLOG: usize = 128;

/// The network of a world, as the machine of this address sees it; cheap to clone.
#[derive(Clone)]
pub struct SimNet(Rc<Inner>, IpAddr);

/// How two machines are connected.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// Nothing arrives.
    pub is_cut: bool,
    /// As in [`Weather`], where it is not that of all.
    pub delay: Option<(Duration, Duration)>,
}

/// How good the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The shortest and the longest time that a piece is under way.
    pub delay: (Duration, Duration),
    /// Bytes that may be sent and not read, in each direction.
    pub buffer_bytes: usize,
    /// Of so many writes one loses its connection; 0 for none.
    pub lost_one_in: usize,
}

struct Inner {
    tasks: Rc<Tasks>,
    random: RefCell<Random>,
    weather: Cell<Weather>,
    listeners: RefCell<BTreeMap<SocketAddr, Rc<Backlog>>>,
    /// Addresses that nothing reaches, and that nothing comes from.
    cut: RefCell<BTreeSet<SocketAddr>>,
    /// By the addresses of both machines, the smaller one first.
    links: RefCell<BTreeMap<[IpAddr; 2], Link>>,
    /// Wait for a cut to be healed.
    connecting: RefCell<Vec<Waker>>,
    wires: RefCell<Vec<Weak<Wire>>>,
    next_port: Cell<u16>,
}

/// Connections that wait to be accepted.
#[derive(Default)]
struct Backlog {
    waiting: RefCell<VecDeque<SimStream>>,
    acceptor: RefCell<Option<Waker>>,
}

/// A listening socket.
pub struct SimListener {
    net: SimNet,
    address: SocketAddr,
    backlog: Rc<Backlog>,
}

// === impl Weather ===

impl Default for Weather {
    /// A local network, with buffers that are soon full.
    fn default() -> Weather {
        Weather {
            delay: (Duration::from_micros(20), Duration::from_millis(2)),
            buffer_bytes: 16 << 10,
            lost_one_in: 0,
        }
    }
}

// === impl SimNet: what a test does to it ===

impl SimNet {
    pub(super) fn new(tasks: Rc<Tasks>, seed: u64) -> SimNet {
        let inner = Inner {
            tasks,
            random: RefCell::new(Random::new(seed ^ 0x4E37)),
            weather: Cell::default(),
            listeners: RefCell::default(),
            cut: RefCell::default(),
            links: RefCell::default(),
            connecting: RefCell::default(),
            wires: RefCell::default(),
            next_port: Cell::new(FIRST_PORT),
        };
        SimNet(Rc::new(inner), CLIENT)
    }

    /// The same network, as the machine of another address sees it.
    #[must_use]
    pub fn seen_from(&self, address: IpAddr) -> SimNet {
        SimNet(Rc::clone(&self.0), address)
    }

    /// Changes how good the network is.
    pub fn set_weather(&self, weather: Weather) {
        self.0.weather.set(weather);
    }

    /// From now on nothing that was sent to or from `address`, where a listener is, arrives. Both
    /// sides go on writing until their buffers are full.
    pub fn cut(&self, address: SocketAddr) {
        self.0.cut.borrow_mut().insert(address);
    }

    /// What was sent meanwhile arrives, and all that comes.
    pub fn heal(&self, address: SocketAddr) {
        self.0.cut.borrow_mut().remove(&address);
        self.look_again();
    }

    /// Connects two machines like this from now on. What was sent through a cut arrives once it is
    /// none any more.
    pub fn set_link(&self, one: IpAddr, other: IpAddr, link: Link) {
        let ends = [one.min(other), one.max(other)];
        self.0.links.borrow_mut().insert(ends, link);
        self.look_again();
    }

    /// Has all that wait for the end of a cut look whether it has ended.
    fn look_again(&self) {
        let connecting = self.0.connecting.take();
        connecting.into_iter().for_each(Waker::wake);
        self.wires(|_| true).iter().for_each(|wire| wire.wake());
    }

    /// Connections to `address` are lost: both sides learn of it at once.
    pub fn lose(&self, address: SocketAddr) {
        let wires = self.wires(|wire| wire.address() == address);
        wires.iter().for_each(|wire| wire.lose());
    }

    fn wires(&self, which: impl Fn(&Wire) -> bool) -> Vec<Rc<Wire>> {
        let mut wires = self.0.wires.borrow_mut();
        wires.retain(|wire| wire.strong_count() > 0);
        let wires = wires.iter().filter_map(Weak::upgrade);
        wires.filter(|wire| which(wire)).collect()
    }
}

// === impl SimNet: what a machine does with it ===

impl SimNet {
    /// Listens on `address`; port 0 takes one that is free.
    pub fn listen(&self, mut address: SocketAddr) -> io::Result<SimListener> {
        if address.port() == 0 {
            address.set_port(self.port());
        }
        let mut listeners = self.0.listeners.borrow_mut();
        if listeners.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let backlog = Rc::<Backlog>::default();
        listeners.insert(address, Rc::clone(&backlog));
        Ok(SimListener {
            net: self.clone(),
            address,
            backlog,
        })
    }

    /// Connects to `address`: waits while it is cut off.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<SimStream> {
        let there = self.arrival([self.1, address.ip()]);
        self.0.tasks.time.until(there).await;
        poll_fn(|context| {
            if !self.is_cut(self.1, address) {
                return Poll::Ready(());
            }
            let mut connecting = self.0.connecting.borrow_mut();
            connecting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let backlog = self.0.listeners.borrow().get(&address).cloned();
        let backlog = backlog.ok_or_else(refused)?;
        if backlog.waiting.borrow().len() >= BACKLOG {
            return Err(refused());
        }
        let ends = [SocketAddr::new(self.1, self.port()), address];
        let (wire, [mine, theirs]) = Wire::new(self, ends);
        self.0.wires.borrow_mut().push(Rc::downgrade(&wire));
        backlog.push(theirs);
        let back = self.arrival([self.1, address.ip()]);
        self.0.tasks.time.until(back).await;
        Ok(mine)
    }

    fn port(&self) -> u16 {
        let port = self.0.next_port.get();
        self.0
            .next_port
            .set(port.checked_add(1).unwrap_or(FIRST_PORT));
        port
    }

    fn now(&self) -> Instant {
        self.0.tasks.time.now()
    }

    fn link(&self, one: IpAddr, other: IpAddr) -> Link {
        let ends = [one.min(other), one.max(other)];
        let links = self.0.links.borrow();
        links.get(&ends).copied().unwrap_or_default()
    }

    /// When what is sent now between these machines arrives.
    fn arrival(&self, [one, other]: [IpAddr; 2]) -> Instant {
        let link = self.link(one, other);
        let (least, most) = link.delay.unwrap_or(self.0.weather.get().delay);
        let span = most.saturating_sub(least).as_nanos() as usize;
        let more = self.0.random.borrow_mut().below(span + 1);
        self.now().after(least + Duration::from_nanos(more as u64))
    }

    fn is_cut(&self, from: IpAddr, address: SocketAddr) -> bool {
        self.0.cut.borrow().contains(&address) || self.link(from, address.ip()).is_cut
    }
}

// === impl Backlog ===

impl Backlog {
    fn push(&self, stream: SimStream) {
        self.waiting.borrow_mut().push_back(stream);
        let acceptor = self.acceptor.borrow_mut().take();
        if let Some(waker) = acceptor {
            waker.wake();
        }
    }
}

// === impl SimListener ===

impl SimListener {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    pub async fn accept(&self) -> SimStream {
        poll_fn(|context| {
            let next = self.backlog.waiting.borrow_mut().pop_front();
            match next {
                Some(stream) => Poll::Ready(stream),
                None => {
                    *self.backlog.acceptor.borrow_mut() = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.net.0.listeners.borrow_mut().remove(&self.address);
        // Those that were not accepted are closed.
        let waiting = self.backlog.waiting.take();
        drop(waiting);
    }
}
