//! Drives: bytes put into a file by its name, as a start does.

use std::io;
use std::path::Path;

use super::SimDisk;
use crate::io::sim::faults::Fault;
use crate::io::sim::state::{Operation, Write};

impl SimDisk {
    pub(in crate::io) async fn patch(
        &self,
        path: &Path,
        patches: &[(u64, Vec<u8>)],
    ) -> io::Result<()> {
        self.counted("patch");
        self.0.faults.needs_descriptor(path)?;
        self.0.faults.fails(path, Fault::Write)?;
        let file = match self.file_id(path) {
            Ok(id) => id,
            Err(_) => self.new_file(path)?,
        };
        for (position, bytes) in patches {
            let (position, end) = (*position as usize, *position as usize + bytes.len());
            let len = self.0.state.borrow().now.files[file].len();
            if end > len {
                self.perform(Operation::Reserve(file, len, end)).await;
            }
            let write = Write {
                done_at: 0, // Set when it is done.
                file,
                position,
                bytes: bytes.as_slice().into(),
            };
            self.perform(Operation::Write(write)).await;
        }
        Ok(())
    }
}
