//! Drives: batches that say they lie elsewhere than they do.

use super::*;

/// Bits of a batch's base offset, which no checksum covers, and of how far its last offset is from
/// it: those that count least, and some others.
fn offset_bits() -> impl Iterator<Item = usize> {
    let base = [7, 5, 18, 31, 40].into_iter().chain(48..64);
    let last = [191, 185, 197].into_iter().chain(200..216);
    base.chain(last)
}

#[test]
fn no_batch_hides_records_by_saying_where_it_lies() {
    for seed in 10..30 {
        let filled = filled_as(FEW, seed, true);
        let (path, at, called) = some_batch(&filled.left, &mut Random::new(seed));
        for bit in offset_bits() {
            let world = with_flipped(&filled, &path, at, bit);
            let outcome = surveyed(&filled, world);
            let place = format!("seed {seed}, {called}, bit {bit}");
            assert_eq!(outcome, Ok(Outcome::Noticed), "{place}");
        }
    }
}

/// Has a consumer begin at each batch, and go on from there as far as it gets in one fetch.
async fn consume(disk: Disk, known: Rc<Vec<Known>>, end: Offset) -> Result<Outcome, String> {
    let Ok((_folder, log, told)) = open_folder(&disk).await else {
        return Ok(Outcome::Noticed);
    };
    let mut outcome = match told {
        true => Outcome::Noticed,
        false => Outcome::Harmless,
    };
    for (nth, batch) in known.iter().enumerate() {
        // Where the log is known to be damaged nothing is streamed: each finds it so for itself.
        log.0.damaged_places.borrow_mut().clear();
        let mut found = Vec::new();
        let upto = log.end_offset().min(end);
        let waits = MemoryWait::Waits;
        let planned = log.plan(batch.base, 1 << 20, upto, waits, &mut found).await;
        let mut stream = match planned {
            Ok(Some(planned)) => planned.stream,
            Ok(None) if batch.base >= upto => continue,
            Ok(None) => return Err(format!("nothing at {}", batch.base)),
            Err(_) => {
                outcome = Outcome::Noticed;
                continue;
            }
        };
        let broken = loop {
            match stream.next().await {
                Ok(Some(piece)) => found.push(piece),
                end => break end.is_err(),
            }
        };
        let found = joined(&found);
        let there: Vec<u8> = known[nth..]
            .iter()
            .flat_map(|it| it.bytes.clone())
            .collect();
        match broken {
            // What came of it is not what was promised, and is not believed.
            true => outcome = Outcome::Noticed,
            false if there.starts_with(&found) && !found.is_empty() => {}
            false => return Err(format!("wrong bytes at {}", batch.base)),
        }
    }
    Ok(outcome)
}

#[test]
fn no_large_batch_hides_records_by_saying_where_it_lies() {
    for seed in 10..14 {
        let filled = filled_as(LARGE, seed, true);
        let consumed = |world: World| {
            let disk = Disk::simulated(world.disk().clone());
            world.run(consume(disk, Rc::clone(&filled.batches), filled.end))
        };
        let sound = consumed(World::on(seed, filled.left.clone()));
        assert_eq!(sound, Ok(Outcome::Harmless), "no false alarm");
        let (path, at, called) = some_batch(&filled.left, &mut Random::new(seed));
        for bit in offset_bits() {
            let outcome = consumed(with_flipped(&filled, &path, at, bit));
            let place = format!("seed {seed}, {called}, bit {bit}");
            assert_eq!(outcome, Ok(Outcome::Noticed), "{place}");
        }
    }
}

#[test]
fn lookups_made_anew_lead_no_reader_past_a_batch_that_says_it_lies_further_on() {
    let filled = filled_as(FEW, 10, true);
    let (path, positions) = data_files(&filled.left).swap_remove(1);
    let last = positions[positions.len() - 1];
    let world = with_flipped(&filled, &path, last, 40);
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        let (_folder, log, _) = open_folder(&disk).await.expect("opened");
        let segments = log.0.state.borrow().segments.clone();
        let segment = segments.iter().find(|it| it.path() == path).expect("there");
        log.0.rebuild_lookups(segment).await.expect("read");
        // The youngest record may be in it, and is to be looked for.
        assert_eq!(segment.max_timestamp.get().0, i64::MAX);
        assert!(segment.settled.get(), "nothing of it goes to disk");
        let found = log.youngest().await;
        assert!(matches!(found, Err(ReadError::Damaged { .. })), "{found:?}");
    });
}
