//! What may be there: each reply of success is one change of one name, as the reply promises it, and nothing else changes
//! anything. Of steps at the same time, some order explains all.

use std::borrow::Cow;
use std::collections::BTreeMap;

use longshore::settings::UploadMode;

use super::script::{Act, Script, Turn, Verb};
use super::{Deed, Files};

type Content = Option<Vec<u8>>;

pub(super) struct Oracle<'a> {
    script: &'a Script,
    pub(super) files: Files,
    pub(super) uploads: Vec<Option<Upload>>,
    left: Vec<Left>,
    next: u8,
    /// What the server takes up when the first byte comes, or the end, is not seen from outside: what could be is reckoned
    /// with, and nothing has to succeed.
    is_afar: bool,
    /// Killed servers leave files that nobody can go on with.
    pub(super) was_killed: bool,
}

/// One under way.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) verb: Verb,
    pub(super) name: String,
    pub(super) offset: usize,
    /// What its name may have stood for when it was asked for and begun.
    based_on: Vec<Content>,
    /// What it may go on with.
    resumes: Vec<Left>,
    pub(super) is_open: bool,
    pub(super) written: Vec<u8>,
    /// The files that it may go to, in place: the one that was there when it was asked for, and the one when it was begun.
    pub(super) inodes: Vec<u64>,
    /// Others did something to the name meanwhile.
    is_disturbed: bool,
}

