//! The one table that turns a failure of the layers below into a reply. Private detail stays in the log.

use crate::data::{Failure, Report};
use crate::files::FileError;
use crate::path::BadName;
use crate::protocol::{Reply, replies};
use crate::tls::Exposed;

impl From<BadName> for Reply {
    fn from(why: BadName) -> Self {
        match why {
            BadName::ForbiddenByte => replies::forbidden_byte(),
            BadName::Reserved => replies::invalid_name(),
            BadName::ComponentTooLong | BadName::TooLong => replies::name_too_long(),
        }
    }
}

impl From<&FileError> for Reply {
    fn from(why: &FileError) -> Self {
        match why {
            FileError::MissingPermission => replies::not_enough_privileges(),
            FileError::NotADirectory => replies::unavailable("Not a directory."),
            FileError::IsADirectory => replies::unavailable("Is a directory."),
            FileError::NotRegular => replies::unavailable("Not a regular file."),
            FileError::AlreadyExists => replies::unavailable("File exists."),
            FileError::MayNotReplace => replies::may_not_replace(),
            FileError::NotEmpty => replies::unavailable("Directory not empty."),
            // What lies outside is not there, so that nothing is told of it.
            FileError::NotFound | FileError::OutsideHome => replies::unavailable("No such file or directory."),
            FileError::LinkLoop => replies::unavailable("Too many levels of symbolic links."),
            FileError::RootItself => replies::unavailable("Not allowed on the home directory."),
            FileError::BeyondEnd { offset, size } => replies::restart_beyond_end(*offset, *size),
            FileError::NoSpace => replies::no_space(),
            FileError::OverQuota => replies::over_quota(),
            FileError::InvalidName => replies::invalid_name(),
            FileError::ControlByte => replies::control_byte(),
            FileError::TooLarge => replies::file_too_large(),
            FileError::ReadOnly => replies::unavailable("Read-only file system."),
            FileError::NameTooLong => replies::name_too_long(),
            FileError::OsDenied => replies::unavailable("Permission denied."),
            FileError::CrossDevice => replies::unavailable("Not possible across file systems."),
            FileError::NoUniqueName => replies::no_unique_name(),
            FileError::Displaced => replies::displaced(),
            FileError::Superseded => replies::superseded(),
            FileError::TimeNotKept => replies::unavailable("The file system cannot keep this time."),
            FileError::Interrupted => replies::interrupted(),
            FileError::TryAgain | FileError::TooManyOpen => replies::try_again(),
            FileError::Io(_) => replies::local_error(),
        }
    }
}

impl From<&Report> for Reply {
    fn from(report: &Report) -> Self {
        match &report.outcome {
            Ok(()) => replies::transfer_complete(),
            Err(Failure::NoConnection(_)) => replies::no_data_connection(),
            Err(Failure::Exposed(Exposed::NotResumed)) => replies::session_not_reused(),
            Err(Failure::Exposed(_)) => replies::data_not_protected(),
            Err(Failure::Stalled) => replies::transfer_stalled(report.bytes),
            Err(Failure::Broken(_)) => replies::transfer_broken(report.bytes),
            Err(Failure::Aborted | Failure::Deserted) => replies::transfer_aborted(),
            Err(Failure::File(why)) => why.into(),
        }
    }
}
