//! Drives: how far the metadata log is known to have been flushed, in a small file of our own.
//!
//! The last records of a log look torn when they are damaged, with nothing written behind them:
//! this tells the two apart. It also tells a log that is gone from one that never was.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::base::Offset;
use crate::io::disk::Disk;
use crate::io::event::Bell;

/// The file's name, beside the folder of the metadata log.
pub const FILE: &str = "corelane-metadata-checkpoint";

/// Keeps the file up to date in the background: no change of the cluster waits for it.
pub struct Note {
    disk: Disk,
    path: PathBuf,
    wanted: Cell<Offset>,
    written: Cell<Offset>,
    writes: Cell<bool>,
    idle: Bell,
}

impl Note {
    /// Reads the note in `dir`. One that is missing, or is not what was written, says 0.
    pub async fn read(disk: &Disk, dir: &Path) -> io::Result<Rc<Note>> {
        let path = dir.join(FILE);
        let known = match disk.read(&path).await {
            Ok(bytes) => from_text(&bytes).unwrap_or_else(|| {
                tracing::error!(file = %path.display(),
                    "not what was written: damage to the last records of the metadata log would \
                     now look like a torn end");
                0
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Rc::new(Note {
            disk: disk.clone(),
            path,
            wanted: Cell::new(known),
            written: Cell::new(known),
            writes: Cell::new(false),
            idle: Bell::default(),
        }))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The offset that everything before was flushed.
    pub fn offset(&self) -> Offset {
        self.wanted.get()
    }

    /// Has it noted that everything before `offset` was flushed.
    pub fn set(self: &Rc<Self>, offset: Offset) {
        self.wanted.set(offset);
        if !self.writes.replace(true) {
            let me = Rc::clone(self);
            self.disk
                .runtime()
                .spawn(async move { me.catch_up().await });
        }
    }

    /// Waits until what was set is in the file, or cannot be.
    pub async fn wait_until_idle(&self) {
        while self.writes.get() {
            self.idle.wait().await;
        }
    }

    async fn catch_up(&self) {
        while self.written.get() != self.wanted.get() {
            let offset = self.wanted.get();
            let content = to_text(offset).into_bytes();
            if let Err(error) = self.disk.replace(&self.path, content).await {
                tracing::warn!(file = %self.path.display(), %error,
                    "cannot note how far the metadata log was flushed");
                break;
            }
            self.written.set(offset);
        }
        self.writes.set(false);
        self.idle.ring();
    }
}

/// The offset, and the CRC-32C of its digits.
fn to_text(offset: Offset) -> String {
    let digits = offset.to_string();
    format!("{digits} {:08x}\n", crc32c::crc32c(digits.as_bytes()))
}

fn from_text(bytes: &[u8]) -> Option<Offset> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (digits, sum) = text.trim().split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (sum == crc32c::crc32c(digits.as_bytes())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_damage_makes_it_another() {
        let text = to_text(1234).into_bytes();
        assert_eq!(from_text(&text), Some(1234));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(from_text(&bytes), None | Some(1234)), "bit {bit}");
        }
        assert_eq!(from_text(&vec![0; text.len()]), None);
        assert_eq!(from_text(b""), None);
    }
}
