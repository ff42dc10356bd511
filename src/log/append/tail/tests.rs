//! Pure: tests of the newest bytes in memory.

use super::*;
use crate::io::sim::Random;
use crate::wire::batch::{BatchBuilder, NewRecord, stamp};

/// Appends batches of two records at rising offsets and keeps what a file would hold.
struct Filling {
    pool: Pool,
    tail: Tail,
    /// The segments' base offsets and bytes.
    files: Vec<(Offset, Vec<u8>)>,
    /// Base offset, segment and position of each batch.
    batches: Vec<(Offset, usize, usize)>,
    next: Offset,
}

impl Filling {
    fn new() -> Filling {
        Filling {
            pool: Pool::default(),
            tail: Tail::default(),
            files: vec![(0, Vec::new())],
            batches: Vec::new(),
            next: 0,
        }
    }

    fn append(&mut self, value_bytes: usize) {
        let value = vec![self.next as u8; value_bytes];
        let mut builder = BatchBuilder::new();
        builder.push(NewRecord::new(0, None, Some(&value)));
        builder.push(NewRecord::new(0, None, None));
        let mut bytes = builder.build();
        stamp(&mut bytes, self.next, 0);
        let segment = self.files.len() - 1;
        let (base, file) = &mut self.files[segment];
        let parts = bytes.split_at(61);
        let at = file.len() as u64;
        self.tail
            .append(&self.pool, *base, at, self.next, [parts.0, parts.1]);
        self.batches.push((self.next, segment, file.len()));
        file.extend_from_slice(&bytes);
        self.next += 2;
    }

    fn roll(&mut self) {
        self.files.push((self.next, Vec::new()));
    }

    /// What a read must give: bytes of whole batches of one segment.
    fn expected(&self, offset: Offset, max_bytes: usize, upto: Offset) -> Vec<u8> {
        let mut expected = Vec::new();
        let first = self.batches.partition_point(|batch| batch.0 + 1 < offset);
        for (index, (base, segment, at)) in self.batches.iter().enumerate().skip(first) {
            let file = &self.files[*segment].1;
            let next = self
                .batches
                .get(index + 1)
                .filter(|next| next.1 == *segment);
            let end = next.map_or(file.len(), |next| next.2);
            let over = index > first && expected.len() + end - at > max_bytes;
            let is_other = *segment != self.batches[first].1;
            if base + 1 >= upto || over || is_other {
                break;
            }
            expected.extend_from_slice(&file[*at..end]);
        }
        expected
    }
}

#[test]
fn reads_give_whole_batches_within_their_bounds() {
    let mut random = Random::new(1);
    let mut filling = Filling::new();
    for _ in 0..400 {
        filling.append([10, 200, 5_000, 40_000][random.below(4)]);
        if random.one_in(60) {
            filling.roll();
        }
    }
    for _ in 0..2_000 {
        let offset = random.below(800) as Offset;
        let upto = offset + random.below(300) as Offset;
        let max_bytes = random.below(300_000);
        let mut out = Vec::new();
        let found = filling.tail.read(offset, max_bytes, upto, &mut out);
        let joined: Vec<u8> = out.iter().flat_map(|slice| slice.to_vec()).collect();
        let found = found.expect("all of it is here");
        assert_eq!(found.map_or(0, |it| it.bytes), joined.len());
        if let Some(InTail {
            segment, position, ..
        }) = found
        {
            let file = filling.files.iter().find(|file| file.0 == segment);
            let file = &file.expect("a segment").1[position as usize..];
            assert!(file.starts_with(&joined), "{offset} {max_bytes} {upto}");
        }
        let expected = filling.expected(offset, max_bytes, upto);
        assert!(joined == expected, "{offset} {max_bytes} {upto}");
    }
}

