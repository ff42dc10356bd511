//! A disk with a volatile write cache, served to a virtual machine over NBD (the network block
//! device's "fixed newstyle" protocol), that remembers every write and flush in its order.

use std::collections::VecDeque;
use std::io::{Error, Read, Result, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use corelane_testing::checked::{Clock, Tick};
use fastrand::Rng;

/// Bytes that a disk writes whole or not at all.
pub const SECTOR: usize = 512;

const OPTION_MAGIC: u64 = 0x4948_4156_454F_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_E889_0455_65A9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;
/// There are flags; FLUSH and FUA are understood.
const FEATURES: u16 = 1 | 4 | 8;
const EINVAL: u32 = 22;

/// Data of a write; zeros are not kept.
#[derive(Clone)]
pub enum Data {
    Zeros(usize),
    Bytes(Arc<[u8]>),
}

/// A write, as the disk saw it.
#[derive(Clone)]
pub struct DiskWrite {
    /// When the request arrived.
    pub arrived: Tick,
    /// When its completion was reported.
    pub done: Option<Tick>,
    /// Whether its completion means that it is on stable storage.
    pub fua: bool,
    pub position: u64,
    pub data: Data,
}

/// A flush: whatever was reported complete before it arrived is stable once it is done.
#[derive(Clone, Copy)]
pub struct Flush {
    pub arrived: Tick,
    pub done: Option<Tick>,
}

/// All that happened to the disk, in order of arrival.
#[derive(Default)]
pub struct History {
    pub writes: Vec<DiskWrite>,
    pub flushes: Vec<Flush>,
}

/// The disk as its server and its observer share it.
pub struct Disk {
    pub clock: Arc<Clock>,
    pub history: Mutex<History>,
    bytes: Mutex<Vec<u8>>,
}

/// What a request's completion is to be noted at.
enum Noted {
    Nothing,
    Write(usize),
    Flush(usize),
}

struct Reply {
    handle: u64,
    error: u32,
    data: Vec<u8>,
    noted: Noted,
}

/// Replies on their way; `None` ends the one who sends them.
type Replies = Arc<(Mutex<VecDeque<Option<Reply>>>, Condvar)>;

impl Data {
    fn of(bytes: &[u8]) -> Data {
        match bytes.iter().all(|byte| *byte == 0) {
            true => Data::Zeros(bytes.len()),
            false => Data::Bytes(bytes.into()),
        }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        match self {
            Data::Zeros(len) => *len,
            Data::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Disk {
    /// A disk that holds `bytes`.
    pub fn new(bytes: Vec<u8>, clock: Arc<Clock>) -> Arc<Disk> {
        Arc::new(Disk {
            clock,
            history: Mutex::default(),
            bytes: Mutex::new(bytes),
        })
    }

    /// Serves one machine on a socket at `path`, until it is gone.
    pub fn serve(self: &Arc<Disk>, path: &Path, seed: u64) -> Result<thread::JoinHandle<()>> {
        let listener = UnixListener::bind(path)?;
        let disk = Arc::clone(self);
        Ok(thread::spawn(move || {
            if let Ok((stream, _)) = listener.accept() {
                // A machine that is killed ends its connection somewhere.
                let _ = disk.talk(stream, seed);
            }
        }))
    }

    fn talk(self: &Arc<Disk>, mut stream: UnixStream, seed: u64) -> Result<()> {
        let size = self.bytes.lock().unwrap().len() as u64;
        if !negotiate(&mut stream, size)? {
            return Ok(());
        }
        let replies: Replies = Arc::default();
        let replier = {
            let (disk, replies) = (Arc::clone(self), Arc::clone(&replies));
            let stream = stream.try_clone()?;
            thread::spawn(move || disk.reply_on(stream, &replies, Rng::with_seed(seed)))
        };
        let taken = self.take_requests(&mut stream, &replies);
        push(&replies, None);
        let _ = replier.join();
        taken
    }

    fn take_requests(&self, stream: &mut UnixStream, replies: &Replies) -> Result<()> {
        loop {
            let mut head = [0; 28];
            stream.read_exact(&mut head)?;
            if number(&head[..4]) != u64::from(REQUEST_MAGIC) {
                return Err(Error::other("no request"));
            }
            let (flags, kind) = (number(&head[4..6]), number(&head[6..8]));
            let (handle, position) = (number(&head[8..16]), number(&head[16..24]));
            let len = number(&head[24..28]) as usize;
            let reply = match kind {
                0 => self.read(handle, position, len),
                1 => {
                    let mut data = vec![0; len];
                    stream.read_exact(&mut data)?;
                    self.write(handle, position, &data, flags & 1 != 0)
                }
                2 => return Ok(()),
                3 => self.flush(handle),
                _ => reply(handle, EINVAL, Noted::Nothing),
            };
            push(replies, Some(reply));
        }
    }

    fn read(&self, handle: u64, position: u64, len: usize) -> Reply {
        let bytes = self.bytes.lock().unwrap();
        match bytes.get(position as usize..position as usize + len) {
            Some(found) => Reply {
                data: found.to_vec(),
                ..reply(handle, 0, Noted::Nothing)
            },
            None => reply(handle, EINVAL, Noted::Nothing),
        }
    }

    fn write(&self, handle: u64, position: u64, data: &[u8], fua: bool) -> Reply {
        let mut bytes = self.bytes.lock().unwrap();
        let Some(place) = bytes.get_mut(position as usize..position as usize + data.len()) else {
            return reply(handle, EINVAL, Noted::Nothing);
        };
        place.copy_from_slice(data);
        let mut history = self.history.lock().unwrap();
        history.writes.push(DiskWrite {
            arrived: self.clock.tick(),
            done: None,
            fua,
            position,
            data: Data::of(data),
        });
        reply(handle, 0, Noted::Write(history.writes.len() - 1))
    }

    fn flush(&self, handle: u64) -> Reply {
        let mut history = self.history.lock().unwrap();
        history.flushes.push(Flush {
            arrived: self.clock.tick(),
            done: None,
        });
        reply(handle, 0, Noted::Flush(history.flushes.len() - 1))
    }

    /// Reports completions in another order than that of the requests, as disks do.
    fn reply_on(&self, mut stream: UnixStream, replies: &Replies, mut random: Rng) {
        let mut ended = false;
        loop {
            let mut queue = replies.0.lock().unwrap();
            while queue.is_empty() {
                if ended {
                    return;
                }
                queue = replies.1.wait(queue).unwrap();
            }
            let at = random.usize(..queue.len());
            let Some(reply) = queue.remove(at).flatten() else {
                ended = true;
                continue;
            };
            drop(queue);
            if random.u64(..4) == 0 {
                thread::sleep(Duration::from_micros(random.u64(..200)));
            }
            self.note(&reply.noted);
            let mut frame = REPLY_MAGIC.to_be_bytes().to_vec();
            frame.extend(reply.error.to_be_bytes());
            frame.extend(reply.handle.to_be_bytes());
            frame.extend(reply.data);
            if stream.write_all(&frame).is_err() {
                return;
            }
        }
    }

    fn note(&self, noted: &Noted) {
        let mut history = self.history.lock().unwrap();
        let tick = self.clock.tick();
        match noted {
            Noted::Nothing => {}
            Noted::Write(at) => history.writes[*at].done = Some(tick),
            Noted::Flush(at) => history.flushes[*at].done = Some(tick),
        }
    }
}

fn reply(handle: u64, error: u32, noted: Noted) -> Reply {
    Reply {
        handle,
        error,
        data: Vec::new(),
        noted,
    }
}

fn push(replies: &Replies, reply: Option<Reply>) {
    replies.0.lock().unwrap().push_back(reply);
    replies.1.notify_one();
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Agrees on the one disk there is; `false` when the other side wants nothing of it.
fn negotiate(stream: &mut UnixStream, size: u64) -> Result<bool> {
    let mut hello = b"NBDMAGIC".to_vec();
    hello.extend(OPTION_MAGIC.to_be_bytes());
    hello.extend(3u16.to_be_bytes());
    stream.write_all(&hello)?;
    let mut flags = [0; 4];
    stream.read_exact(&mut flags)?;
    loop {
        let mut head = [0; 16];
        stream.read_exact(&mut head)?;
        let option = number(&head[8..12]) as u32;
        let mut data = vec![0; number(&head[12..16]) as usize];
        stream.read_exact(&mut data)?;
        match option {
            // EXPORT_NAME
            1 => {
                let mut answer = size.to_be_bytes().to_vec();
                answer.extend(FEATURES.to_be_bytes());
                stream.write_all(&answer)?;
                return Ok(true);
            }
            // ABORT
            2 => return Ok(false),
            // INFO and GO
            6 | 7 => {
                let mut info = 0u16.to_be_bytes().to_vec();
                info.extend(size.to_be_bytes());
                info.extend(FEATURES.to_be_bytes());
                answer(stream, option, 3, &info)?;
                let mut blocks = 3u16.to_be_bytes().to_vec();
                for bytes in [SECTOR as u32, 4096, 32 << 20] {
                    blocks.extend(bytes.to_be_bytes());
                }
                answer(stream, option, 3, &blocks)?;
                answer(stream, option, 1, &[])?;
                if option == 7 {
                    return Ok(true);
                }
            }
            // Anything else is not understood.
            _ => answer(stream, option, 0x8000_0001, &[])?,
        }
    }
}

fn answer(stream: &mut UnixStream, option: u32, kind: u32, data: &[u8]) -> Result<()> {
    let mut frame = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
    frame.extend(option.to_be_bytes());
    frame.extend(kind.to_be_bytes());
    frame.extend((data.len() as u32).to_be_bytes());
    frame.extend(data);
    stream.write_all(&frame)
}
