//! Drives: what Cargo tells the tests and benchmarks of the broker's own package, and no other.

use std::path::Path;

use tempfile::TempDir;

use crate::Start;

/// The broker's program and the folder for temporary files, as [`crate::here!`] finds them.
#[derive(Clone, Copy, Debug)]
pub struct Here {
    /// Path of the broker's program.
    pub broker: &'static str,
    /// A folder of the build, on a file system with direct I/O.
    pub tmp: &'static str,
}

/// A [`Here`], from the variables that Cargo sets while it builds a test or benchmark of the
/// broker's package: `const HERE: Here = corelane_testing::here!();`
#[macro_export]
macro_rules! here {
    () => {
        $crate::Here {
            broker: env!("CARGO_BIN_EXE_corelane"),
            tmp: env!("CARGO_TARGET_TMPDIR"),
        }
    };
}

impl Here {
    /// A folder on a file system with direct I/O, removed when dropped.
    pub fn data_dir(&self) -> TempDir {
        tempfile::tempdir_in(self.tmp).unwrap()
    }

    /// How to start a broker of one shard on free ports with this data folder.
    pub fn start(&self, dir: &Path) -> Start {
        Start::new(self.broker, dir)
    }

    /// The same with several data folders.
    pub fn start_on(&self, dirs: &[&Path]) -> Start {
        let names: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        self.start(Path::new(&names.join(",")))
    }
}
