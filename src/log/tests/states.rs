//! Drives: every moment of generated lives as the one at which the machine stops, and some of
//! the states that its disk may be in then; each is started from, twice.
//!
//! `CRASH_STATES` says how many states (20,000 if unset), `CRASH_SEED` from which seed on, and
//! `CRASH_STATE` which one of that seed alone.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use super::finding::{ROOT, find_all};
use super::story::{Topic, Wrong};
use super::work::{live, topics};
use crate::io::buffer::BLOCK_BYTES;
use crate::io::disk::Disk;
use crate::io::sim::{Data, End, Fault, History, Left, Names, Random, Rest, SimDisk, World};
use crate::log::journal::Front;
use crate::log::mutant::{Mutant, plant};

/// Starts of the machine in one chain, each from a state that the one before might have left.
const LIVES: u64 = 4;
/// All ends at one moment are tried in one of so many chains, in the others one at random: more
/// lives find more than more ends of the same one.
const WHOLE_CHAINS: u64 = 16;

/// A planted bug must be found within so many states.
const BUG_STATES: usize = 20_000;

/// A state from which a start went wrong.
#[derive(Debug)]
pub struct Failure {
    seed: u64,
    state: usize,
    wrong: Wrong,
}

/// What is to be tried of a chain.
#[derive(Clone, Copy)]
struct Plan {
    seed: u64,
    /// At most so many states.
    states: usize,
    /// Only this one.
    only: Option<usize>,
    bug: Option<Bug>,
}

/// What is made wrong on purpose.
#[derive(Clone, Copy, Debug)]
enum Bug {
    /// In the device, or in the use that is made of it: what is left out has no effect.
    Lie(Fault),
    /// In the log.
    Mutant(Mutant),
}

/// A chain of lives; returns how many states were tried.
fn chain(plan: Plan) -> Result<usize, Failure> {
    let mut random = Random::new(plan.seed);
    let topics = Rc::new(topics());
    let mut left = None;
    let mut ended = (0, End::Cut(Data::None, Names::None, Rest::None));
    let mut state = 0;
    for life in 0..LIVES {
        let world = match left.take() {
            Some(left) => World::on(random.next(), left),
            None => World::new(random.next()),
        };
        let sim = world.disk().clone();
        plan.plant(&sim);
        sim.record();
        let actions = 8 + random.below(30);
        let work = live(sim, Rc::clone(&topics), ended, actions, random.next());
        let lived = catch_unwind(AssertUnwindSafe(|| world.run(work)));
        let lived = lived.unwrap_or_else(|_| Err("a panic".to_owned()));
        lived.map_err(|wrong| plan.failure(state, format!("life {life}: {wrong}")))?;
        let history = world.disk().history().expect("it was recorded");
        drop(world);
        let all = Enumerated {
            plan,
            history: &history,
            topics: &topics,
        };
        state = all.try_all(life, state)?;
        if state >= plan.states {
            break;
        }
        (ended, left) = all.one_of_them(&mut random);
    }
    Ok(state)
}

/// The states of one life.
struct Enumerated<'a> {
    plan: Plan,
    history: &'a History,
    topics: &'a Rc<Vec<Topic>>,
}

impl Enumerated<'_> {
    /// Tries them, numbered from `state` on; returns the next number.
    fn try_all(&self, life: u64, mut state: usize) -> Result<usize, Failure> {
        let plan = self.plan;
        let mut moment = self.history.begin();
        let mut random = Random::new(plan.seed ^ (life + 1) << 40);
        while moment.pass() {
            let mut ends = moment.ends(&mut random);
            if !plan.seed.is_multiple_of(WHOLE_CHAINS) {
                ends = vec![ends[random.below(ends.len())]];
            }
            for end in ends {
                if plan.only.is_none_or(|only| only == state) {
                    let mut random = Random::new(plan.seed << 24 ^ state as u64);
                    let left = moment.left(end, &mut random);
                    let tried = || self.start_from(left, moment.at(), end, &mut random);
                    let tried = catch_unwind(AssertUnwindSafe(tried));
                    let tried = tried.unwrap_or_else(|_| Err("a panic".to_owned()));
                    tried.map_err(|wrong| {
                        let at = format!("life {life}, event {}, {end:?}", moment.at());
                        plan.failure(state, format!("{at}: {wrong}"))
                    })?;
                }
                state += 1;
                if state >= plan.states {
                    return Ok(state);
                }
            }
        }
        Ok(state)
    }

    /// Starts from a state, perhaps interrupted once, checks what is found, and starts again.
    fn start_from(
        &self,
        left: Left,
        moment: usize,
        mut end: End,
        random: &mut Random,
    ) -> Result<(), Wrong> {
        let mut world = World::on(random.next(), left);
        self.plan.plant(world.disk());
        if random.one_in(4) {
            damage_a_front(world.disk(), random);
        }
        let find = |world: &World| {
            find_all(
                Disk::simulated(world.disk().clone()),
                Rc::clone(self.topics),
            )
        };
        if random.one_in(3) {
            let steps = 1 << random.below(9);
            if let Some(Err(wrong)) = world.run_for(steps, find(&world)) {
                return Err(wrong);
            }
            if random.one_in(4) {
                world = world.kill(random.next());
            } else {
                world = world.crash(random.next());
                end = End::Cut(Data::Torn, Names::Some, Rest::Some);
            }
            self.plan.plant(world.disk());
        }
        let first = world.run(find(&world))?;
        for (topic, found) in self.topics.iter().zip(&first) {
            topic.check(moment, end, found)?;
        }
        world = world.crash(random.next());
        self.plan.plant(world.disk());
        let second = world
            .run(find(&world))
            .map_err(|wrong| format!("second start: {wrong}"))?;
        for (first, second) in first.iter().zip(&second) {
            let (mut first, second) = (first.0.clone(), &second.0);
            first.cut = None;
            if first != *second {
                return Err(format!("found {first:?} and then {second:?}"));
            }
        }
        Ok(())
    }

    /// A state at a moment of its own choice, for the next life to begin with.
    fn one_of_them(&self, random: &mut Random) -> ((usize, End), Option<Left>) {
        let until = random.below(self.history.len()) + 1;
        let mut moment = self.history.begin();
        while moment.pass() && moment.at() < until {}
        let ends = moment.ends(random);
        let end = ends[random.below(ends.len())];
        ((moment.at(), end), Some(moment.left(end, random)))
    }
}

