//! What the homes may hold afterwards. Loose on purpose: names rather than paths, and whatever might have been made where
//! replies were not told apart. Tighten it here.

use std::collections::BTreeSet;

use longshore::protocol::Argument;

use super::script::Who;

/// Random letters and digits that STOU puts behind a dot.
const UNIQUE_SUFFIX: usize = 8;

pub(super) struct Model {
    /// Whether somebody may have been there who may write.
    pub(super) writable: bool,
    /// Names that may have been made.
    names: BTreeSet<Vec<u8>>,
    /// What STOU was asked for.
    wishes: BTreeSet<Vec<u8>>,
}

impl Model {
    pub(super) fn new(who: Who) -> Self {
        Self { writable: who == Who::Bob, names: BTreeSet::new(), wishes: BTreeSet::new() }
    }

    /// Notes a line that was sent. `refused`: its one reply says for certain that nothing came of it.
    pub(super) fn note(&mut self, line: &[u8], refused: bool) {
        let (verb, argument) = Argument::split(line);
        let components = argument.bytes().split(|&byte| byte == b'/').map(<[u8]>::to_vec);
        match verb.as_slice() {
            b"USER" if argument.bytes() == b"bob" => self.writable = true,
            b"MKD" | b"XMKD" | b"RNTO" | b"STOR" | b"APPE" if !refused => self.names.extend(components),
            b"STOU" if !refused => {
                self.wishes.extend(components);
                self.wishes.insert(b"ftpd".to_vec());
            }
            // The file is to be called as the folder then, by `STOU .`.
            b"CWD" | b"XCWD" if !refused => self.wishes.extend(components),
            _ => {}
        }
    }

    /// Whether something new may have this name. The server makes none of its own: what it would leave of a broken upload
    /// belongs here.
    pub(super) fn may_exist(&self, name: &[u8]) -> bool {
        self.names.contains(name) || self.is_unique(name)
    }

    fn is_unique(&self, name: &[u8]) -> bool {
        let Some(dot) = name.len().checked_sub(UNIQUE_SUFFIX + 1) else { return false };
        // A long wish is cut.
        name[dot] == b'.' && dot > 0 && self.wishes.iter().any(|wish| wish.starts_with(&name[..dot]))
    }
}
