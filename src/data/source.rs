//! What can be sent to a client, as blocks of bytes: a file, as it is or with its line ends converted, or a listing.

use crate::files::{FileError, Home, Retrieval};
use crate::listing::Entry;
use crate::path::VirtualPath;
use crate::protocol::ascii::ToWire;

/// Up to this many bytes are read when a file or directory is opened.
const FIRST: usize = 64 * 1024;

/// What is sent to a client. Its beginning is here already, read on the same way off the reactor on which it was opened:
/// most files and directories are short and need no other way.
pub struct Outgoing {
    pub(super) first: Vec<u8>,
    pub(super) rest: Rest,
}

/// What comes after the beginning.
pub(super) enum Rest {
    Nothing,
    Blocks(Box<dyn Source>),
    /// A file as it is, which the kernel can send by itself.
    File(Retrieval),
}

/// A stream of blocks. Its calls may block, so they are made off the reactor.
pub(super) trait Source: Send {
    /// Appends about `most` bytes to `block`. Tells whether more may come.
    ///
    /// # Errors
    /// What the file system says.
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<bool, FileError>;
}

/// The entries of a listing, found one by one.
pub type Entries = Box<dyn Iterator<Item = Result<Entry, FileError>> + Send>;

/// Writes one entry of a directory as a line.
pub type ListForm = Box<dyn FnMut(&mut Vec<u8>, &Entry) + Send>;

impl Outgoing {
    /// A file; `ascii` asks for the line-end conversion of TYPE A. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn file(file: Retrieval, ascii: bool) -> Result<Self, FileError> {
        if ascii {
            Self::begin(AsciiFile { file, converter: ToWire::default(), raw: Vec::new() })
        } else if file.left(FIRST) < FIRST {
            Self::begin(file)
        } else {
            Ok(Self { first: Vec::new(), rest: Rest::File(file) })
        }
    }

    /// A file as it is, from `offset` on, if it can be had without waiting: it is opened, and read if it is short, or
    /// none of both.
    #[must_use]
    pub fn file_at_once(home: &Home, path: &VirtualPath, offset: u64) -> Option<Self> {
        let (file, first) = home.retrieve_at_once(path, offset, FIRST)?;
        let rest = if file.left(1) > 0 { Rest::File(file) } else { Rest::Nothing };
        Some(Self { first, rest })
    }

    /// A directory, each of its entries written by `form`. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn listing(entries: Entries, form: ListForm) -> Result<Self, FileError> {
        Self::begin(Listing { entries, form })
    }

    /// How many bytes it is, where that is known before all of it is read.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        let rest = match &self.rest {
            Rest::Nothing => 0,
            Rest::File(file) => file.size - file.offset,
            Rest::Blocks(_) => return None,
        };
        Some(self.first.len() as u64 + rest)
    }

    /// All of it, if all of it is here.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        matches!(self.rest, Rest::Nothing).then_some(&self.first)
    }

    /// After so many bytes of its beginning were sent.
    pub(super) fn forget(&mut self, sent: usize) {
        self.first.drain(..sent);
    }

    fn begin(mut source: impl Source + 'static) -> Result<Self, FileError> {
        let mut first = Vec::new();
        let is_more = source.fill(&mut first, FIRST)?;
        Ok(Self { first, rest: if is_more { Rest::Blocks(Box::new(source)) } else { Rest::Nothing } })
    }
}

impl Source for Retrieval {
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<bool, FileError> {
        self.read_block(block, most)?;
        Ok(self.left(1) > 0)
    }
}

struct AsciiFile {
    file: Retrieval,
    converter: ToWire,
    raw: Vec<u8>,
}

impl Source for AsciiFile {
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<bool, FileError> {
        self.raw.clear();
        let is_more = self.file.fill(&mut self.raw, most)?;
        self.converter.convert(&self.raw, block);
        Ok(is_more)
    }
}

struct Listing {
    entries: Entries,
    form: ListForm,
}

impl Source for Listing {
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<bool, FileError> {
        while block.len() < most {
            let Some(entry) = self.entries.next() else { return Ok(false) };
            (self.form)(block, &entry?);
        }
        Ok(true)
    }
}
