//! Checksums of a file, or of a part of one (HASH, XCRC, XMD5, XSHA…).

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};

use sha2::digest::DynDigest;

use super::{FileError, Home, Retrieval};
use crate::path::VirtualPath;

/// How a checksum is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// The CRC of zip and Ethernet.
    Crc32,
    /// RFC 1321.
    Md5,
    /// RFC 3174.
    Sha1,
    /// RFC 6234.
    Sha256,
    /// RFC 6234.
    Sha512,
}

/// A checksum and the bytes that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The first byte.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
    /// The checksum in lower-case hexadecimal.
    pub hex: String,
}

/// How much is read between two looks at whether to go on, in bytes.
const BLOCK: usize = 128 * 1024;

impl Algorithm {
    /// All, the weakest first.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// The name in HASH and FEAT (draft-bryan-ftpext-hash).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        }
    }

    /// The algorithm of that name, in any case.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }

    fn start(self) -> Running {
        match self {
            Self::Crc32 => Running::Crc32(crc32fast::Hasher::new()),
            Self::Md5 => Running::Other(Box::<md5::Md5>::default()),
            Self::Sha1 => Running::Other(Box::<sha1::Sha1>::default()),
            Self::Sha256 => Running::Other(Box::<sha2::Sha256>::default()),
            Self::Sha512 => Running::Other(Box::<sha2::Sha512>::default()),
        }
    }
}

/// A checksum that is being made.
pub struct Summing {
    file: File,
    running: Running,
    start: u64,
    end: u64,
    /// Bytes that are still to be read.
    rest: u64,
}

impl Home {
    /// Begins the checksum of the bytes of `path` from `start` up to `end`, or to the end of the file.
    ///
    /// # Errors
    /// Needs `r`; see [`FileError`].
    pub fn summing(
        &self,
        path: &VirtualPath,
        algorithm: Algorithm,
        start: u64,
        end: Option<u64>,
    ) -> Result<Summing, FileError> {
        let Retrieval { file, size, .. } = self.retrieve(path, start)?;
        let end = end.unwrap_or(size);
        if end > size {
            return Err(FileError::BeyondEnd { offset: end, size });
        }
        let rest = end.checked_sub(start).ok_or(FileError::BeyondEnd { offset: start, size: end })?;
        Ok(Summing { file, running: algorithm.start(), start, end, rest })
    }
}

impl Summing {
    /// Reads on for as long as `goes_on` says so. `None` if bytes are left.
    ///
    /// # Errors
    /// The file became shorter, or could not be read.
    pub fn read_on(&mut self, goes_on: impl Fn() -> bool) -> io::Result<Option<Digest>> {
        let mut block = vec![0; BLOCK];
        while self.rest > 0 {
            if !goes_on() {
                return Ok(None);
            }
            let most = usize::try_from(self.rest).map_or(BLOCK, |rest| rest.min(BLOCK));
            match self.file.read(&mut block[..most]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.running.update(&block[..count]);
                    self.rest -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Digest { start: self.start, end: self.end, hex: self.running.finish() }))
    }
}

enum Running {
    Crc32(crc32fast::Hasher),
    Other(Box<dyn DynDigest + Send>),
}

impl Running {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Other(hasher) => hasher.update(bytes),
        }
    }

    /// Once.
    fn finish(&mut self) -> String {
        match self {
            Self::Crc32(hasher) => format!("{:08x}", std::mem::take(hasher).finalize()),
            Self::Other(hasher) => hasher.finalize_reset().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
        }
    }
}