#[test]
fn memory_is_given_up_from_the_front_and_reads_of_it_miss() {
    let mut random = Random::new(2);
    let mut filling = Filling::new();
    for _ in 0..300 {
        filling.append(random.below(3_000));
    }
    let (base, file) = filling.files[0].clone();
    assert!(
        !filling.tail.evict(&filling.pool, base, 0),
        "nothing is written yet"
    );
    let mut written = 0;
    let mut evicted = 0;
    while written < file.len() {
        written = (written + random.below(9_000)).min(file.len());
        evicted += usize::from(filling.tail.evict(&filling.pool, base, written as u64));
        // What the next write begins with is always there.
        let from = block_down(written as u64);
        let mut out = vec![0; file.len() - from as usize];
        let copied = filling.tail.copy_out(base, from, &mut out);
        assert!(copied == out.len() && out == file[from as usize..]);
    }
    assert!(evicted > 0);
    assert_eq!(filling.tail.read(0, 1, 100, &mut Vec::new()), Err(Miss));
    while filling.tail.evict(&filling.pool, base, file.len() as u64) {}
    assert_eq!(filling.tail.bytes(), BLOCK_BYTES);
    // It goes on from there.
    filling.append(20_000);
    let mut out = Vec::new();
    let found = filling.tail.read(600, 1, 602, &mut out).expect("here");
    let bytes = found.map_or(0, |it| it.bytes);
    assert_eq!(bytes, filling.expected(600, 1, 602).len());
}

#[test]
fn a_chunk_begun_inside_a_block_asks_for_its_head() {
    let pool = Pool::default();
    let mut tail = Tail::default();
    tail.append(&pool, 7, 5_000, 9, [b"0123", b"456789"]);
    assert_eq!(tail.missing_head(7), Some((4096, 904)));
    tail.fill_head(7, &[b'h'; 904]);
    assert_eq!(tail.missing_head(7), None);
    let mut out = [0; 914];
    assert_eq!(tail.copy_out(7, 4096, &mut out), 914);
    assert_eq!(&out[903..907], b"h012");
}

#[test]
fn one_of_many_logs_keeps_its_chunks_small_and_one_of_few_gets_large_ones() {
    let pool = Pool::default();
    let largest = |count: usize, rounds: usize| {
        let mut tails: Vec<Tail> = (0..count).map(|_| Tail::default()).collect();
        for round in 0..rounds as u64 {
            for tail in &mut tails {
                let at = round * 4096;
                tail.append(&pool, 0, at, round as Offset, [&[0; 61], &[1; 4035]]);
                while tail.evict(&pool, 0, at) {}
            }
        }
        let last = |tail: &Tail| tail.chunks.back().map(|it| it.chunk.capacity());
        tails.iter().filter_map(last).max()
    };
    assert_eq!(largest(4, 200), Some(128 << 10));
    assert_eq!(largest(1_000, 30), Some(8 << 10));
    // It is as before for one that is alone again.
    assert_eq!(largest(1, 200), Some(128 << 10));
}

#[test]
fn a_read_tells_how_much_was_taken_since_its_chunk_was_the_newest() {
    let pool = Pool::default();
    let mut tail = Tail::default();
    let mut begin = 0;
    for offset in 0..20 {
        let mut bytes = BatchBuilder::new();
        bytes.push(NewRecord::new(0, None, Some(&[1; 3_000])));
        let mut bytes = bytes.build();
        stamp(&mut bytes, offset, 0);
        let parts = bytes.split_at(61);
        tail.append(&pool, 0, begin, offset, [parts.0, parts.1]);
        begin += bytes.len() as u64;
    }
    let behind = |offset| {
        let found = tail.read(offset, 1, 20, &mut Vec::new());
        found.expect("here").expect("a batch").taken_before
    };
    assert_eq!(behind(19), u64::MAX, "nothing came behind the newest chunk");
    // The first chunk has 8 KiB, the second one 16.
    assert_eq!((behind(0), behind(3)), (8 << 10, 24 << 10));
    pool.chunk(4096, 0);
    assert_eq!(pool.chunk_bytes_taken(), (8 + 16 + 32 + 64 + 4) << 10);
}
