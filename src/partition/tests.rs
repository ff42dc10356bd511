//! Drives: transactions in a partition over crashes, kills and clean stops: what readers of
//! committed records are told is what the batches of the log say.
//!
//! `SIM_RUNS` says how many worlds (40 if unset), `SIM_SEED` the first of them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::append::{AppendError, Origin};
use super::mutant::{self, Mutant};
use super::replicas::Term;
use super::{Acks, Isolation, Marker, Name, Partition, PartitionOptions};
use crate::base::config::{Flags, HostFacts, load};
use crate::base::{NodeId, Offset, ProducerId, TopicId};
use crate::io::disk::Disk;
use crate::io::sim::{Random, World};
use crate::log::{Folder, Logs, LogsOptions};
use crate::wire::batch::{BatchBuilder, ControlKind, NewRecord, Records, batches};

const PRODUCERS: i64 = 4;
const NOW: i64 = 1_000;

/// What the batches of a log say of its transactions, found by a walk over all of them.
#[derive(Default, Debug, PartialEq, Eq)]
struct Told {
    /// Where open transactions begin, by producer.
    open: BTreeMap<ProducerId, Offset>,
    /// Producer, first offset and marker of the aborted ones, in the order of their markers.
    aborted: Vec<(ProducerId, Offset, Offset)>,
}

/// What was acked in all lives of a world.
#[derive(Default)]
struct Model {
    acked: Cell<Offset>,
    epochs: Cell<[i16; PRODUCERS as usize]>,
    sequences: Cell<[i32; PRODUCERS as usize]>,
    kept: Cell<usize>,
}

async fn open(folder: &Folder, logs: &Logs) -> Rc<Partition> {
    let broker = load(None, &Flags::default(), &HostFacts::of_cores(1)).unwrap();
    let mut config = broker.topic_config(&BTreeMap::new()).unwrap();
    // Less than a setting may say: segments end often.
    config.segment_bytes = 20_000;
    let mut opening = folder.opening("t", 0);
    opening.replay = true;
    let options = PartitionOptions {
        name: Name {
            topic: "t".into(),
            topic_id: TopicId::ZERO,
            index: 0,
        },
        dir: &folder.path("t", 0),
        opening,
        node: NodeId(1),
        term: Term::alone(NodeId(1), 0),
        shared: Rc::default(),
        config,
        producer_expiration_ms: i64::MAX,
    };
    Partition::open(logs, options, NOW).await.unwrap()
}

async fn told_by_batches(partition: &Partition) -> Told {
    let mut told = Told::default();
    let mut next = 0;
    while next < partition.end_offset() {
        let mut slices = Vec::new();
        let read = partition.read(next, partition.end_offset(), 1 << 20, &mut slices);
        assert!(read.await.unwrap() > 0);
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            next = batch.next_offset();
            if !batch.attributes().is_transactional() {
                continue;
            }
            let (producer, base) = (batch.producer_id(), batch.base_offset());
            if !batch.attributes().is_control() {
                told.open.entry(producer).or_insert(base);
                continue;
            }
            let record = Records::of(&batch).next().unwrap().unwrap();
            let kind = ControlKind::parse_key(record.key.unwrap()).unwrap();
            if let Some(first) = told.open.remove(&producer)
                && kind == ControlKind::Abort
            {
                told.aborted.push((producer, first, base));
            }
        }
    }
    told
}

async fn check(partition: &Partition) -> Result<Told, String> {
    let by_batches = told_by_batches(partition).await;
    let mut told = Told::default();
    partition.log.aborted(0, Offset::MAX, |one| {
        told.aborted
            .push((one.producer_id, one.first_offset, one.last_offset));
    });
    let producers = partition.producers();
    let open = producers.iter();
    let open = open.filter_map(|(id, it)| Some((id, it.transaction_start()?)));
    told.open = open.collect();
    drop(producers);
    if told != by_batches {
        return Err(format!("told {told:?}, the batches say {by_batches:?}"));
    }
    let first_open = by_batches.open.values().min().copied();
    let state = *partition.state.borrow();
    let committed = state.high_watermark();
    let stable = state.readable_offset(Isolation::ReadCommitted);
    if committed == partition.end_offset() && stable != first_open.unwrap_or(committed) {
        return Err(format!("stable up to {stable}, {by_batches:?}"));
    }
    Ok(by_batches)
}

