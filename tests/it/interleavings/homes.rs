//! The sessions themselves, each step of which is the blocking call that a command or a transfer makes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use longshore::files::{FileError, Home, Modes, PendingUpload, Placement, Quotas, Upload, Uploads};
use longshore::path::VirtualPath;
use tempfile::TempDir;

use super::script::{Act, Script, Turn, Verb};
use super::{Deed, Files, Stage, is_hidden};

const MODES: Modes = Modes { file: 0o666, directory: 0o777 };

/// One home, and the sessions in it.
pub(super) struct Homes<'a> {
    script: &'a Script,
    below: TempDir,
    seats: Vec<Seat>,
    /// Those of servers that were killed.
    dead: Vec<Seat>,
}

struct Seat {
    home: Home,
    work: Work,
    renaming: Option<String>,
}

#[derive(Default)]
enum Work {
    #[default]
    None,
    Asked(PendingUpload),
    Open(Upload),
}

impl<'a> Homes<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        // In memory where the machine has such a place: a disk would have to keep up with thousands of homes.
        let below = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let seats = enter(script, below.path());
        Self { script, below, seats, dead: Vec::new() }
    }

    /// The hidden names: of files, and of others.
    pub(super) fn hidden(&self) -> (Vec<String>, Vec<String>) {
        let hidden = self.names().into_iter().filter(|name| is_hidden(name));
        hidden.partition(|name| fs::symlink_metadata(self.at(name)).unwrap().is_file())
    }

    /// How many bytes the quota still allows, and how many all files have.
    pub(super) fn quota_left_and_used(&self) -> (u64, u64) {
        let found = self.names().into_iter().map(|name| fs::symlink_metadata(self.at(&name)).unwrap());
        let used = found.filter(fs::Metadata::is_file).map(|found| found.len()).sum();
        (self.seats[0].home.free_space(&VirtualPath::root()).unwrap(), used)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.below.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.below.path().join(name)
    }
}

