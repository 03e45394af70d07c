//! The same for uploads that go into the file itself: its bytes change as they come, and 226 says that all of them are in the
//! file that has the name now, where they belong.

use std::collections::BTreeMap;

use super::oracle::Oracle;
use super::script::{Act, Turn, Verb};
use super::{Deed, Files};

impl Oracle<'_> {
    /// All that may be there after this turn; an error says what was promised wrongly.
    pub(super) fn in_place(
        &self,
        turn: &Turn,
        bytes: &[u8],
        deed: &Deed,
        inodes: &BTreeMap<String, u64>,
    ) -> Result<Vec<Files>, String> {
        let before = &self.files;
        let same = || vec![before.clone()];
        let (Deed::Asked(name, _), Act::Ask(Verb::Stou, _)) = (deed, &turn.act) else {
            let Some(upload) = &self.uploads[turn.seat] else {
                return Ok(if deed.is_promise() { self.after(before, (turn, deed)) } else { same() });
            };
            let with = |content: Vec<u8>| {
                let mut after = before.clone();
                after.insert(upload.name.clone(), content);
                vec![after]
            };
            let old = before.get(&upload.name);
            let may_lose = |kept: usize| old.is_none_or(|old| old.len() <= kept) || self.may_replace(turn.seat);
            // The file may have another name by now, or none.
            let changed = |inode: u64, change: &dyn Fn(&[u8]) -> Vec<u8>| {
                let mut after = before.clone();
                let names = inodes.iter().filter(|(_, other)| **other == inode).map(|(name, _)| name);
                for (name, content) in names.filter_map(|name| before.get_key_value(name)) {
                    after.insert(name.clone(), change(content));
                }
                after
            };
            let each_changed = |change: &dyn Fn(&[u8]) -> Vec<u8>| {
                upload.inodes.iter().map(|&inode| changed(inode, change)).collect::<Vec<_>>()
            };
            let with_bytes = |bytes: &[u8]| each_changed(&|content| upload.written_over(content, bytes));
            return Ok(match (deed, upload.verb) {
                (Deed::Opened, Verb::Stor | Verb::Stou) if may_lose(0) => {
                    [with(Vec::new()), each_changed(&|_| Vec::new())].concat()
                }
                (Deed::Opened, Verb::Appe) if upload.inodes.is_empty() => with(old.cloned().unwrap_or_default()),
                (Deed::Opened, Verb::Appe) => same(),
                (Deed::Opened, Verb::Rest(_) | Verb::Resume) if may_lose(upload.offset) => {
                    each_changed(&|content| content.get(..upload.offset).map_or(b"zeros".to_vec(), <[u8]>::to_vec))
                }
                (Deed::Opened, _) => Vec::new(),
                (Deed::Wrote(_), _) => with_bytes(bytes),
                (Deed::Refused(_), _) => {
                    let written = (0..=bytes.len()).flat_map(|count| with_bytes(&bytes[..count]));
                    same().into_iter().chain(written).collect()
                }
                (Deed::Broke, Verb::Stou) if !upload.is_open => {
                    let mut after = before.clone();
                    after.remove(&upload.name);
                    vec![after]
                }
                (Deed::Committed(_), verb) => {
                    if !inodes.get(&upload.name).is_some_and(|inode| upload.inodes.contains(inode)) {
                        return Err("226, and the name stands for another file, or for none".to_owned());
                    }
                    let content = old.ok_or("226, and there is no file")?;
                    let is_there = match verb {
                        Verb::Appe => {
                            let mut rest = content.iter();
                            upload.written.iter().all(|byte| rest.any(|there| there == byte))
                        }
                        _ => content.get(upload.offset..) == Some(&upload.written),
                    };
                    if !is_there {
                        return Err(format!("226 of {:?}, and {content:?} is there", upload.written));
                    }
                    same()
                }
                _ => same(),
            });
        };
        let mut after = before.clone();
        after.insert(name.clone(), Vec::new());
        Ok(vec![after])
    }
}
