//! What was sent, when, and what of it must be there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard};

use sha2::{Digest, Sha256};

use crate::wire::PATIENCE;

/// Begins a content, and stands nowhere else in it.
const MARK: u8 = 0xff;

/// All deeds by name, and a clock that goes on with each step of anybody.
#[derive(Default)]
pub(super) struct Ledger {
    book: Mutex<Book>,
    step: Condvar,
}

#[derive(Default)]
struct Book {
    now: u64,
    last: u64,
    deeds: BTreeMap<String, Vec<Deed>>,
}

/// One upload, from its command to its reply or to the end of the server.
struct Deed {
    version: u64,
    began: u64,
    ended: Option<u64>,
    /// A client has read 226, or the content was seen under its name.
    known: bool,
}

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// An upload begins; its version, which no other has.
    pub(super) fn begin(&self, name: &str) -> u64 {
        let mut book = self.book();
        (book.now, book.last) = (book.now + 1, book.last + 1);
        let (began, version) = (book.now, book.last);
        let deed = Deed { version, began, ended: None, known: false };
        book.deeds.entry(name.to_owned()).or_default().push(deed);
        version
    }

    /// One that had ended begins once more.
    pub(super) fn begin_again(&self, name: &str, version: u64) {
        self.book().deed(name, version).ended = None;
    }

    /// It has ended: with 226, or nobody knows how.
    pub(super) fn end(&self, name: &str, version: u64, known: bool) {
        let mut book = self.book();
        let now = book.now + 1;
        book.now = now;
        let deed = book.deed(name, version);
        (deed.ended, deed.known) = (Some(now), known);
    }

    /// Somebody has done something.
    pub(super) fn step(&self) {
        self.book().now += 1;
        self.step.notify_all();
    }

    /// Waits until so many steps more were made.
    pub(super) fn await_steps(&self, count: u64) {
        let book = self.book();
        let then = book.now + count;
        let (_book, waited) = self.step.wait_timeout_while(book, PATIENCE * 3, |book| book.now < then).unwrap();
        assert!(!waited.timed_out(), "nobody moves");
    }

    /// Checks every name while nobody writes, and puts away those that nobody will write to again. How many.
    pub(super) fn check(&self, home: &Path) -> usize {
        let mut book = self.book();
        let names: Vec<String> = book.deeds.keys().cloned().collect();
        for name in &names {
            let content = std::fs::read(home.join(name)).ok();
            let deeds = book.deeds.get_mut(name).unwrap();
            match (&content, name.split('-').next()) {
                (None, _) => assert!(deeds.iter().all(|deed| !deed.known), "{name} is gone"),
                (Some(content), Some("empty")) => assert!(content.is_empty(), "{name}: {} bytes", content.len()),
                (Some(content), Some("log")) => check_log(name, content, deeds),
                (Some(content), _) => check_one(name, content, deeds),
            }
            if content.is_some() && (name.starts_with("new-") || book.is_retired(name)) {
                std::fs::remove_file(home.join(name)).unwrap();
                book.deeds.remove(name);
            }
        }
        names.len()
    }
}

impl Book {
    fn deed(&mut self, name: &str, version: u64) -> &mut Deed {
        let deeds = self.deeds.get_mut(name).unwrap();
        deeds.iter_mut().find(|deed| deed.version == version).unwrap()
    }

    /// Whether its writer has gone on to a log with a higher number.
    fn is_retired(&self, name: &str) -> bool {
        let Some((series, number)) = name.rsplit_once('-').filter(|_| name.starts_with("log-")) else { return false };
        let number: u64 = number.parse().unwrap();
        self.deeds.contains_key(&format!("{series}-{}", number + 1))
    }
}

/// One content, whole, that did not end before another which was acknowledged began.
fn check_one(name: &str, content: &[u8], deeds: &mut Vec<Deed>) {
    let version = whole(name, content).unwrap_or_else(|| panic!("{name} is broken: {} bytes", content.len()));
    let found = deeds.iter_mut().find(|deed| deed.version == version).expect("a content that nobody sent");
    found.known = true;
    let ended = found.ended.expect("nobody writes now");
    let lost = deeds.iter().find(|deed| deed.known && deed.began > ended);
    assert!(lost.is_none(), "{name}: 226 was read for {:?}, and {version} is there", lost.map(|deed| deed.version));
    // What was replaced cannot come back; what was not acknowledged may be gone on with.
    deeds.retain(|deed| deed.version == version || !deed.known);
}

/// All that was acknowledged, in its order. Halves of what was not may stand between.
fn check_log(name: &str, content: &[u8], deeds: &[Deed]) {
    let found: Vec<u64> = pieces(content).filter_map(|piece| whole(name, piece)).collect();
    assert!(found.is_sorted(), "{name}: {found:?}");
    for deed in deeds.iter().filter(|deed| deed.known) {
        assert!(found.contains(&deed.version), "{name}: 226 was read for {}; there are {found:?}", deed.version);
    }
}

fn pieces(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.chunk_by(|_, next| *next != MARK)
}

/// What a client sends: it says of itself what it is, and `length` bytes follow.
pub(super) fn content(name: &str, version: u64, length: usize) -> Vec<u8> {
    let mut state = version;
    let mut body = Vec::with_capacity(length + 8);
    while body.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        body.extend_from_slice(&(state & 0x7f7f_7f7f_7f7f_7f7f).to_le_bytes());
    }
    body.truncate(length);
    let header = format!("{name} {version} {length} {}\n", sum(&body));
    [&[MARK], header.as_bytes(), &body].concat()
}

/// The version of a content of this name that is whole.
fn whole(name: &str, content: &[u8]) -> Option<u64> {
    let end = content.iter().position(|byte| *byte == b'\n')?;
    let (header, body) = (std::str::from_utf8(content.get(1..end)?).ok()?, &content[end + 1..]);
    let [own, version, length, digest] = header.split(' ').collect::<Vec<_>>()[..] else { return None };
    let is_whole = content[0] == MARK && own == name && length == body.len().to_string() && digest == sum(body);
    version.parse().ok().filter(|_| is_whole)
}

fn sum(body: &[u8]) -> String {
    Sha256::digest(body)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