/// Opens the partition, compares, and works on it until it is interrupted.
async fn live(disk: Disk, model: Rc<Model>, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let folder = Folder::open(&disk, "/data".as_ref()).await.unwrap();
    let options = LogsOptions {
        cache_bytes: 64 << 10,
        cache_bytes_max: 64 << 10,
        prepare_bytes: (16 << 10, 64 << 10),
        ..LogsOptions::default()
    };
    let capacity = [0, 64 << 10, 1 << 20][random.below(3)];
    let logs = folder.begin_journal(&Logs::new(&disk, options), capacity);
    let partition = open(&folder, &logs).await;
    if partition.end_offset() < model.acked.get() {
        return Err("acked records are lost".to_owned());
    }
    check(&partition).await?;
    loop {
        let id = random.below(PRODUCERS as usize) as i64;
        match random.below(24) {
            0 => {
                let all = [partition.clone()];
                let written = Partition::checkpoint(&folder, all.iter()).await;
                written.unwrap();
            }
            1 => partition.maintain(NOW).await,
            2 => {
                let end = partition.end_offset();
                partition.wait_committed(end).await.unwrap();
                model.acked.set(model.acked.get().max(end));
                let told = check(&partition).await?;
                model.kept.set(model.kept.get() + told.aborted.len());
            }
            3 if random.one_in(6) => {
                partition.close_log(false).await.unwrap();
                let all = [partition.clone()];
                let written = Partition::checkpoint(&folder, all.iter()).await;
                written.unwrap();
                folder.close_cleanly(-1).await.unwrap();
                return Ok(());
            }
            4..10 => end(&partition, &model, id, &mut random),
            _ => write(&partition, &model, id, &mut random).await,
        }
    }
}

fn end(partition: &Partition, model: &Model, id: ProducerId, random: &mut Random) {
    let (mut epochs, mut sequences) = (model.epochs.get(), model.sequences.get());
    // As with transaction.version 2: each transaction ends in a new epoch.
    epochs[id as usize] += random.below(2) as i16;
    sequences[id as usize] = 0;
    let marker = Marker {
        producer_id: id,
        producer_epoch: epochs[id as usize],
        committed: random.one_in(2),
        coordinator_epoch: 0,
        has_epochs: false,
    };
    model.epochs.set(epochs);
    model.sequences.set(sequences);
    match partition.append_marker(&marker, NOW) {
        Ok(_) | Err(AppendError::Busy) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn write(partition: &Partition, model: &Model, id: ProducerId, random: &mut Random) {
    let epoch = model.epochs.get()[id as usize];
    // What was not acked may be gone: a producer goes on where the partition has it.
    let known = partition
        .producers()
        .get(id)
        .map(|it| (it.epoch(), it.last_sequence()));
    let sequence = match known {
        Some((of, last)) if of == epoch => last + 1,
        _ => 0,
    };
    let mut batch = BatchBuilder::new()
        .producer(id, epoch, sequence)
        .transactional();
    let value = vec![7; 100 + random.below(3_000)];
    batch.push(NewRecord::new(NOW, None, Some(&value)));
    let guard = partition.ask_about(id, epoch, sequence, NOW);
    let batch = batch.build();
    let appended = partition.append_in_transaction(&batch, Origin::Client, guard, NOW);
    match appended {
        Ok(_) => {}
        Err(AppendError::Busy) => partition.wait_for_space().await,
        Err(error) => panic!("{error}"),
    }
}

/// Several lives of one disk; how many aborted transactions were compared, or what was wrong.
fn lives(seed: u64) -> Result<usize, String> {
    let mut random = Random::new(seed);
    let model = Rc::new(Model::default());
    let mut world = World::new(seed);
    for _ in 0..4 {
        let disk = Disk::simulated(world.disk().clone());
        let steps = 200 + random.below(3_000);
        let life = live(disk, model.clone(), random.next());
        if let Some(ended) = world.run_for(steps, life) {
            ended.map_err(|wrong| format!("seed {seed}: {wrong}"))?;
        }
        let next = random.next();
        world = match random.one_in(4) {
            true => world.kill(next),
            false => world.crash(next),
        };
    }
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let folder = Folder::open(&disk, "/data".as_ref()).await.unwrap();
        let logs = Logs::new(&disk, LogsOptions::default());
        let partition = open(&folder, &logs).await;
        let told = check(&partition).await;
        let told = told.map_err(|wrong| format!("seed {seed}, at the end: {wrong}"))?;
        Ok(model.kept.get() + told.aborted.len())
    })
}