impl Plan {
    fn plant(&self, disk: &SimDisk) {
        match self.bug {
            Some(Bug::Lie(fault)) => disk.inject(fault),
            Some(Bug::Mutant(mutant)) => plant(Some(mutant)),
            None => {}
        }
    }

    fn failure(&self, state: usize, wrong: Wrong) -> Failure {
        Failure {
            seed: self.seed,
            state,
            wrong,
        }
    }
}

/// Takes one of the two front blocks of the journal away where both are whole: the other one has to
/// be enough at any moment.
fn damage_a_front(disk: &SimDisk, random: &mut Random) {
    let path = Path::new(ROOT).join("corelane-journal");
    let Some(content) = disk.content(&path) else {
        return;
    };
    let mut fronts = content.chunks(BLOCK_BYTES).take(2);
    if content.len() > 2 * BLOCK_BYTES && fronts.all(|block| Front::in_block(block).is_some()) {
        let at = random.below(2) * BLOCK_BYTES;
        disk.damage(&path, |bytes| bytes[at..at + BLOCK_BYTES].fill(0));
    }
}

/// Past the capture of the test's output: a long run is watched.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_crash_state_is_started_from() {
    let wanted = number("CRASH_STATES").unwrap_or(20_000);
    let only = number("CRASH_STATE");
    let mut seed = number("CRASH_SEED").unwrap_or(1) as u64;
    let (mut tried, mut chains) = (0, 0);
    while tried < wanted {
        let plan = Plan {
            seed,
            states: only.map_or(wanted - tried, |only| only + 1),
            only,
            bug: None,
        };
        match chain(plan) {
            Ok(states) => {
                let hundred_thousands = tried / 100_000;
                tried += states;
                if tried / 100_000 > hundred_thousands {
                    say(&format!("{tried} states so far"));
                }
            }
            Err(Failure { seed, state, wrong }) => {
                panic!("with CRASH_SEED={seed} CRASH_STATE={state}: {wrong}")
            }
        }
        seed += 1;
        chains += 1;
        if only.is_some() {
            break;
        }
    }
    say(&format!("{tried} states of {chains} chains of lives"));
}

/// In which state a planted bug is found.
fn found_in(bug: Bug) -> Option<usize> {
    let mut tried = 0;
    let mut found = None;
    for seed in 1.. {
        let plan = Plan {
            seed,
            states: BUG_STATES - tried,
            only: None,
            bug: Some(bug),
        };
        match chain(plan) {
            Ok(states) => tried += states,
            Err(failure) => found = Some((tried + failure.state, failure.wrong)),
        }
        if found.is_some() || tried >= BUG_STATES {
            break;
        }
    }
    plant(None);
    if let Some((state, wrong)) = &found {
        let wrong: String = wrong.chars().take(150).collect();
        say(&format!("{bug:?}: found in state {state}: {wrong}"));
    }
    found.map(|(state, _)| state)
}

#[test]
fn planted_bugs_are_found() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let lies = [
        Fault::SilentFlush,
        Fault::SilentSyncDir,
        Fault::SilentContent,
        Fault::SilentPrepare,
        Fault::SilentTruncate,
        Fault::SilentSyncAll,
    ];
    let mutants = [
        Mutant::VoidForgotten,
        Mutant::CutKeepsEpochs,
        Mutant::CutStillFlushed,
        Mutant::CutInJournalForgotten,
        Mutant::AckBeforeFlush,
        Mutant::TrailerTooLarge,
        Mutant::NoCrc,
        Mutant::RecoveryPointTooLarge,
        Mutant::StaleSnapshot,
        Mutant::NoCut,
        Mutant::SwapBeforeFlush,
        Mutant::OlderFileForgotten,
        Mutant::EntryBeforeFlush,
        Mutant::TornEntryTaken,
        Mutant::GivenBackEarly,
        Mutant::CutForgotten,
        Mutant::OneFront,
    ];
    let bugs = lies
        .map(Bug::Lie)
        .into_iter()
        .chain(mutants.map(Bug::Mutant));
    let missed: Vec<Bug> = bugs.filter(|bug| found_in(*bug).is_none()).collect();
    std::panic::set_hook(quiet);
    assert!(missed.is_empty(), "not found: {missed:?}");
}
