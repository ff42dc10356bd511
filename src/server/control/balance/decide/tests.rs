//! Pure: stories and random walks of the balancer on a model of shards under load.

use super::*;
use crate::base::ids::Uuid;
use crate::metadata::image::Delta;
use crate::metadata::record;
use crate::shard::load::Work;

/// The length of a look.
const PERIOD: Duration = Duration::from_secs(10);

/// Random numbers that follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.share() * end as f64) as usize
    }
}

/// A partition of the model.
struct Part {
    key: Key,
    topic: &'static str,
    shard: usize,
    /// What it wants of a core.
    cost: f64,
}

/// Shards under load.
struct Model {
    parts: Vec<Part>,
    /// What each shard does beside its partitions, as a share of its core.
    beside: Vec<f64>,
    /// The most by which a share is off in one look.
    noise: f64,
    dice: Dice,
    busy: Vec<Duration>,
    at: Instant,
    balancer: Balancer,
    /// Made anew after a partition has changed its shard.
    image: Option<Image>,
    /// The look and the partition of each move, and where it came from.
    moves: Vec<(u64, Key, usize)>,
}

fn node(shard: usize) -> NodeId {
    NodeId(shard as i32 + 1)
}

impl Model {
    /// So many shards; each partition has a topic of its own.
    fn new(shards: usize, parts: &[(usize, f64)], seed: u64) -> Model {
        let part = |(at, (shard, cost)): (usize, &(usize, f64))| Part {
            key: (TopicId(Uuid::from_u128(at as u128 + 1)), 0),
            topic: "t",
            shard: *shard,
            cost: *cost,
        };
        Model {
            parts: parts.iter().enumerate().map(part).collect(),
            beside: vec![0.0; shards],
            noise: 0.0,
            dice: Dice(seed),
            busy: vec![Duration::ZERO; shards],
            at: Instant(1),
            balancer: Balancer::default(),
            image: None,
            moves: Vec::new(),
        }
    }

    fn image(&self) -> Image {
        let empty = Image::empty("c");
        let mut delta = Delta::new(&empty);
        for shard in 0..self.beside.len() {
            let registered = record::RegisterBroker {
                broker_id: node(shard),
                is_migrating_zk_broker: false,
                incarnation_id: Uuid::from_u128(7),
                broker_epoch: shard as i64,
                end_points: Vec::new(),
                features: Vec::new(),
                rack: None,
                fenced: false,
                in_controlled_shutdown: false,
                log_dirs: Vec::new(),
                cordoned_log_dirs: None,
            };
            delta.replay(&registered.into()).unwrap();
        }
        for (at, part) in self.parts.iter().enumerate() {
            let name = match part.topic {
                "t" => format!("t{at}"),
                other => other.to_owned(),
            };
            let topic_id = part.key.0;
            let topic = record::Topic { name, topic_id };
            delta.replay(&topic.into()).unwrap();
            let partition = record::Partition {
                partition_id: 0,
                topic_id,
                replicas: vec![node(part.shard)],
                isr: vec![node(part.shard)],
                removing_replicas: Vec::new(),
                adding_replicas: Vec::new(),
                leader: node(part.shard),
                leader_epoch: 0,
                partition_epoch: 0,
                directories: Vec::new(),
                leader_recovery_state: 0,
                eligible_leader_replicas: None,
                last_known_elr: None,
            };
            delta.replay(&partition.into()).unwrap();
        }
        delta.apply(1)
    }

    /// What a shard is asked to do, as a share of its core: may be more than one.
    fn wanted(&self, shard: usize) -> f64 {
        let here = self.parts.iter().filter(|part| part.shard == shard);
        self.beside[shard] + here.map(|part| part.cost).sum::<f64>()
    }

    fn all_wanted(&self) -> Vec<f64> {
        let shards = 0..self.beside.len();
        shards.map(|shard| self.wanted(shard)).collect()
    }

    /// What the shards say after one more period.
    fn loads(&mut self) -> Vec<Load> {
        self.at = self.at.after(PERIOD);
        let mut loads = Vec::new();
        for shard in 0..self.beside.len() {
            let noise = self.noise * (2.0 * self.dice.share() - 1.0);
            let share = (self.wanted(shard) + noise).clamp(0.0, 1.0);
            self.busy[shard] += PERIOD.mul_f64(share);
            let here = self.parts.iter().filter(|part| part.shard == shard);
            let mut partitions: Vec<Work> = here
                .map(|part| Work {
                    work: (part.cost * 1e9) as u64,
                    topic_id: part.key.0,
                    index: 0,
                })
                .collect();
            let work = partitions.iter().map(|one| one.work).sum();
            partitions.sort_by(|a, b| b.cmp(a));
            partitions.truncate(32);
            loads.push(Load {
                busy: self.busy[shard],
                at: self.at,
                work,
                partitions,
            });
        }
        loads
    }

