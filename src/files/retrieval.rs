//! A file on its way to a client.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;

use cap_std::fs::OpenOptions;
use rustix::fs::sendfile;

use super::jail::look_and_open;
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
        let before = block.len();
        block.resize(before + self.left(most), 0);
        self.file.read_exact(&mut block[before..])?;
        self.offset += (block.len() - before) as u64;
        Ok(())
    }

    /// Has the kernel move at most `most` bytes to a socket. Tells how many it moved: none only at the end.
    ///
    /// # Errors
    /// What the kernel says, be it of the file or of the socket. A file that was cut meanwhile is an error.
    pub fn send_to(&mut self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        let most = self.left(most);
        let sent = sendfile(socket, &self.file, None, most)?;
        if sent == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += sent as u64;
        Ok(sent)
    }

    /// What is left to be sent, in bytes, as far as it is not more than `most`.
    #[must_use]
    pub fn left(&self, most: usize) -> usize {
        usize::try_from(self.size - self.offset).map_or(most, |left| left.min(most))
    }
}

impl Home {
    /// Opens a file for reading from `offset` on (REST, RFC 3659, section 5). At the very end is allowed: nothing is left.
    ///
    /// # Errors
    /// Needs `r`. See [`FileError`].
    pub fn retrieve(&self, path: &VirtualPath, offset: u64) -> Result<Retrieval, FileError> {
        self.ask(Permission::Retrieve)?;
        let (mut file, size) = look_and_open(self.root(), path, OpenOptions::new().read(true))?;
        if offset > size {
            return Err(FileError::BeyondEnd { offset, size });
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        Ok(Retrieval { file, offset, size })
    }
}
