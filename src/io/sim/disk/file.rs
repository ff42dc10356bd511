//! Drives: an open file of a simulated disk.

use std::io;
use std::rc::Rc;

use super::{SimDisk, as_durable};
use crate::base::WallMs;
use crate::io::buffer::Slice;
use crate::io::durable::Durable;
use crate::io::sim::faults::Fault;
use crate::io::sim::state::{FileId, Node, Operation, Write};
use crate::io::sim::task::SimRuntime;

/// An open file.
#[derive(Clone)]
pub struct SimFile {
    disk: SimDisk,
    id: FileId,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, id: FileId) -> SimFile {
        SimFile { disk, id }
    }

    fn fails(&self, fault: Fault) -> io::Result<()> {
        self.disk.0.faults.fails(&self.disk.name_of(self.id), fault)
    }

    fn needs_descriptor(&self) -> io::Result<()> {
        let name = self.disk.name_of(self.id);
        self.disk.0.faults.needs_descriptor(&name)
    }

    /// Fails where there is no space for so many bytes more.
    fn lacks_space(&self, bytes: u64) -> io::Result<()> {
        let name = self.disk.name_of(self.id);
        self.disk.0.faults.lacks_space(&name, bytes)
    }

    pub(in crate::io) async fn read(&self, position: u64, len: usize) -> io::Result<Slice> {
        self.disk.counted("read");
        self.disk.perform(Operation::Look).await;
        self.fails(Fault::Read)?;
        let state = self.disk.0.state.borrow();
        let content = &state.now.files[self.id];
        let from = (position as usize).min(content.len());
        let to = (from + len).min(content.len());
        Ok(content[from..to].to_vec().into())
    }

    pub(in crate::io) async fn write(&self, position: u64, bytes: Rc<[u8]>) -> io::Result<usize> {
        self.disk.counted("write");
        self.fails(Fault::Write)?;
        let (len, position) = (bytes.len(), position as usize);
        let (durable_len, reserved) = {
            let state = self.disk.0.state.borrow();
            let reserved = state.reserved.get(&self.id).map_or(0, |it| it.1);
            (state.durable.files[self.id].len(), reserved)
        };
        let lies = self
            .disk
            .0
            .faults
            .lies_about(&Operation::Prepare(self.id, 0, 0));
        assert!(
            position + len <= durable_len.max(reserved) || lies,
            "a write to {position}..{} goes beyond the {durable_len} bytes prepared",
            position + len
        );
        let file = self.id;
        let write = Write {
            done_at: 0, // Set when it is done.
            file,
            position,
            bytes,
        };
        self.disk.perform(Operation::Write(write)).await;
        Ok(len)
    }

    pub(in crate::io) async fn flush(&self) -> io::Result<()> {
        self.disk.counted("flush");
        self.fails(Fault::Flush)?;
        let upto = self.disk.0.state.borrow().clock;
        self.disk.perform(Operation::Flush(self.id, upto)).await;
        Ok(())
    }

    pub(in crate::io) async fn prepare(&self, from: u64, to: u64) -> io::Result<()> {
        self.disk.counted("prepare");
        self.needs_descriptor()?;
        self.fails(Fault::Prepare)?;
        self.lacks_space(to - from)?;
        let operation = Operation::Prepare(self.id, from as usize, to as usize);
        self.disk.perform(operation).await;
        Ok(())
    }

    pub(in crate::io) async fn reserve(&self, from: u64, to: u64) -> io::Result<()> {
        self.disk.counted("reserve");
        self.needs_descriptor()?;
        self.fails(Fault::Prepare)?;
        self.lacks_space(to - from)?;
        let operation = Operation::Reserve(self.id, from as usize, to as usize);
        self.disk.perform(operation).await;
        Ok(())
    }

    pub(in crate::io) async fn truncate(
        &self,
        len: u64,
        modified_ms: WallMs,
        durable: Durable,
    ) -> io::Result<()> {
        self.disk.counted("truncate");
        let id = self.id;
        let state = &self.disk.0.state;
        state.borrow_mut().modified.insert(id, modified_ms);
        self.needs_descriptor()?;
        let operation = Operation::Truncate(self.id, len as usize);
        self.disk.perform(as_durable(operation, durable)).await;
        Ok(())
    }

    /// The executor that completes its operations.
    pub(in crate::io) fn runtime(&self) -> SimRuntime {
        self.disk.runtime()
    }

    /// Whether no name leads to it any more.
    pub(in crate::io) fn is_unlinked(&self) -> bool {
        let state = self.disk.0.state.borrow();
        let mut names = state.now.names.values();
        !names.any(|node| *node == Node::File(self.id))
    }

    /// The length at some moment before this returns.
    pub(in crate::io) async fn len(&self) -> u64 {
        let len = self.disk.0.state.borrow().now.files[self.id].len() as u64;
        self.disk.perform(Operation::Look).await;
        len
    }
}
