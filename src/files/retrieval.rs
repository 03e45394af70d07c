//! A file on its way to a client.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use cap_std::fs::OpenOptions;

use super::jail::open_regular;
use super::{FileError, Home};
use crate::path::VirtualPath;
use crate::users::Permission;

/// An open file, and how much of it is to be sent: what is appended after the opening is not.
#[derive(Debug)]
pub struct Retrieval {
    /// The file, standing at `offset`.
    pub file: File,
    /// Where to begin, in bytes; at most `size`.
    pub offset: u64,
    /// The length of the file when it was opened, in bytes. If fewer can be read, the file was cut meanwhile.
    pub size: u64,
}

impl Home {
    /// Opens a file for reading from `offset` on (REST, RFC 3659, section 5). At the very end is allowed: nothing is left.
    ///
    /// # Errors
    /// Needs `r`. See [`FileError`].
    pub fn retrieve(&self, path: &VirtualPath, offset: u64) -> Result<Retrieval, FileError> {
        self.ask(Permission::Retrieve)?;
        let (mut file, size) = open_regular(self.root(), path, OpenOptions::new().read(true))?;
        if offset > size {
            return Err(FileError::BeyondEnd { offset, size });
        }
        file.seek(SeekFrom::Start(offset))?;
        Ok(Retrieval { file, offset, size })
    }
}
