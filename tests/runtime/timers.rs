//! Timers: they fire in their order, never early, are not held up by tasks that are always ready,
//! and each sleep has one.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use corelane::io::cores;
use corelane_testing::seed;
use fastrand::Rng;

use crate::run;

#[test]
fn timers_fire_in_order_and_never_early() {
    run(Duration::ZERO, || async {
        let mut random = Rng::with_seed(seed(11));
        let fired = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let length = Duration::from_micros(random.u64(1..150_000));
                let fired = fired.clone();
                cores::spawn(async move {
                    let begun = Instant::now();
                    cores::sleep(length).await;
                    fired.set(fired.get() + 1);
                    (length, begun.elapsed(), fired.get())
                })
            })
            .collect();
        let mut lengths = Vec::new();
        for task in tasks {
            lengths.push(task.join().await);
        }
        lengths.sort();
        for (length, took, _) in &lengths {
            assert!(took >= length, "{took:?} for {length:?}");
        }
        // Timers a few milliseconds apart keep their order; closer ones may be looked at together.
        for pair in lengths.windows(2) {
            let ((short, _, first), (long, _, second)) = (pair[0], pair[1]);
            if long - short > Duration::from_millis(5) {
                assert!(first < second, "{short:?} fired after {long:?}");
            }
        }
    });
}

#[test]
fn a_sleep_that_is_polled_again_keeps_one_timer_and_wakes_who_polled_last() {
    /// Counts how often it is woken.
    #[derive(Default)]
    struct Counting(AtomicU64);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    run(Duration::ZERO, || async {
        let wakers = [Arc::new(Counting::default()), Arc::new(Counting::default())];
        let mut sleep = pin!(cores::sleep(Duration::from_millis(50)));
        for waker in &wakers {
            let waker = Waker::from(waker.clone());
            for _ in 0..1_000 {
                let polled = sleep.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
            }
        }
        // Each timer holds a waker, and so keeps its task in memory: here, and in the timer.
        assert_eq!(wakers.each_ref().map(Arc::strong_count), [1, 2]);
        cores::sleep(Duration::from_millis(100)).await;
        let woken = wakers
            .each_ref()
            .map(|waker| waker.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
        sleep.await;
    });
}

#[test]
fn a_task_that_yields_in_time_keeps_no_timer_waiting() {
    let late = run(Duration::ZERO, || async {
        let is_over = Rc::new(Cell::new(false));
        let busy = {
            let is_over = is_over.clone();
            cores::spawn(async move {
                // Always ready: only preemption lets the executor look at its timers.
                while !is_over.get() {
                    cores::yield_now().await;
                }
            })
        };
        let begun = Instant::now();
        for _ in 0..50 {
            cores::sleep(Duration::from_millis(1)).await;
        }
        let late = begun.elapsed();
        is_over.set(true);
        busy.join().await;
        late
    });
    assert!(late < Duration::from_secs(5), "{late:?} for 50 ms");
}