fn runs(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SIM_SEED").unwrap_or(0);
    first..first + number("SIM_RUNS").unwrap_or(default)
}

#[test]
fn what_is_told_of_transactions_is_what_the_log_holds() {
    let mut compared = 0;
    for seed in runs(40) {
        compared += lives(seed).unwrap();
    }
    assert!(compared > 200, "{compared}");
}

#[test]
fn a_reader_that_is_shown_open_transactions_is_noticed() {
    mutant::plant(Some(Mutant::StableTooFar));
    let found = (0..50).any(|seed| lives(seed).is_err());
    mutant::plant(None);
    assert!(found);
}

#[test]
fn a_marker_that_comes_while_the_coordinator_is_asked_makes_its_answer_worthless() {
    let world = World::new(1);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let folder = Folder::open(&disk, "/data".as_ref()).await.unwrap();
        let logs = Logs::new(&disk, LogsOptions::default());
        let partition = open(&folder, &logs).await;
        let batch = |epoch, sequence| {
            let mut batch = BatchBuilder::new()
                .producer(9, epoch, sequence)
                .transactional();
            batch.push(NewRecord::new(NOW, None, Some(b"v")));
            batch.build()
        };
        let append = |epoch, sequence, guard| {
            let batch = batch(epoch, sequence);
            partition.append_in_transaction(&batch, Origin::Client, guard, NOW)
        };
        assert!(append(0, 0, None).is_err());
        let stale = partition.ask_about(9, 0, 0, NOW);
        let marker = Marker {
            producer_id: 9,
            producer_epoch: 0,
            committed: false,
            coordinator_epoch: 3,
            has_epochs: false,
        };
        partition.append_marker(&marker, NOW).unwrap();
        assert!(append(0, 0, stale).is_err());
        let guard = partition.ask_about(9, 0, 0, NOW);
        assert!(guard.is_some() && guard != stale);
        append(0, 0, guard).unwrap();
        // The transaction is open: nothing is asked any more.
        assert_eq!(partition.ask_about(9, 0, 1, NOW), None);
        let upto = append(0, 1, None).unwrap().upto;
        let tenure = partition.tenure();
        partition.wait_acked(Acks::All, upto, tenure).await.unwrap();
        let stable = || partition.state.borrow().last_stable_offset();
        assert_eq!((stable(), partition.high_watermark()), (1, 3));
        // An old coordinator, and an old epoch.
        let old = Marker {
            coordinator_epoch: 2,
            ..marker
        };
        assert!(partition.append_marker(&old, NOW).is_err());
        // One that came late, of the transaction before.
        let late = Marker {
            has_epochs: true,
            ..marker
        };
        assert!(partition.append_marker(&late, NOW).is_err());
        let next = Marker {
            producer_epoch: 1,
            ..late
        };
        let upto = partition.append_marker(&next, NOW).unwrap().upto;
        assert_eq!(stable(), 1);
        partition.wait_acked(Acks::All, upto, tenure).await.unwrap();
        assert_eq!(stable(), 4);
        assert!(append(0, 2, None).is_err());
    });
}