/// What a broken upload may have left for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    user: String,
    name: String,
    bytes: Vec<u8>,
    /// What the name stood for when it was begun.
    stood: Vec<Content>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        let uploads = vec![None; script.seats.len()];
        Self { script, files: Files::new(), uploads, left: Vec::new(), next: 0, is_afar: false, was_killed: false }
    }

    /// For sessions of which only the replies are known.
    pub(super) fn from_afar(script: &'a Script) -> Self {
        Self { is_afar: true, ..Self::new(script) }
    }

    /// So many bytes that nobody wrote before; none if there are no more.
    pub(super) fn bytes(&mut self, act: &Act) -> Vec<u8> {
        let Act::Write(count) = act else { return Vec::new() };
        let end = self.next.saturating_add(*count);
        if end > super::script::MOST_BYTES {
            return Vec::new();
        }
        let bytes = (self.next..end).collect();
        self.next = end;
        bytes
    }

    /// Judges what is there after these turns.
    pub(super) fn judge(
        &mut self,
        turns: &[(Turn, Vec<u8>)],
        deeds: &[Deed],
        found: Files,
        inodes: impl FnOnce() -> BTreeMap<String, u64>,
    ) -> Result<(), String> {
        let told: Vec<(&Turn, &Deed)> = turns.iter().map(|(turn, _)| turn).zip(deeds).collect();
        let mut promises: Vec<_> = told.iter().copied().filter(|(_, deed)| deed.is_promise()).collect();
        let mut in_place = None;
        let is_explained = match (self.script.mode, turns) {
            (UploadMode::Direct, [(turn, bytes)]) => {
                let inodes = in_place.insert(inodes());
                self.in_place(turn, bytes, &deeds[0], inodes)?.contains(&found)
            }
            _ => self.explains(&self.files, &mut promises, &found),
        };
        if !is_explained {
            return Err(format!("{found:?} is there, and before it was {:?}", self.files));
        }
        for (turn, deed) in &told {
            if let (Deed::Committed(Some(size)), Some(upload)) = (deed, &self.uploads[turn.seat])
                && let Some(content) = found.get(&upload.name)
                && turns.len() == 1
                && content.len() as u64 != *size
            {
                return Err(format!("226 of {size} bytes, and there are {}", content.len()));
            }
        }
        if let [(turn, Deed::Refused(error))] = told[..]
            && self.has_to_succeed(turn)
        {
            return Err(format!("refused: {error:?}"));
        }
        let before = std::mem::replace(&mut self.files, found);
        // What broke at the same time as its name was removed may have been left after that.
        let (first, last): (Vec<_>, Vec<_>) =
            told.iter().partition(|(_, deed)| matches!(deed, Deed::Deleted | Deed::Renamed(_)));
        for (turn, deed) in first.into_iter().chain(last) {
            self.note(turn, deed, &before);
        }
        for (turn, deed) in &told {
            match deed {
                Deed::Asked(..) => self.ask(turn.seat, in_place.as_ref()),
                Deed::Opened => self.open(turn.seat, in_place.as_ref()),
                _ => {}
            }
        }
        // What was replaced by the same bytes is not the same file.
        let is_disturbed = told.len() > 1 || told.iter().any(|(_, deed)| deed.is_promise());
        for (seat, upload) in self.uploads.iter_mut().enumerate() {
            // Nor is what another session of the user began again.
            let is_beside =
                |turn: &Turn| turn.seat != seat && self.script.seats[turn.seat].0 == self.script.seats[seat].0;
            let is_beside = told.iter().any(|(turn, deed)| is_beside(turn) && !matches!(deed, Deed::Nothing));
            if let Some(upload) = upload {
                upload.is_disturbed |= is_disturbed || is_beside;
            }
        }
        Ok(())
    }

    /// All sessions end at once.
    pub(super) fn kill(&mut self) {
        self.was_killed = true;
        for seat in 0..self.uploads.len() {
            self.leave(seat, false);
        }
    }

    /// For how many uploads something may be kept.
    pub(super) fn most_left(&self) -> usize {
        let mut names: Vec<_> = self.left.iter().map(|left| (&left.user, &left.name)).collect();
        names.sort();
        names.dedup();
        names.len()
    }

    /// Whether some order of these leads from one to the other.
    fn explains(&self, before: &Files, promises: &mut Vec<(&Turn, &Deed)>, found: &Files) -> bool {
        if promises.is_empty() {
            return before == found;
        }
        for first in 0..promises.len() {
            let promise = promises.remove(first);
            let is_so = self.after(before, promise).iter().any(|after| self.explains(after, promises, found));
            promises.insert(first, promise);
            if is_so {
                return true;
            }
        }
        false
    }

    /// All that may be there once this was promised.
    pub(super) fn after(&self, before: &Files, (turn, deed): (&Turn, &Deed)) -> Vec<Files> {
        let (user, letters) = &self.script.seats[turn.seat];
        let has = |letter| letters.contains(letter);
        match (deed, &turn.act) {
            (Deed::Deleted, Act::Dele(name)) => {
                let mut after = before.clone();
                // It may have been left at the same time.
                let was_left = || !self.has_nothing_left(turn.seat, user, name);
                let may = has('d') && (after.remove(name).is_some() || was_left());
                may.then_some(after).into_iter().collect()
            }
            (Deed::Renamed(from), Act::Rnto(to)) => {
                let mut after = before.clone();
                let Some(content) = after.remove(from) else { return Vec::new() };
                let old = after.insert(to.clone(), content);
                let may = has('f') && (old.is_none() || self.may_replace(turn.seat));
                may.then_some(after).into_iter().collect()
            }
            (Deed::Committed(_), _) => {
                let Some(upload) = &self.uploads[turn.seat] else { return Vec::new() };
                let contents = self.results(turn.seat, upload, before.get(&upload.name));
                let with = |content| {
                    let mut after = before.clone();
                    after.insert(upload.name.clone(), content);
                    after
                };
                contents.into_iter().map(with).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What an upload may make of its name.
    fn results(&self, seat: usize, upload: &Upload, before: Option<&Vec<u8>>) -> Vec<Vec<u8>> {
        let followed = |start: &[u8]| [start, &upload.written].concat();
        let mut results = Vec::new();
        let may_replace = before.is_none() || self.may_replace(seat);
        match upload.verb {
            Verb::Stou if before.is_none() => results.push(upload.written.clone()),
            Verb::Stou => {}
            Verb::Stor => results.extend(may_replace.then(|| upload.written.clone())),
            Verb::Appe => {
                results.push(followed(before.map_or(&[], Vec::as_slice)));
            }
            Verb::Rest(_) | Verb::Resume => {
                if let Some(old) = before
                    && let Some(start) = old.get(..upload.offset)
                    && upload.based_on.contains(&Some(old.clone()))
                    && may_replace
                {
                    results.push(followed(start));
                }
            }
        }
        for left in self.resumable(seat, upload, true).iter() {
            let is_as_it_was = before.is_none() || left.stood.contains(&before.cloned());
            if is_as_it_was
                && may_replace
                && let Some(start) = upload.start_in(left)
            {
                results.push(followed(start));
            }
        }
        results
    }

    pub(super) fn may_replace(&self, seat: usize) -> bool {
        let (user, letters) = &self.script.seats[seat];
        letters.contains('d') || letters.contains('w') && user != "anonymous"
    }

    fn note(&mut self, turn: &Turn, deed: &Deed, before: &Files) {
        let (seat, user) = (turn.seat, &self.script.seats[turn.seat].0);
        match (deed, &turn.act) {
            (Deed::Asked(name, offset), Act::Ask(verb, _)) => {
                let verb = match verb {
                    Verb::Rest(_) | Verb::Resume if *offset == 0 => Verb::Stor,
                    verb => *verb,
                };
                self.uploads[seat] = Some(Upload {
                    verb,
                    name: name.clone(),
                    offset: usize::try_from(*offset).unwrap(),
                    based_on: vec![before.get(name).cloned(), self.files.get(name).cloned()],
                    resumes: Vec::new(),
                    is_open: self.is_afar,
                    written: Vec::new(),
                    inodes: Vec::new(),
                    is_disturbed: false,
                });
            }
            (Deed::Wrote(bytes), _) => {
                if let Some(upload) = &mut self.uploads[seat] {
                    upload.written.extend(bytes);
                }
            }
            (Deed::Committed(_), _) => self.uploads[seat] = None,
            (Deed::Broke, _) => self.leave(seat, false),
            (Deed::Refused(_), Act::Commit | Act::Write(_) | Act::Open) => self.leave(seat, true),
            (Deed::Opened, _) => {
                if let Some(upload) = &mut self.uploads[seat] {
                    let name = &upload.name;
                    upload.based_on.extend([before.get(name).cloned(), self.files.get(name).cloned()]);
                }
            }
            (Deed::Deleted, Act::Dele(name)) => self.left.retain(|left| left.user != *user || left.name != *name),
            (Deed::Renamed(from), Act::Rnto(to)) => {
                self.left.retain(|left| left.user != *user || left.name != *from && left.name != *to);
            }
            _ => {}
        }
    }

    /// An upload may begin. What it may go on with is what its user has left by now.
    fn ask(&mut self, seat: usize, inodes: Option<&BTreeMap<String, u64>>) {
        let user = &self.script.seats[seat].0;
        if let Some(upload) = &mut self.uploads[seat] {
            upload.inodes.extend(inodes.and_then(|inodes| inodes.get(&upload.name)));
            if matches!(upload.verb, Verb::Appe | Verb::Rest(_) | Verb::Resume) {
                let own = self.left.iter().filter(|left| left.user == *user && left.name == upload.name);
                upload.resumes = own.cloned().collect();
            }
        }
    }

    /// The data connection stands.
    fn open(&mut self, seat: usize, inodes: Option<&BTreeMap<String, u64>>) {
        if let Some(upload) = &mut self.uploads[seat] {
            upload.is_open = true;
            if upload.verb == Verb::Stor || upload.inodes.is_empty() {
                upload.inodes.extend(inodes.and_then(|inodes| inodes.get(&upload.name)));
                upload.inodes.dedup();
            }
        }
    }

    /// An upload ends without a promise.
    fn leave(&mut self, seat: usize, was_refused: bool) {
        for left in self.leavings(seat, was_refused, true) {
            if !self.left.contains(&left) {
                self.left.push(left);
            }
        }
        self.uploads[seat] = None;
    }

    /// What an upload may leave for its user. A copy of what was there is nothing to go on with.
    fn leavings(&self, seat: usize, was_refused: bool, with_others: bool) -> Vec<Left> {
        let (user, letters) = &self.script.seats[seat];
        let is_kept = user != "anonymous" && letters.contains('w') && self.script.mode == UploadMode::Atomic;
        let Some(upload) = self.uploads[seat].as_ref().filter(|upload| is_kept && upload.is_open) else {
            return Vec::new();
        };
        let mut stood = upload.based_on.clone();
        stood.sort();
        stood.dedup();
        let mut left = Vec::new();
        let mut add = |start: &[u8], stood: &[Content]| {
            // Nobody knows how much of what was sent has come.
            let least = if self.is_afar { 0 } else { upload.written.len() };
            for count in least..=upload.written.len() {
                let bytes = [start, &upload.written[..count]].concat();
                left.push(Left { user: user.clone(), name: upload.name.clone(), bytes, stood: stood.to_vec() });
            }
        };
        match upload.verb {
            Verb::Stor | Verb::Stou => add(&[], &stood),
            // What was to be added to nothing: the client may go on with it, and tries again where it was refused.
            Verb::Appe if stood.contains(&None) && !was_refused => add(&[], &[None]),
            Verb::Appe | Verb::Rest(_) | Verb::Resume => {}
        }
        for old in self.resumable(seat, upload, with_others).iter() {
            if let Some(start) = upload.start_in(old) {
                add(start, &old.stood);
            }
        }
        left
    }

    /// What an upload may go on with.
    fn resumable<'u>(&self, seat: usize, upload: &'u Upload, with_others: bool) -> Cow<'u, [Left]> {
        if !self.is_afar || matches!(upload.verb, Verb::Stor | Verb::Stou) {
            return Cow::Borrowed(&upload.resumes);
        }
        let user = &self.script.seats[seat].0;
        let is_own = |left: &Left| left.user == *user && left.name == upload.name;
        // Another session of the user may have left it just now.
        let others = (0..self.uploads.len()).filter(|&other| with_others && other != seat);
        let others = others.flat_map(|other| self.leavings(other, false, false));
        Cow::Owned(self.left.iter().cloned().chain(others).filter(is_own).collect())
    }

    /// Whether nothing stands in the way of this turn, so that a refusal is wrong.
    fn has_to_succeed(&self, turn: &Turn) -> bool {
        let (user, letters) = &self.script.seats[turn.seat];
        let has = |letter| letters.contains(letter);
        let may_put = |name: &String| !self.files.contains_key(name) || self.may_replace(turn.seat);
        if self.is_afar || self.script.quota.is_some() || self.script.mode == UploadMode::Direct {
            return false;
        }
        match &turn.act {
            Act::Dele(name) => has('d') && self.files.contains_key(name),
            Act::Rnfr(name) => has('f') && self.files.contains_key(name),
            Act::Ask(Verb::Stor, name) => has('w') && may_put(name),
            Act::Ask(Verb::Appe, name) => has('a') && self.has_nothing_left(turn.seat, user, name),
            Act::Ask(Verb::Stou, _) => has('w'),
            Act::Open | Act::Write(_) | Act::Commit => {
                let Some(upload) = self.uploads[turn.seat].as_ref().filter(|upload| !upload.is_disturbed) else {
                    return false;
                };
                match upload.verb {
                    Verb::Stor => may_put(&upload.name),
                    Verb::Stou => true,
                    Verb::Appe => upload.resumes.is_empty() && self.has_nothing_left(turn.seat, user, &upload.name),
                    Verb::Rest(_) | Verb::Resume => {
                        may_put(&upload.name)
                            && self.is_alone(turn.seat, user, &upload.name)
                            && upload.resumes.len() < 2
                    }
                }
            }
            _ => false,
        }
    }

    fn has_nothing_left(&self, seat: usize, user: &str, name: &str) -> bool {
        self.is_alone(seat, user, name) && !self.left.iter().any(|left| left.user == user && left.name == name)
    }

    /// Whether this user writes to the name in no other session.
    fn is_alone(&self, seat: usize, user: &str, name: &str) -> bool {
        let mut others = self.uploads.iter().zip(&self.script.seats).enumerate();
        !others.any(|(other, (upload, (its_user, _)))| {
            other != seat && its_user == user && upload.as_ref().is_some_and(|upload| upload.name == name)
        })
    }
}

impl Upload {
    /// A content into which it writes these bytes next.
    pub(super) fn written_over(&self, content: &[u8], bytes: &[u8]) -> Vec<u8> {
        let mut content = content.to_vec();
        let at = if self.verb == Verb::Appe { content.len() } else { self.offset + self.written.len() };
        if !bytes.is_empty() {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[at..at + bytes.len()].copy_from_slice(bytes);
        }
        content
    }

    /// The bytes of what is left that stay.
    fn start_in<'l>(&self, left: &'l Left) -> Option<&'l [u8]> {
        match self.verb {
            Verb::Appe => Some(&left.bytes),
            Verb::Rest(_) | Verb::Resume => left.bytes.get(..self.offset),
            Verb::Stor | Verb::Stou => None,
        }
    }
}
