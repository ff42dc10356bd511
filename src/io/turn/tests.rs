//! Drives: turns and steps on a real executor.

use std::rc::Rc;
use std::task::Waker;

use super::*;
use crate::io::cores::{self, CoreOptions};
use crate::io::sim::World;

const HEAVY: Work = Work(1);
const LIGHT: Work = Work(2);

fn run<F: Future<Output = ()> + 'static>(main: impl FnOnce() -> F + Send + 'static) {
    let options = CoreOptions {
        name: "turns".into(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 64 << 10,
    };
    cores::start(options, main).unwrap().join().unwrap();
}

fn work_for(length: Duration) {
    let begun = now();
    while now().since(begun) < length {}
}

#[test]
fn jobs_are_told_apart_by_name() {
    let (a, b) = (Work::job("a"), Work::job("b"));
    assert!(a != b && a == Work::job("a"));
    let names: Vec<_> = of_jobs().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn outside_of_measured_tasks_nothing_waits() {
    assert!(!is_due());
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(pin!(give_way()).poll(&mut cx).is_ready());
}

#[test]
fn paced_work_has_short_turns_and_light_work_passes_between_any_two_steps() {
    run(|| async {
        let steps = Rc::new(Cell::new(0));
        let heavy = |steps: Rc<Cell<u32>>| async move {
            for _ in 0..400 {
                work_for(STEP / 4);
                steps.set(steps.get() + u32::from(is_due()));
                pace().await;
            }
        };
        let tasks: Vec<_> = (0..20)
            .map(|_| cores::spawn(measured(HEAVY, heavy(steps.clone()))))
            .collect();
        // All twenty begin at once.
        cores::next_round().await;
        // One that is ready again and again gets a turn after each step of the twenty.
        let (mut worst, mut rounds) = (0, 0);
        while steps.get() < 1_000 {
            let before = steps.get();
            let light = measured(LIGHT, cores::next_round());
            cores::spawn(light).join().await;
            worst = worst.max(steps.get() - before);
            rounds += 1;
        }
        for task in tasks {
            task.join().await;
        }
        assert!(rounds > 300, "{rounds} rounds beside 1000 steps");
        assert!(worst <= 4, "{worst} steps in one round");
        // A busy machine may take the thread away in the middle of a step.
        let longest = of(HEAVY).longest_us;
        assert!((200..200_000).contains(&longest), "{longest} us");
    });
}

/// How often this thread has slept.
fn sleeps() -> u32 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = |line: &str| {
        line.strip_prefix("voluntary_ctxt_switches:")
            .map(str::to_owned)
    };
    let count = status.lines().find_map(line).unwrap();
    count.trim().parse().unwrap()
}

#[test]
fn long_work_lets_its_thread_sleep_after_every_second_step() {
    run(|| async {
        let steps = 60;
        let heavy = measured(HEAVY, async move {
            let before = sleeps();
            for _ in 0..steps {
                work_for(STEP);
                pace().await;
            }
            sleeps() - before
        });
        let slept = cores::spawn(heavy).join().await;
        // A rest has no sleep when the machine was busy elsewhere until it was over.
        let rests = steps / queue::STEPS_UNTIL_REST;
        println!("{slept} sleeps in {rests} rests");
        assert!(slept >= rests / 4, "{slept} sleeps in {rests} rests");
    });
}

#[test]
fn in_a_simulated_world_steps_depend_on_nothing_that_ran_before_on_the_thread() {
    let fingerprint = || {
        let world = World::new(7);
        let runtime = world.runtime();
        world.run(async move {
            let steps = || async {
                // An odd number, so that the next world begins in the middle of a pair of steps.
                for _ in 0..3 {
                    give_way().await;
                }
            };
            let tasks = [(); 3].map(|()| runtime.spawn(measured(HEAVY, steps())));
            for task in tasks {
                task.join().await;
            }
        });
        world.fingerprint()
    };
    let first = fingerprint();
    assert!((0..3).all(|_| fingerprint() == first));
}

#[test]
fn a_task_that_spawns_another_goes_on_with_its_own_turn() {
    run(|| async {
        let spawning = cores::spawn(measured(HEAVY, async {
            cores::spawn(measured(LIGHT, async {}));
            work_for(STEP);
            assert!(is_due(), "the turn goes on");
        }));
        spawning.join().await;
        let since_start_of_host = 60_000_000;
        assert!(of(HEAVY).longest_us < since_start_of_host);
    });
}

#[test]
fn the_begin_of_a_turn_is_known_without_a_look_at_the_clock() {
    assert!(now().since(began()) < Duration::from_secs(1));
    run(|| async {
        let turn = measured(LIGHT, async {
            let before = began();
            work_for(STEP);
            assert_eq!(began(), before);
            cores::next_round().await;
            assert!(began().since(before) >= STEP);
        });
        cores::spawn(turn).join().await;
    });
}

#[test]
fn a_task_that_leaves_the_queue_blocks_none_behind() {
    run(|| async {
        let waits = || cores::spawn(measured(HEAVY, give_way()));
        let (first, second, third) = (waits(), waits(), waits());
        first.cancel().await;
        second.cancel().await;
        third.join().await;
        assert!(queue::is_empty());
        assert!(!BOOK.with(|book| book.has_waiting.get()));
    });
}

#[test]
fn turns_are_known_by_what_they_were_spent_on_last_and_drops_count() {
    run(|| async {
        struct Slow;
        impl Drop for Slow {
            fn drop(&mut self) {
                work_for(LONG);
            }
        }
        let task = cores::spawn(measured(LIGHT, async {
            let _slow = Slow;
            spent_on(HEAVY);
            std::future::pending::<()>().await;
        }));
        cores::next_round().await;
        task.cancel().await;
        assert!(of(LIGHT) == Turns::default() && of(HEAVY).long == 1);
        assert!(of(HEAVY).longest_us >= LONG.as_micros() as u64);
    });
}
