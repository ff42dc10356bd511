//! Drives: waits for the sockets of a thread's producers, takes in answers, mends connections.

use std::mem::MaybeUninit;

use rustix::event::{Timespec, epoll};

use super::{Worker, io, token};
use crate::measure::client::ClientError;
use crate::measure::link::{Ask, Fixed};
use crate::measure::producer::REQUEST_TIMEOUT_NS;

/// How often answers of the [`Fixer`](crate::measure::link::Fixer) and timeouts are looked for, in
/// nanoseconds.
pub(super) const LOOK_NS: u64 = 2_000_000;

impl Worker<'_> {
    /// Waits for answers, at most `wait_ns`, and processes them.
    pub(super) fn poll(&mut self, wait_ns: u64) -> Result<(), ClientError> {
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: wait_ns as i64,
        };
        let ready = match epoll::wait(&self.poll, &mut events, Some(&timeout)) {
            Ok((ready, _)) => ready,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(io(error)),
        };
        for event in ready {
            let token = event.data.u64();
            let (at, link) = ((token >> 32) as usize, (token & 0xffff_ffff) as usize);
            self.ready(at, link)?;
        }
        Ok(())
    }

    fn ready(&mut self, at: usize, link: usize) -> Result<(), ClientError> {
        let (one, tools) = (&mut self.producers[at], &mut self.tools);
        if one.links[link].is_blocked() && one.flush(tools, link).is_err() {
            return Ok(());
        }
        let Some(connection) = &mut one.links[link].connection else {
            return Ok(());
        };
        let mut wrong = match connection.receive() {
            Ok(true) => None,
            Ok(false) => return self.poll_for_space(at, link),
            Err(error) => Some(error.to_string()),
        };
        // All answers of one read have the same arrival time.
        let now = tools.clock.now_ns();
        tools.recorder.tick(now);
        while wrong.is_none() {
            let Some(connection) = &mut one.links[link].connection else {
                return Ok(());
            };
            match connection.next_frame() {
                Ok(Some(answer)) => wrong = one.answered(tools, link, &answer, now).err(),
                Ok(None) => break,
                Err(error) => wrong = Some(error.to_string()),
            }
        }
        if let Some(why) = wrong {
            one.cut(tools, link, &why);
            return Ok(());
        }
        self.poll_for_space(at, link)
    }

    /// Has the poll report a socket as writable only while it is blocked.
    fn poll_for_space(&mut self, at: usize, link: usize) -> Result<(), ClientError> {
        let one = &mut self.producers[at].links[link];
        let wanted = one.is_blocked();
        if let Some(connection) = one
            .connection
            .as_ref()
            .filter(|_| wanted != one.polls_for_space)
        {
            let flags = match wanted {
                true => epoll::EventFlags::IN | epoll::EventFlags::OUT,
                false => epoll::EventFlags::IN,
            };
            epoll::modify(&self.poll, connection.fd(), token(at, link), flags).map_err(io)?;
            one.polls_for_space = wanted;
        }
        Ok(())
    }

    /// Runs the work that may wait: blocked sockets, new connections, answers that time out.
    pub(super) fn look_after(&mut self, now: u64) -> Result<(), ClientError> {
        let pause_ns = LOOK_NS / 20 + 1_000 * self.producers.len() as u64;
        if now < self.looked_ns + pause_ns {
            return Ok(());
        }
        self.looked_ns = now;
        for at in 0..self.producers.len() {
            for link in 0..self.producers[at].links.len() {
                self.poll_for_space(at, link)?;
                let waiting = self.producers[at].links[link].waiting.front();
                let sent_ns = waiting.map_or(u64::MAX, |first| first.sent_ns);
                if self.tools.load.repeat && sent_ns.saturating_add(REQUEST_TIMEOUT_NS) < now {
                    self.producers[at].cut(&mut self.tools, link, "no answer within 30 s");
                }
            }
        }
        while let Some(fixed) = self.tools.fixer.next() {
            match fixed {
                Fixed::Dialed(number, link, connection) => {
                    let at = self
                        .producers
                        .iter()
                        .position(|one| one.number as usize == number);
                    let Some(at) = at else { continue };
                    let (one, tools) = (&mut self.producers[at], &mut self.tools);
                    match connection {
                        Some(connection) => {
                            one.links[link].connection = Some(connection);
                            self.watch(at, link)?;
                            let (one, tools) = (&mut self.producers[at], &mut self.tools);
                            one.refill(tools, link);
                        }
                        None if one.needs(link) => {
                            let address = one.links[link].address.clone();
                            tools.fixer.ask(Ask::Dial(number, link, address));
                        }
                        None => {}
                    }
                }
                Fixed::Looked(Some(homes)) => {
                    for one in &mut self.producers {
                        one.moved(&mut self.tools, &homes);
                    }
                }
                Fixed::Looked(None) => self.tools.fixer.ask(Ask::Look),
            }
        }
        Ok(())
    }
}
