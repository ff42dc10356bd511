//! Drives: damage to what a start reads first, byte by byte and sector by sector: the start is
//! refused by a sentence that names the place, or finds what was there.

use super::*;
use crate::io::sim::Left;
use crate::metadata::source::note;

const LOG: &str = "/data/__cluster_metadata-0/00000000000000000000.log";

/// What a start is held against.
type Seen = (i64, String, Vec<(String, TopicId)>, Vec<NodeId>);

fn seen(image: &Image) -> Seen {
    let names = ["a", "b", "c"].into_iter();
    let found = names.filter_map(|name| image.topics.named(name));
    (
        image.end_offset,
        image.cluster_id.to_string(),
        found
            .map(|topic| (topic.name.to_string(), topic.id))
            .collect(),
        image.brokers.alive().map(|broker| broker.id).collect(),
    )
}

/// A cluster of three topics: stopped cleanly, or killed once it had nothing to do.
fn left(clean: bool) -> (Left, Seen) {
    let world = World::new(1);
    run(&world, &config(2, 9092), move |controller| async move {
        for name in ["a", "b", "c"] {
            create(&controller, name).await;
        }
        if clean {
            controller.close().await.unwrap();
        }
    })
    .unwrap();
    world.run_until_idle();
    let left = world.stop();
    let image = start(&World::on(1, left.clone()), 2).unwrap();
    assert_eq!(image.topics.len(), 3);
    (left, seen(&image))
}

/// Spoils `path` and starts; whether the start was refused.
fn is_refused(
    (left, expected): &(Left, Seen),
    path: &Path,
    named: &str,
    spoil: impl FnOnce(&mut Vec<u8>),
) -> bool {
    let world = World::on(1, left.clone());
    world.disk().damage(path, spoil);
    match start(&world, 2) {
        Ok(image) => {
            assert_eq!(&seen(&image), expected, "{named} is served damaged");
            false
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(named), "{text}");
            true
        }
    }
}

fn content(left: &Left, path: &Path) -> Vec<u8> {
    World::on(1, left.clone()).disk().content(path).unwrap()
}

#[test]
fn no_damaged_identity_is_believed() {
    let left = left(true);
    let path = Path::new("/data/shard-1/meta.properties");
    let bits = content(&left.0, path).len() * 8;
    let flipped = (0..bits).filter(|bit| {
        is_refused(&left, path, "meta.properties", |bytes| {
            bytes[bit / 8] ^= 1 << (bit % 8)
        })
    });
    // Damage to the mark of the checksum itself, or to the case of its digits, is harmless.
    let refused = flipped.count();
    assert!(refused > bits - 16 * 8, "{refused} of {bits}");
    for empty in [false, true] {
        assert!(is_refused(&left, path, "meta.properties", |bytes| {
            match empty {
                true => bytes.clear(),
                false => bytes.fill(0),
            }
        }));
    }
}

#[test]
fn no_damaged_metadata_is_served_or_cut_off() {
    for clean in [true, false] {
        let left = left(clean);
        let path = Path::new(LOG);
        let bytes = content(&left.0, path);
        let mut used = 0;
        for batch in crate::wire::batch::batches(&bytes) {
            let Ok(batch) = batch else { break };
            // A leader epoch lies outside of the checksum, and is not read here.
            for at in 0..batch.bytes().len() {
                let flip = |bytes: &mut Vec<u8>| bytes[used + at] ^= 1 << (at % 8);
                let refused = is_refused(&left, path, "__cluster_metadata-0", flip);
                assert!(
                    refused || (12..16).contains(&at),
                    "byte {at} at {used}, {clean}"
                );
            }
            used += batch.bytes().len();
        }
        assert!(used > 500, "{used}");
        for sector in 0..bytes.len().div_ceil(512) {
            let at = sector * 512;
            let refused = is_refused(&left, path, "__cluster_metadata-0", |bytes| {
                let end = bytes.len().min(at + 512);
                bytes[at..end].fill(0);
            });
            assert_eq!(refused, at < used, "sector {sector}, {clean}");
        }
        // Blank space, and what was noted of writes, may be anything.
        for at in (used..bytes.len()).step_by(97) {
            let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1 << (at % 8);
            assert!(
                !is_refused(&left, path, "__cluster_metadata-0", flip),
                "{at}"
            );
        }
        // So may the note: it vouches for what is there anyway.
        let path = Path::new(DATA).join(note::FILE);
        for bit in 0..content(&left.0, &path).len() * 8 {
            let flip = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_refused(&left, &path, note::FILE, flip), "bit {bit}");
        }
    }
}

#[test]
fn a_metadata_log_that_is_gone_is_not_begun_anew() {
    for clean in [true, false] {
        let world = World::on(1, left(clean).0);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let dir = Path::new(DATA).join("__cluster_metadata-0");
            disk.remove_dir(&dir).await.unwrap();
        });
        let error = start(&world, 2).unwrap_err();
        assert!(matches!(error, LoadError::LogLost(..)), "{error:?}");
        assert!(error.to_string().contains("put it back"), "{error}");
    }
}
