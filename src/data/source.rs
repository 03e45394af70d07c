//! What can be sent to a client, as blocks of bytes: a file, as it is or with its line ends converted, or a listing.

use crate::files::{FileError, Retrieval};
use crate::listing::Facts;
use crate::protocol::ascii::ToWire;

/// A stream of blocks. Its calls may block, so they are made off the reactor.
pub trait Source: Send {
    /// Appends about `most` bytes to `block`; nothing appended is the end.
    ///
    /// # Errors
    /// What the file system says.
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<(), FileError>;
}

/// The entries of a listing, found one by one.
pub type Entries = Box<dyn Iterator<Item = Result<(Vec<u8>, Facts), FileError>> + Send>;

/// Writes one entry of a directory as a line.
pub type ListForm = Box<dyn FnMut(&mut Vec<u8>, &[u8], &Facts) + Send>;

/// A file; `ascii` asks for the line-end conversion of TYPE A.
#[must_use]
pub fn file_source(file: Retrieval, ascii: bool) -> Box<dyn Source> {
    if ascii { Box::new(AsciiFile { file, converter: ToWire::default(), raw: Vec::new() }) } else { Box::new(file) }
}

/// A directory, each of its entries written by `form`.
#[must_use]
pub fn listing_source(entries: Entries, form: ListForm) -> Box<dyn Source> {
    Box::new(Listing { entries, form })
}

impl Source for Retrieval {
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<(), FileError> {
        self.read_block(block, most)
    }
}

struct AsciiFile {
    file: Retrieval,
    converter: ToWire,
    raw: Vec<u8>,
}

impl Source for AsciiFile {
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<(), FileError> {
        self.raw.clear();
        self.file.read_block(&mut self.raw, most)?;
        self.converter.convert(&self.raw, block);
        Ok(())
    }
}

struct Listing {
    entries: Entries,
    form: ListForm,
}

impl Source for Listing {
    fn fill(&mut self, block: &mut Vec<u8>, most: usize) -> Result<(), FileError> {
        while block.len() < most {
            let Some(entry) = self.entries.next() else { break };
            let (name, facts) = entry?;
            (self.form)(block, &name, &facts);
        }
        Ok(())
    }
}
