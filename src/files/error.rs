//! Every way in which work on a served file can fail, in the words of files; `commands/` turns them into replies.

use std::{fmt, io};

use nix::errno::Errno;

/// Why a file operation failed. What it displays is for the log.
#[derive(Debug)]
pub enum FileError {
    /// The account lacks the permission letter. Nothing was looked up.
    MissingPermission,
    /// No such name, or a link that leads nowhere.
    NotFound,
    /// A directory was wanted, or the path goes through something that is none.
    NotADirectory,
    /// A file was wanted.
    IsADirectory,
    /// A FIFO, socket or device, which are never opened.
    NotRegular,
    /// The name is taken.
    AlreadyExists,
    /// The name is taken, and this account may not replace what has it.
    MayNotReplace,
    /// A directory that still holds something.
    NotEmpty,
    /// A link leads out of the home.
    OutsideHome,
    /// Links that lead in a circle.
    LinkLoop,
    /// The home itself was to be renamed, removed or closed to its owner.
    RootItself,
    /// A restart or a range lies behind the end of the file.
    BeyondEnd {
        /// Where it was to begin or end, in bytes.
        offset: u64,
        /// The length of the file, in bytes.
        size: u64,
    },
    /// The disk is full, or has no more room for names.
    NoSpace,
    /// The disk quota of the owner is used up.
    OverQuota,
    /// Longer than the file system or the process limit allows.
    TooLarge,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The name or the path is longer than the file system allows.
    NameTooLong,
    /// The file system cannot hold this name, or a directory was to be moved into itself.
    InvalidName,
    /// A new name with a control byte.
    ControlByte,
    /// The operating system refuses it to this process.
    OsDenied,
    /// A time that the file system cannot keep.
    TimeNotKept,
    /// Busy or locked at the moment.
    TryAgain,
    /// The file was written in place, and its name stands for another by now, or for none.
    Displaced,
    /// The upload was begun for a file that another has replaced or changed since.
    Superseded,
    /// An upload that is to replace the file was interrupted: its end is not the end of the file.
    Interrupted,
    /// This process or the machine has no free file descriptor.
    TooManyOpen,
    /// Source and target are on different file systems.
    CrossDevice,
    /// No free name for STOU was found.
    NoUniqueName,
    /// Anything else: a disk that fails, a file server that is gone.
    Io(io::Error),
}

impl FileError {
    /// Whether an operator should know: the disk or the machine is in trouble, or this process lacks a right. Anything
    /// else is a client's mistake, or an answer to its question.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        matches!(
            self,
            Self::NoSpace | Self::OverQuota | Self::ReadOnly | Self::OsDenied | Self::TooManyOpen | Self::Io(_)
        )
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        let Some(number) = error.raw_os_error() else {
            // cap-std says «a path led outside of the filesystem» with this kind and without an error number.
            return match error.kind() {
                io::ErrorKind::PermissionDenied => Self::OutsideHome,
                _ => Self::Io(error),
            };
        };
        match Errno::from_raw(number) {
            Errno::ENOENT => Self::NotFound,
            Errno::ENOTDIR => Self::NotADirectory,
            Errno::EISDIR => Self::IsADirectory,
            // What open(2) says of sockets, of FIFOs that nobody reads, and of devices without a driver.
            Errno::ENXIO | Errno::ENODEV => Self::NotRegular,
            Errno::EEXIST => Self::AlreadyExists,
            Errno::ENOTEMPTY => Self::NotEmpty,
            Errno::ELOOP => Self::LinkLoop,
            Errno::ENOSPC => Self::NoSpace,
            Errno::EDQUOT => Self::OverQuota,
            Errno::EFBIG | Errno::EOVERFLOW => Self::TooLarge,
            Errno::EROFS => Self::ReadOnly,
            Errno::ENAMETOOLONG => Self::NameTooLong,
            Errno::EINVAL | Errno::EILSEQ => Self::InvalidName,
            Errno::EACCES | Errno::EPERM => Self::OsDenied,
            Errno::EAGAIN | Errno::EBUSY | Errno::ETXTBSY | Errno::EINTR => Self::TryAgain,
            Errno::EMFILE | Errno::ENFILE => Self::TooManyOpen,
            Errno::EXDEV => Self::CrossDevice,
            _ => Self::Io(error),
        }
    }
}

impl From<Errno> for FileError {
    fn from(number: Errno) -> Self {
        io::Error::from(number).into()
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MissingPermission => "the account lacks the permission",
            Self::NotFound => "no such file or directory",
            Self::NotADirectory => "not a directory",
            Self::IsADirectory => "is a directory",
            Self::NotRegular => "not a regular file",
            Self::AlreadyExists => "the name is taken",
            Self::MayNotReplace => "the account may not replace what is there",
            Self::NotEmpty => "the directory is not empty",
            Self::OutsideHome => "a link leads out of the home",
            Self::LinkLoop => "links lead in a circle",
            Self::RootItself => "the home itself stays as it is",
            Self::BeyondEnd { offset, size } => return write!(f, "offset {offset} is beyond the end at {size}"),
            Self::NoSpace => "no space left on the disk",
            Self::OverQuota => "the disk quota is used up",
            Self::TooLarge => "the file would be too large",
            Self::ReadOnly => "the file system is read-only",
            Self::NameTooLong => "the name is too long",
            Self::InvalidName => "the file system does not take this name or move",
            Self::ControlByte => "a new name holds a control byte",
            Self::OsDenied => "the operating system denies it to the server",
            Self::TimeNotKept => "the file system cannot keep this time",
            Self::TryAgain => "busy at the moment",
            Self::Displaced => "the file was replaced or removed while it was written",
            Self::Superseded => "the file was changed since the upload to it began",
            Self::Interrupted => "an upload that is to replace the file was interrupted",
            Self::TooManyOpen => "out of file descriptors",
            Self::CrossDevice => "source and target are on different file systems",
            Self::NoUniqueName => "no free name was found",
            Self::Io(error) => return write!(f, "{error}"),
        })
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_become_words() {
        for (number, want) in [
            (Errno::ENOENT, "no such file or directory"),
            (Errno::EISDIR, "is a directory"),
            (Errno::ENXIO, "not a regular file"),
            (Errno::ENOSPC, "no space left on the disk"),
            (Errno::EDQUOT, "the disk quota is used up"),
            (Errno::EFBIG, "the file would be too large"),
            (Errno::EROFS, "the file system is read-only"),
            (Errno::EACCES, "the operating system denies it to the server"),
            (Errno::EXDEV, "source and target are on different file systems"),
            (Errno::ENFILE, "out of file descriptors"),
            (Errno::EBUSY, "busy at the moment"),
            (Errno::EIO, "Input/output error (os error 5)"),
        ] {
            assert_eq!(FileError::from(number).to_string(), want);
        }
    }

    #[test]
    fn an_escape_is_no_denial_by_the_system() {
        let escape = io::Error::new(io::ErrorKind::PermissionDenied, "a path led outside of the filesystem");
        assert!(matches!(FileError::from(escape), FileError::OutsideHome));
        assert!(matches!(FileError::from(Errno::EPERM), FileError::OsDenied));
    }
}
