//! Drives: the process's stop signals, waited for on a thread of their own.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::channel::{Receiver, channel};

/// Blocks SIGTERM, SIGINT and SIGHUP for this thread and all that it starts, and lets writes fail
/// instead of killing the process: to closed sockets, and beyond what a file may be. Call first
/// in `main`.
#[allow(unsafe_code)]
pub fn block_stop_signals() {
    let set = stop_signals();
    // SAFETY: plain libc calls on an initialised set; no other thread runs yet.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Tells of the process's stop signals, from the time on when it is made.
pub struct StopSignals(Receiver<&'static str>);

impl StopSignals {
    /// Waits for them on a thread of its own.
    pub fn listen() -> io::Result<StopSignals> {
        let (heard, signals) = channel();
        let listener = thread::Builder::new().name("signals".to_owned());
        listener.spawn(move || while heard.send(wait_for_stop()).is_ok() {})?;
        Ok(StopSignals(signals))
    }

    /// Waits until the process is asked to stop; returns the signal's name.
    pub async fn next(&mut self) -> &'static str {
        match self.0.next().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

#[allow(unsafe_code)]
fn wait_for_stop() -> &'static str {
    let set = stop_signals();
    let mut signal = 0;
    // SAFETY: the set is initialised and `signal` is ours to be written.
    while unsafe { libc::sigwait(&raw const set, &raw mut signal) } != 0 {}
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGHUP => "SIGHUP",
        _ => "SIGTERM",
    }
}

/// Asks this process to stop, as SIGTERM from outside would.
#[allow(unsafe_code)]
pub fn request_stop() {
    // SAFETY: kill with our own process id has no memory effects.
    unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
}

#[allow(unsafe_code)]
fn stop_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set before anything reads it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
        // The end of the terminal stops it, as it does Kafka, unless it was started with nohup.
        if !is_ignored(libc::SIGHUP) {
            libc::sigaddset(set.as_mut_ptr(), libc::SIGHUP);
        }
        set.assume_init()
    }
}

#[allow(unsafe_code)]
fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with no new action sigaction only fills in the one that is set.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: sigaction has succeeded, so it has filled the struct in.
    asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// Waits for `future` on a thread that runs no executor.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