    /// One look; a partition that is to go goes at once.
    fn look(&mut self) -> Verdict {
        let loads = self.loads();
        let image = self.image.take().unwrap_or_else(|| self.image());
        let verdict = self.balancer.look(&loads, &image);
        self.image = Some(image);
        if let Verdict::Moves(wanted) = verdict {
            let part = self.parts.iter_mut().find(|it| it.key == wanted.key);
            let part = part.unwrap();
            assert_eq!(node(part.shard), wanted.from);
            self.moves.push((self.balancer.now, part.key, part.shard));
            part.shard = wanted.to.0 as usize - 1;
            self.image = None;
        }
        verdict
    }

    /// So many looks; how many partitions have gone.
    fn looks(&mut self, count: usize) -> usize {
        let before = self.moves.len();
        for _ in 0..count {
            self.look();
        }
        self.moves.len() - before
    }

    /// What holds whatever the load is: moves are seldom, and a partition that has gone stays.
    fn check_pace(&self, name: &str) {
        for pair in self.moves.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(apart > LOOKS as u64, "{name}: {pair:?}");
        }
        let mut last = BTreeMap::new();
        for (at, key, _) in &self.moves {
            if let Some(before) = last.insert(key, *at) {
                assert!(at - before >= STAYS, "{name}: {key:?} at {before} and {at}");
            }
        }
    }

    /// Whether some partition could go from a shard to one that is less busy, for the better.
    fn could_be_better(&self, apart: f64) -> bool {
        let busy = self.all_wanted();
        let least = busy.iter().copied().fold(f64::MAX, f64::min);
        self.parts.iter().any(|part| {
            let apart_by = busy[part.shard].min(1.0) - least;
            part.cost > COST_MIN && apart_by > apart && part.cost <= apart_by / 2.0
        })
    }
}

fn random_parts(dice: &mut Dice, shards: usize) -> Vec<(usize, f64)> {
    let count = 1 + dice.below(60);
    let skew = 1 + dice.below(shards);
    let most = dice.share();
    let part = |_| {
        // A few are much, most are little.
        let cost = most * dice.share().powi(4);
        (dice.below(skew), cost)
    };
    (0..count).map(part).collect()
}

#[test]
fn load_becomes_even_and_then_nothing_moves() {
    let (mut moved, mut uneven) = (0, 0);
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let shards = 2 + dice.below(7);
        let parts = random_parts(&mut dice, shards);
        let mut model = Model::new(shards, &parts, seed);
        model.noise = if seed % 2 == 0 { 0.0 } else { 0.02 };
        for shard in 0..shards {
            model.beside[shard] = 0.05 * dice.share();
        }
        uneven += usize::from(model.could_be_better(APART));
        model.looks(400);
        let late = model.looks(200);
        // With noise a difference that is just below the bound may seem to be above it for once.
        let most = usize::from(model.noise > 0.0);
        assert!(late <= most, "seed {seed}: {:?}", model.moves);
        model.check_pace(&format!("seed {seed}"));
        // What costs the shard beside its partitions is taken for theirs: allow for that.
        let bound = APART + 2.0 * model.noise + 0.1;
        let busy = model.all_wanted();
        assert!(!model.could_be_better(bound), "seed {seed}: {busy:?}");
        moved += model.moves.len();
    }
    assert!(uneven > 50 && moved > uneven, "{moved} moves of {uneven}");
}

#[test]
fn each_move_makes_known_loads_more_even() {
    for seed in 0..100 {
        let mut dice = Dice(seed);
        let parts = random_parts(&mut dice, 4);
        let mut model = Model::new(4, &parts, seed);
        let all: f64 = model.all_wanted().iter().sum();
        // No core is asked for more than it can do.
        for part in &mut model.parts {
            part.cost /= all.max(1.0);
        }
        for _ in 0..300 {
            let before = unevenness(&model.all_wanted());
            if let Verdict::Moves(wanted) = model.look() {
                let after = unevenness(&model.all_wanted());
                assert!(after < before, "seed {seed}: {wanted:?}");
            }
        }
    }
}

#[test]
fn the_pace_holds_under_any_load() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let parts = random_parts(&mut dice, 3);
        let mut model = Model::new(3, &parts, seed);
        model.noise = 0.3;
        for _ in 0..60 {
            // Load comes and goes as if to lure partitions to and fro.
            for part in &mut model.parts {
                part.cost = dice.share().powi(5);
            }
            model.beside = (0..3).map(|_| 0.5 * dice.share()).collect();
            for _ in 0..dice.below(30) {
                match dice.below(12) {
                    0 => drop(model.balancer.hindered()),
                    _ => drop(model.look()),
                }
            }
        }
        model.check_pace(&format!("seed {seed}"));
    }
}

