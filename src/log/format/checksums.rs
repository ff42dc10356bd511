//! Drives: the checksums of checkpoints, which by Kafka's formats have none of their own.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::io::disk::Disk;

/// Contents of one file that may be found: what was there, and one for each of those who may be
/// replacing it at the same time.
const KNOWN_MAX: usize = 4;

/// Stands for a file that is not there yet: the checksum of nothing, which no checkpoint has.
const MISSING: u32 = 0;

/// Our own file beside the checkpoints of a folder: of each the checksum of its content as it is
/// and as it is about to be. One that is missing vouches for everything.
pub const FILE: &str = "corelane-checkpoint-checksums";

/// By name, the checksums that a checkpoint may have.
#[derive(Clone, Debug, Default)]
pub struct Checksums(BTreeMap<String, Vec<u32>>);

impl Checksums {
    /// Reads the file at `path`; where there is none, nothing is known.
    pub async fn read(disk: &Disk, path: &Path) -> io::Result<Checksums> {
        let text = match disk.read(path).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut sums = Checksums::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(name) = words.next() else { continue };
            let known = words.filter_map(|word| u32::from_str_radix(word, 16).ok());
            sums.0.insert(name.to_owned(), known.collect());
        }
        Ok(sums)
    }

    /// A checkpoint is about to be written whose content has this checksum.
    pub fn expect(&mut self, name: &str, sum: u32) {
        // Before the first one is written there may be none.
        let known = self.0.entry(name.to_owned()).or_insert(vec![MISSING]);
        known.retain(|other| *other != sum);
        known.push(sum);
        let older = known.len().saturating_sub(KNOWN_MAX);
        known.drain(..older);
    }

    /// A checkpoint has the content with this checksum now, `None` where it is missing: what else
    /// was expected has not come to be, or is gone.
    pub fn settle(&mut self, name: &str, content: Option<&[u8]>) {
        if let Some(known) = self.0.get_mut(name) {
            *known = vec![content.map_or(MISSING, crc32c::crc32c)];
        }
    }

    /// Whether the checkpoint called `name` may have this content.
    pub fn allow(&self, name: &str, content: &[u8]) -> bool {
        let known = self.0.get(name);
        known.is_none_or(|known| known.contains(&crc32c::crc32c(content)))
    }

    /// Whether there may be no checkpoint called `name`.
    pub fn allow_missing(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_none_or(|known| known.contains(&MISSING))
    }

    /// The names of which something is known.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Notes the content of a file of which nothing is known; whether that is news.
    pub fn note(&mut self, name: &str, content: &[u8]) -> bool {
        let is_new = !self.0.contains_key(name);
        if is_new {
            let sum = crc32c::crc32c(content);
            self.0.insert(name.to_owned(), vec![sum]);
        }
        is_new
    }

    /// Whether the file called `name` is known to have this content, and no other.
    pub fn is(&self, name: &str, content: &[u8]) -> bool {
        let known = self.0.get(name);
        known.is_some_and(|known| *known == [crc32c::crc32c(content)])
    }

    /// Forgets a file; whether anything was known of it.
    pub fn forget(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let line = |(name, sums): (&String, &Vec<u32>)| {
            let sums: Vec<String> = sums.iter().map(|sum| format!(" {sum:08x}")).collect();
            format!("{name}{}\n", sums.concat())
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_known_however_often_its_replacement_is_interrupted() {
        let mut sums = Checksums::default();
        sums.expect("a", crc32c::crc32c(b"first"));
        for attempt in 0..20 {
            // A start finds the old content, and ends between the checksums and the checkpoint.
            assert!(sums.allow("a", b"first"), "attempt {attempt}");
            sums.settle("a", Some(b"first"));
            sums.expect("a", attempt);
        }
        assert!(!sums.allow_missing("a"));
        sums.settle("a", None);
        assert!(sums.allow_missing("a") && !sums.allow("a", b"first"));
        sums.settle("b", None);
        assert!(sums.allow("b", b"anything"), "nothing is known of it");
    }
}
