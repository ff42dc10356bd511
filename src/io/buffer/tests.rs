use super::*;

#[test]
fn slices_outlive_their_chunk_and_memory_returns_to_the_pool() {
    let pool = Pool::default();
    let mut chunk = pool.chunk(5000, 0);
    assert_eq!(chunk.capacity(), 8192);
    assert_eq!(chunk.append(&[7; 6000]), 6000);
    let slice = chunk.slice(10, 20);
    assert_eq!(chunk.append(&[8; 6000]), 2192);
    drop(chunk);
    assert_eq!(pool.chunk_bytes_out(), 8192);
    let part = slice.part(2, 5);
    drop(slice);
    assert_eq!(&*part, &[7, 7, 7]);
    drop(part);
    assert_eq!(pool.chunk_bytes_out(), 0);
    assert_eq!(pool.0.chunk_bytes_idle.get(), 8192);
    let _again = pool.chunk(8192, 0);
    assert_eq!(pool.0.chunk_bytes_idle.get(), 0);
}

#[test]
fn a_chunk_begun_inside_a_block_gets_its_head_later() {
    let pool = Pool::default();
    let mut chunk = pool.chunk(100, 3);
    chunk.append(b"defg");
    assert_eq!(chunk.bytes(3, 7), b"defg");
    chunk.fill_head(b"abc");
    assert_eq!(chunk.bytes(0, 7), b"abcdefg");
}

#[test]
fn write_classes_are_dense_and_never_too_small() {
    let mut last = None;
    for bytes in (1..=WRITE_BYTES_MAX).step_by(512) {
        let (class, size) = write_class(bytes);
        assert!(size >= bytes && size % BLOCK_BYTES == 0 && size <= WRITE_BYTES_MAX);
        if let Some((last_class, last_size)) = last {
            assert_eq!(class == last_class, size == last_size);
            assert!(class == last_class || class == last_class + 1);
        }
        last = Some((class, size));
    }
}

#[test]
fn write_buffers_are_reused_but_not_while_they_are_held() {
    let pool = Pool::default();
    let buffer = pool.write_buffer(70_000, false);
    assert_eq!(buffer.len(), 81_920);
    let held = buffer.shared();
    drop(buffer);
    assert_eq!(pool.0.write_bytes_idle.get(), 0);
    drop(held);
    drop(pool.write_buffer(70_000, false));
    assert_eq!(pool.0.write_bytes_idle.get(), 81_920);
    assert_eq!(pool.write_buffer(70_000, true).len(), 73_728);
}