#[test]
fn even_loads_and_one_shard_are_left_alone() {
    let mut alone = Model::new(1, &[(0, 0.5), (0, 0.4)], 1);
    assert_eq!(alone.looks(100), 0);
    assert_eq!(alone.look(), Verdict::Even);
    for seed in 0..50 {
        let parts = [(0, 0.3), (0, 0.2), (1, 0.2), (1, 0.16), (2, 0.5)];
        let mut even = Model::new(3, &parts, seed);
        even.noise = 0.02;
        assert_eq!(even.looks(200), 0);
        assert_eq!(even.look(), Verdict::Even);
    }
    // A difference that does not last is none.
    let mut short = Model::new(2, &[(0, 0.05), (0, 0.05)], 1);
    for round in 0..200 {
        let cost = if round % LOOKS == 0 { 0.05 } else { 0.4 };
        short.parts.iter_mut().for_each(|part| part.cost = cost);
        assert_eq!(short.look(), {
            let known = round >= LOOKS;
            if known {
                Verdict::Even
            } else {
                Verdict::Measuring
            }
        });
    }
}

#[test]
fn a_partition_that_would_only_make_the_other_shard_hot_stays() {
    let mut hot = Model::new(2, &[(0, 0.6)], 1);
    assert_eq!(hot.looks(100), 0);
    assert_eq!(hot.look(), Verdict::NoneFits);
    // What is beside it makes room.
    let mut beside = Model::new(2, &[(0, 0.6), (0, 0.05), (0, 0.1)], 1);
    assert_eq!(beside.looks(100), 2);
    let places: Vec<usize> = beside.parts.iter().map(|part| part.shard).collect();
    assert_eq!(places, [0, 1, 1]);
    assert_eq!(beside.look(), Verdict::NoneFits);
}

#[test]
fn the_partition_that_fits_best_goes_and_the_verdict_says_why() {
    let parts = [(0, 0.3), (0, 0.2), (0, 0.15), (0, 0.005), (1, 0.1)];
    let mut model = Model::new(2, &parts, 1);
    // The first look has none to be compared with.
    for _ in 0..LOOKS {
        assert_eq!(model.look(), Verdict::Measuring);
    }
    let Verdict::Moves(wanted) = model.look() else {
        panic!("it is time");
    };
    assert_eq!(wanted.key, model.parts[0].key);
    assert_eq!((wanted.from, wanted.to), (node(0), node(1)));
    let near = |share: f64, to: f64| (share - to).abs() < 1e-6;
    assert!(near(wanted.from_busy, 0.655) && near(wanted.to_busy, 0.1));
    assert!(near(wanted.cost, 0.3));
    assert_eq!(model.looks(100), 0, "0.355 and 0.4");
    assert!(near(model.balancer.apart(), 0.045));
}

#[test]
fn moves_that_do_not_help_become_seldom() {
    // The core is busy with something else: the partitions look as if they were it.
    let parts: Vec<(usize, f64)> = (0..40).map(|_| (0, 0.002)).collect();
    let mut model = Model::new(2, &parts, 1);
    model.beside[0] = 0.7;
    model.noise = 0.01;
    // Some 2 hours 50 minutes, in which there would be time for 250 moves.
    let first = model.looks(40);
    assert!((1..=8).contains(&first), "{first} moves");
    assert_eq!(model.look(), Verdict::Resting);
    let all = first + model.looks(960);
    assert!(all <= 30, "{all} moves");
}

#[test]
fn what_the_broker_writes_what_has_come_and_what_goes_stays() {
    let mut model = Model::new(2, &[(0, 0.3), (0, 0.3)], 1);
    model.parts[0].topic = "__consumer_offsets";
    let key = model.parts[1].key;
    model.balancer.has_moved(key);
    assert_eq!(model.looks(STAYS as usize - 1), 0);
    assert_eq!(model.look().name(), "measuring");
    assert_eq!(model.moves, [(STAYS, key, 0)]);
    // What was seen before something was in the way counts no more.
    let mut model = Model::new(2, &[(0, 0.3), (0, 0.3)], 1);
    assert_eq!(model.looks(LOOKS), 0);
    assert_eq!(model.balancer.hindered(), Verdict::Hindered);
    assert_eq!(model.balancer.apart(), 0.0);
    assert_eq!(model.looks(LOOKS), 0);
    assert_eq!(model.looks(1), 1);
}
