//! The changed runtime (vendor/README.md): no wake-up is lost, timers and preemption work
//! without timers of the kernel, what is cancelled gives back what it holds, and a turn costs one
//! system call at most.
//!
//! Schedules are drawn from `CORELANE_SEED` (a number; a fixed one by default), which is printed.

mod timers;

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use corelane::io::cores::{self, CoreOptions};
use corelane::io::listener::{self, Listener, SocketOptions};
use corelane_testing::seed;
use fastrand::Rng;
use futures_channel::{mpsc as tasks, oneshot};
use futures_util::StreamExt;

/// A test that has not ended by then has lost a wake-up.
const PATIENCE: Duration = Duration::from_secs(100);

fn options(name: &str, spin: Duration) -> CoreOptions {
    CoreOptions {
        name: name.to_owned(),
        cpu: None,
        spin,
        io_memory_bytes: 1 << 20,
    }
}

/// Listens on a free port; to be called on an executor.
fn listen() -> (SocketAddr, Listener) {
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let bound = listener::bind(address, SocketOptions::default()).unwrap();
    (bound.address(), bound.listen())
}

/// Runs `main` on an executor of its own and panics when it does not end in time.
fn run<T: Send + 'static, F: Future<Output = T> + 'static>(
    spin: Duration,
    main: impl FnOnce() -> F + Send + 'static,
) -> T {
    let core = cores::start(options("runtime", spin), main).unwrap();
    let (ended, wait) = mpsc::channel();
    thread::spawn(move || ended.send(core.join()));
    match wait.recv_timeout(PATIENCE) {
        Ok(outcome) => outcome.unwrap(),
        Err(_) => panic!("the executor sleeps with work to do"),
    }
}

/// A pause of any length that may matter for a race: none, some turns of a loop, or a sleep.
fn dawdle(random: &mut Rng) {
    match random.u64(0..8) {
        0..4 => {}
        4..7 => {
            for _ in 0..random.u64(0..2_000) {
                std::hint::spin_loop();
            }
        }
        _ => thread::sleep(Duration::from_micros(random.u64(0..80))),
    }
}

/// Three executors and a plain thread hand a number around. Each of them sleeps when it has
/// handed it on, so that each hand-over races with the next one's falling asleep.
fn hand_around(spin: Duration, rounds: u64) {
    let seed = seed(11);
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (sender, receiver) = tasks::unbounded::<u64>();
        senders.push(sender);
        receivers.push(receiver);
    }
    let (home, back) = mpsc::channel();
    let mut next: Vec<Option<tasks::UnboundedSender<u64>>> =
        senders[1..].iter().cloned().map(Some).collect();
    next.push(None);
    let executors: Vec<_> = receivers
        .into_iter()
        .zip(next)
        .enumerate()
        .map(|(number, (mut receiver, next))| {
            let home = home.clone();
            cores::start(options("relay", spin), move || async move {
                let mut random = Rng::with_seed(seed + number as u64);
                while let Some(token) = receiver.next().await {
                    dawdle(&mut random);
                    match &next {
                        Some(next) => next.unbounded_send(token).unwrap(),
                        None => home.send(token).unwrap(),
                    }
                }
            })
            .unwrap()
        })
        .collect();
    let mut random = Rng::with_seed(seed ^ 0xabcd);
    let first = senders.remove(0);
    for round in 0..rounds {
        dawdle(&mut random);
        first.unbounded_send(round).unwrap();
        let got = back.recv_timeout(PATIENCE);
        assert_eq!(got, Ok(round), "a wake-up was lost in round {round}");
    }
    drop((first, senders));
    for executor in executors {
        executor.join().unwrap();
    }
}

#[test]
fn no_wake_up_from_another_thread_is_lost_in_falling_asleep() {
    hand_around(Duration::ZERO, 20_000);
}

#[test]
fn no_wake_up_from_another_thread_is_lost_while_spinning() {
    hand_around(Duration::from_micros(30), 5_000);
}

#[test]
fn every_blocking_call_returns_beside_tasks_that_are_preempted() {
    run(Duration::ZERO, || async {
        let is_over = Rc::new(Cell::new(false));
        let busy = {
            let is_over = is_over.clone();
            cores::spawn(async move {
                let mut random = Rng::with_seed(seed(11));
                while !is_over.get() {
                    // Past the time after which a task is to let others run, now and then.
                    let length = Duration::from_micros(random.u64(0..1_500));
                    let until = Instant::now() + length;
                    while Instant::now() < until {}
                    cores::sleep(Duration::from_micros(random.u64(1..300))).await;
                }
            })
        };
        for number in 0..3_000_u64 {
            assert_eq!(cores::blocking(move || number).await, number);
        }
        is_over.set(true);
        busy.join().await;
    });
}

#[test]
fn executors_start_and_stop_in_a_row() {
    for number in 0..250_u64 {
        let answer = run(Duration::ZERO, move || async move {
            cores::blocking(move || number).await
        });
        assert_eq!(answer, number);
    }
}