impl Stage for Homes<'_> {
    fn take(&mut self, turns: &[(Turn, Vec<u8>)]) -> Vec<Deed> {
        if let [(turn, bytes)] = turns {
            return vec![self.seats[turn.seat].take(&turn.act, bytes)];
        }
        let mut seats: Vec<_> = self.seats.iter_mut().map(Some).collect();
        let barrier = Barrier::new(turns.len());
        thread::scope(|scope| {
            let (barrier, mut threads) = (&barrier, Vec::new());
            for (turn, bytes) in turns {
                let seat = seats[turn.seat].take().expect("one turn for each");
                threads.push(scope.spawn(move || {
                    barrier.wait();
                    seat.take(&turn.act, bytes)
                }));
            }
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Of a killed server nothing is left but its files: what its sessions held is kept until all is over, as dropping it
    /// would clean up. The locks end with the process, so the hidden files become others, which nobody has locked.
    fn kill(&mut self) {
        for partial in self.hidden().0.iter().map(|name| self.at(name)) {
            let (bytes, found) = (fs::read(&partial).unwrap(), fs::metadata(&partial).unwrap());
            fs::remove_file(&partial).unwrap();
            fs::write(&partial, bytes).unwrap();
            fs::set_permissions(&partial, found.permissions()).unwrap();
        }
        let seats = enter(self.script, self.below.path());
        self.dead.append(&mut std::mem::replace(&mut self.seats, seats));
    }

    fn files(&self) -> Files {
        let visible = self.names().into_iter().filter(|name| !is_hidden(name));
        let read = visible.map(|name| {
            let bytes = fs::read(self.at(&name)).unwrap();
            (name, bytes)
        });
        read.collect()
    }

    fn inodes(&self) -> BTreeMap<String, u64> {
        let found = fs::read_dir(self.below.path()).unwrap().map(|entry| entry.unwrap());
        found.map(|entry| (entry.file_name().into_string().unwrap(), entry.ino())).collect()
    }

    fn listing(&mut self) -> Vec<String> {
        let entries = self.seats[0].home.list(&VirtualPath::root()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| String::from_utf8(entry.unwrap().name).unwrap()).collect();
        names.sort();
        names
    }
}

/// Everybody logs in.
fn enter(script: &Script, root: &Path) -> Vec<Seat> {
    let servers: Vec<_> = (0..script.servers).map(|_| Quotas::default()).collect();
    let seats = script.seats.iter().enumerate().map(|(number, (user, letters))| {
        let is_anonymous = user == "anonymous";
        let uploads = Uploads {
            mode: script.mode,
            keeper: (!is_anonymous).then(|| user.clone()),
            quota: script.quota,
            quotas: servers[number % servers.len()].clone(),
            ..Uploads::default()
        };
        let home = Home::open(root, letters.parse().unwrap(), MODES, uploads).unwrap();
        let home = if is_anonymous { home.for_anybody() } else { home };
        Seat { home, work: Work::None, renaming: None }
    });
    seats.collect()
}

impl Seat {
    fn take(&mut self, act: &Act, bytes: &[u8]) -> Deed {
        match (act, std::mem::take(&mut self.work)) {
            (Act::Ask(verb, name), Work::None) => self.ask(*verb, name).unwrap_or_else(|error| refused(&error)),
            (Act::Dele(name), Work::None) => {
                self.home.delete(&path(name)).map_or_else(|error| refused(&error), |()| Deed::Deleted)
            }
            (Act::Rnfr(name), Work::None) => match self.home.rename_source_exists(&path(name)) {
                Ok(()) => {
                    self.renaming = Some(name.clone());
                    Deed::MayRename
                }
                Err(error) => refused(&error),
            },
            (Act::Rnto(name), Work::None) => match self.renaming.take() {
                Some(from) => match self.home.rename(&path(&from), &path(name)) {
                    Ok(()) => Deed::Renamed(from),
                    Err(error) => refused(&error),
                },
                None => Deed::Nothing,
            },
            (Act::Open, Work::Asked(pending)) => match pending.begin() {
                Ok(upload) => {
                    self.work = Work::Open(upload);
                    Deed::Opened
                }
                Err(error) => refused(&error),
            },
            (Act::Write(_), Work::Open(mut upload)) => match upload.write(bytes) {
                Ok(()) => {
                    self.work = Work::Open(upload);
                    Deed::Wrote(bytes.to_vec())
                }
                Err(error) => refused(&error),
            },
            (Act::Commit, Work::Open(upload)) => {
                upload.commit().map_or_else(|error| refused(&error), |size| Deed::Committed(Some(size)))
            }
            (Act::Break, Work::Asked(_) | Work::Open(_)) => Deed::Broke,
            (_, work) => {
                self.work = work;
                Deed::Nothing
            }
        }
    }

    fn ask(&mut self, verb: Verb, name: &str) -> Result<Deed, FileError> {
        self.renaming = None;
        let to = path(name);
        let offset = match verb {
            Verb::Stor | Verb::Stou | Verb::Appe => 0,
            Verb::Rest(offset) => offset.into(),
            // A client that hears of nothing begins at the beginning.
            Verb::Resume => self.home.size(&to).unwrap_or(0),
        };
        let pending = match verb {
            Verb::Stou => self.home.store_unique(&to)?,
            Verb::Appe => self.home.store(&to, Placement::Append)?,
            _ if offset > 0 => self.home.store(&to, Placement::At(offset))?,
            _ => match self.home.store_at_once(&to) {
                Some(pending) => pending,
                None => self.home.store(&to, Placement::Replace)?,
            },
        };
        let name = String::from_utf8(pending.path().file_name().unwrap().to_vec()).unwrap();
        self.work = Work::Asked(pending);
        Ok(Deed::Asked(name, offset))
    }
}

fn path(name: &str) -> VirtualPath {
    VirtualPath::root().join(name.as_bytes()).unwrap()
}

fn refused(error: &FileError) -> Deed {
    Deed::Refused(format!("{error:?}"))
}
