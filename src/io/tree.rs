//! Drives: folders and files as wholes. Each call waits for the disk: for commands and a start.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::disk::modified_ms;
use super::entry::Entry;

/// What the folder `dir` holds, by rising names; names that are not UTF-8 are left out.
pub fn list(dir: &Path) -> io::Result<Vec<Entry>> {
    let entry = |name: String| {
        let metadata = fs::metadata(dir.join(&name))?;
        Ok(Entry {
            name,
            bytes: metadata.len(),
            is_dir: metadata.is_dir(),
            modified_ms: modified_ms(&metadata),
        })
    };
    names(dir)?.into_iter().map(entry).collect()
}

/// The names in a folder, in order; those that are not UTF-8 are left out. What has the names is
/// not looked at.
pub fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// The whole content of a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// The whole content of a file; `None` where there is none.
pub fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first `len` bytes of a file, or all of a shorter one.
pub fn read_head(path: &Path, len: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    io::Read::read_to_end(
        &mut io::Read::take(File::open(path)?, len as u64),
        &mut head,
    )?;
    Ok(head)
}

/// The text of a file, without the white space around it; `None` where it cannot be read.
pub fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

/// Where a path leads when every link is followed; `None` where it leads nowhere.
pub fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// Whether there is something of this name.
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes a folder and those above it.
pub fn make_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Writes a file that must not be there yet, durably but for its name.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    io::Write::write_all(&mut file, content)?;
    file.sync_all()
}

/// Appends to a file, which is made if it is not there, durably but for its name.
pub fn append(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    io::Write::write_all(&mut file, content)?;
    file.sync_all()
}

/// Copies a file to a place where there must be none yet, durably but for its name. File systems
/// that can share the blocks of two files do so. The copy counts as modified when `from` was.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut copy = File::create_new(to)?;
    io::copy(&mut source, &mut copy)?;
    // Records without timestamps are as old as their file says.
    copy.set_modified(source.metadata()?.modified()?)?;
    copy.sync_all()
}

/// Gives a file a second name; `false` where that is not possible: another file system, or one
/// without such links.
pub fn link(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
        Err(_) => Ok(false),
    }
}

/// Whether this process may give a file a second name: Linux lets it do so with its own files and
/// with those that it may write (`fs.protected_hardlinks`). Nothing is changed.
pub fn may_link(path: &Path) -> bool {
    let owner = |path: &Path| fs::metadata(path).ok().map(|it| it.uid());
    let is_own = owner(path).is_some_and(|it| Some(it) == owner(Path::new("/proc/self")));
    is_own || File::options().read(true).write(true).open(path).is_ok()
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Gives a file or folder another name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Makes the names in a folder durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Whether another process holds a lock on the file in the way that Java takes them (POSIX
/// record locks); a file that is not there is not locked.
#[allow(unsafe_code)]
pub fn is_locked_by_java(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    // SAFETY: all zeros is a valid flock: the whole file, from its start.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: an owned descriptor and a flock that the call fills in.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// The last part of a path, as people call it.
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().map(OsStr::to_string_lossy);
    name.unwrap_or_default().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_share_copies_do_not_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        write_new(&path("a"), b"one").unwrap();
        assert!(may_link(&path("a")) && !may_link(&path("missing")));
        assert!(link(&path("a"), &path("b")).unwrap());
        copy(&path("a"), &path("c")).unwrap();
        fs::write(path("a"), b"two").unwrap();
        append(&path("c"), b" more").unwrap();
        append(&path("new"), b"").unwrap();
        assert_eq!(read(&path("b")).unwrap(), b"two");
        assert_eq!(read(&path("c")).unwrap(), b"one more");
        for done in [
            write_new(&path("c"), b"x"),
            copy(&path("a"), &path("c")),
            link(&path("a"), &path("c")).map(drop),
        ] {
            assert_eq!(done.unwrap_err().kind(), ErrorKind::AlreadyExists);
        }
        let names: Vec<_> = list(dir.path())
            .unwrap()
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(names, ["a", "b", "c", "new"]);
        assert!(!is_locked_by_java(&path("a")).unwrap());
        assert!(!is_locked_by_java(&path("missing")).unwrap());
        assert_eq!(read_if_there(&path("missing")).unwrap(), None);
    }
}
