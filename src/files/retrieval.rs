//! A file on its way to a client.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use cap_std::fs::OpenOptions;

use super::jail::open_regular;
use super::{FileError, Home};
use crate::path::VirtualPath;
use crate::settings::Permission;

/// An open file, and how much of it is to be sent: what is appended after the opening is not.
#[derive(Debug)]
pub struct Retrieval {
    /// The file, standing at `offset`.
    pub file: File,
    /// Where the next byte to send stands; at most `size`.
    pub offset: u64,
    /// The length of the file when it was opened, in bytes. If fewer can be read, the file was cut meanwhile.
    pub size: u64,
}

impl Retrieval {
    /// Appends at most `most` bytes to `block`; none are appended at the end.
    ///
    /// # Errors
    /// See [`FileError`]. A file that was cut meanwhile is an error: what was promised cannot be sent.
    pub fn read_block(&mut self, block: &mut Vec<u8>, most: usize) -> Result<(), FileError> {
        let rest = self.size - self.offset;
        let most = usize::try_from(rest).map_or(most, |rest| rest.min(most));
        let before = block.len();
        self.file.by_ref().take(most as u64).read_to_end(block)?;
        let count = block.len() - before;
        self.offset += count as u64;
        if count < most { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) } else { Ok(()) }
    }
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
