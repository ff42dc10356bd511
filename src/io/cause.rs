//! Pure: whose fault an error of the kernel is. The one place where that is decided: a caller that
//! gives up a log, a folder or a partition asks here first.

use std::io::{self, ErrorKind};

use glommio::GlommioError;

/// Whose fault an error is, and so what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The device, the file system, or what a person did to its files: trying again does not help,
    /// and what was to be written may be lost.
    Device,
    /// The device, or the share of it that one user may have, is full: it works again once there
    /// is room.
    NoRoom,
    /// This process or its host is short of something that is not on the disk: descriptors or
    /// memory. The operation was not begun; it works again once there is some.
    Host,
    /// The call was interrupted, or is to be made again: that tells nothing about disk or host.
    Passing,
}

/// An error of the runtime with what the kernel said: the runtime's own conversion keeps only
/// the text.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Named {
    text: String,
    source: io::Error,
}

// === impl Cause ===

impl Cause {
    /// Whose fault `error` is.
    pub fn of(error: &io::Error) -> Cause {
        match errno(error) {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => Cause::Host,
            Some(libc::EINTR | libc::EAGAIN) => Cause::Passing,
            Some(libc::ENOSPC | libc::EDQUOT) => Cause::NoRoom,
            Some(_) => Cause::Device,
            None => match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Cause::NoRoom,
                ErrorKind::OutOfMemory => Cause::Host,
                ErrorKind::Interrupted | ErrorKind::WouldBlock => Cause::Passing,
                _ => Cause::Device,
            },
        }
    }

    /// Whether the same call may well work in a moment, with nothing done to the disk.
    pub fn is_of_the_host(self) -> bool {
        matches!(self, Cause::Host | Cause::Passing)
    }
}

/// Whether `error` says that the device, or a user's quota on it, is full.
pub fn is_lack_of_room(error: &io::Error) -> bool {
    Cause::of(error) == Cause::NoRoom
}

/// The number that the kernel gave, wherever in the error it is kept.
pub fn errno(error: &io::Error) -> Option<i32> {
    error.raw_os_error().or_else(|| {
        let inner = error.get_ref()?.downcast_ref::<Named>()?;
        inner.source.raw_os_error()
    })
}

/// The runtime's error as one of the standard library that still knows the kernel's number.
pub(super) fn from_runtime(error: GlommioError<()>) -> io::Error {
    match error {
        GlommioError::EnhancedIoError {
            source, op, path, ..
        } => {
            let text = match path {
                Some(path) => format!("{op} {}: {source}", path.display()),
                None => format!("{op}: {source}"),
            };
            io::Error::new(source.kind(), Named { text, source })
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_is_to_blame_for_what_is_not_short_or_passing() {
        for (code, cause) in [
            (libc::EMFILE, Cause::Host),
            (libc::ENFILE, Cause::Host),
            (libc::ENOMEM, Cause::Host),
            (libc::ENOBUFS, Cause::Host),
            (libc::EINTR, Cause::Passing),
            (libc::EAGAIN, Cause::Passing),
            (libc::ENOSPC, Cause::NoRoom),
            (libc::EDQUOT, Cause::NoRoom),
            (libc::EIO, Cause::Device),
            (libc::EROFS, Cause::Device),
            (libc::ENOENT, Cause::Device),
            (libc::ESTALE, Cause::Device),
            (libc::ENODEV, Cause::Device),
            (libc::EACCES, Cause::Device),
        ] {
            assert_eq!(Cause::of(&io::Error::from_raw_os_error(code)), cause);
        }
        assert_eq!(Cause::of(&io::Error::other("shrunk")), Cause::Device);
        assert_eq!(Cause::of(&ErrorKind::StorageFull.into()), Cause::NoRoom);
    }

    #[test]
    fn an_error_of_the_runtime_keeps_its_number() {
        let error = from_runtime(GlommioError::EnhancedIoError {
            source: io::Error::from_raw_os_error(libc::EMFILE),
            op: "Opening",
            path: Some("/d/f".into()),
            fd: None,
        });
        assert_eq!(errno(&error), Some(libc::EMFILE));
        assert_eq!(Cause::of(&error), Cause::Host);
        assert!(error.to_string().starts_with("Opening /d/f: "), "{error}");
    }
}