#[test]
fn reads_that_are_cancelled_lose_nothing_and_closed_sockets_are_used_again() {
    run(Duration::ZERO, || async {
        let (address, listener) = listen();
        let client = thread::spawn(move || {
            let mut random = Rng::with_seed(seed(11));
            for _ in 0..60 {
                let mut stream = TcpStream::connect(address).unwrap();
                for number in 0..20_u8 {
                    dawdle(&mut random);
                    stream.write_all(&[number]).unwrap();
                }
                let mut answer = [0; 1];
                stream.read_exact(&mut answer).unwrap();
            }
        });
        for _ in 0..60 {
            let stream = listener.accept().await.unwrap();
            let mut got = Vec::new();
            while got.len() < 20 {
                let mut buffer = [0; 4];
                let read = stream.read(&mut buffer);
                // Given up while the kernel has it, and asked for again.
                let count = match first_of(read, cores::sleep(Duration::from_micros(30))).await {
                    Some(count) => count.unwrap(),
                    None => continue,
                };
                got.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(got, (0..20).collect::<Vec<u8>>());
            stream.write_all(&[1]).await.unwrap();
        }
        cores::blocking(move || client.join().unwrap()).await;
    });
}

/// The outcome of `wanted`, or `None` when `limit` ends first, which drops `wanted`.
async fn first_of<T>(
    wanted: impl Future<Output = T>,
    limit: impl Future<Output = ()>,
) -> Option<T> {
    let (mut wanted, mut limit) = (std::pin::pin!(wanted), std::pin::pin!(limit));
    poll_fn(|cx| {
        if let Poll::Ready(value) = wanted.as_mut().poll(cx) {
            return Poll::Ready(Some(value));
        }
        Pin::new(&mut limit).as_mut().poll(cx).map(|()| None)
    })
    .await
}

#[test]
fn an_executor_that_has_nothing_to_do_makes_no_system_call() {
    let enters = run(Duration::ZERO, || async {
        cores::sleep(Duration::from_millis(20)).await;
        let before = cores::ring_enters();
        cores::sleep(Duration::from_millis(500)).await;
        cores::ring_enters() - before
    });
    assert!(enters <= 4, "{enters} for one sleep");
}

#[test]
fn a_request_costs_one_entry_of_the_ring_for_each_of_its_waits() {
    const ROUNDS: u64 = 2_000;
    let enters = run(Duration::ZERO, || async {
        let (address, listener) = listen();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            for _ in 0..ROUNDS {
                stream.write_all(&[1; 100]).unwrap();
                stream.read_exact(&mut [0; 10]).unwrap();
            }
        });
        let stream = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let before = cores::ring_enters();
        for _ in 0..ROUNDS {
            let mut got = 0;
            while got < 100 {
                got += stream.read(&mut buffer).await.unwrap();
            }
            stream.write_all(&[2; 10]).await.unwrap();
        }
        let enters = cores::ring_enters() - before;
        cores::blocking(move || client.join().unwrap()).await;
        enters
    });
    let each = enters as f64 / ROUNDS as f64;
    println!("{each:.2} entries for a request");
    assert!(each < 1.5, "{each:.2} entries of the ring for a request");
}

#[test]
fn answers_across_executors_arrive_under_load() {
    let served = Arc::new(AtomicU64::new(0));
    let (requests, mut arriving) = tasks::unbounded::<(u64, oneshot::Sender<u64>)>();
    let count = served.clone();
    let server = cores::start(options("server", Duration::ZERO), move || async move {
        while let Some((number, answer)) = arriving.next().await {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = answer.send(number + 1);
        }
    })
    .unwrap();
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let requests = requests.clone();
            thread::spawn(move || {
                run(Duration::ZERO, move || async move {
                    let tasks: Vec<_> = (0..20)
                        .map(|_| {
                            let requests = requests.clone();
                            cores::spawn(async move {
                                for number in 0..300 {
                                    let (answer, wait) = oneshot::channel();
                                    requests.unbounded_send((number, answer)).unwrap();
                                    assert_eq!(wait.await, Ok(number + 1));
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.join().await;
                    }
                });
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    drop(requests);
    server.join().unwrap();
    assert_eq!(served.load(Ordering::Relaxed), 2 * 20 * 300);
}

#[test]
fn network_cards_are_polled_for_the_time_that_is_set_and_sockets_work_as_before() {
    run(Duration::ZERO, || async {
        let length = Duration::from_micros(50);
        if let Err(error) = cores::busy_poll_network(length) {
            // Before Linux 6.9 (EINVAL), or where it is left out or forbidden (ENOSYS).
            let refused = [22, 38].map(Some).contains(&error.raw_os_error());
            assert!(refused, "{error}");
            println!("skipped: this kernel cannot poll network cards from io_uring: {error}");
            return;
        }
        let (address, listener) = listen();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            for _ in 0..200 {
                stream.write_all(&[1]).unwrap();
                stream.read_exact(&mut [0; 1]).unwrap();
            }
        });
        let stream = listener.accept().await.unwrap();
        for _ in 0..200 {
            stream.read(&mut [0; 1]).await.unwrap();
            cores::sleep(Duration::from_micros(30)).await;
            stream.write_all(&[2]).await.unwrap();
        }
        cores::blocking(move || client.join().unwrap()).await;
        // It tells what was set before.
        let set_before = |length| cores::busy_poll_network(length).unwrap();
        assert_eq!(set_before(Duration::ZERO), length);
        assert_eq!(set_before(length), Duration::ZERO);
    });
}

#[test]
fn the_time_at_work_only_grows_however_often_it_is_asked_for() {
    let main = || async {
        let mut seen = Vec::new();
        for _ in 0..5 {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(10) {}
            cores::sleep(Duration::from_millis(1)).await;
            seen.extend([cores::busy(), cores::busy()]);
        }
        seen
    };
    let seen = cores::start(options("busy", Duration::ZERO), main);
    let seen = seen.unwrap().join().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen[9] >= Duration::from_millis(50), "{seen:?}");
}
