//! The same sessions as clients of the program itself, which is killed for good.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::DirEntryExt;
use std::time::Duration;

use nix::sys::signal::Signal;
use socket2::SockRef;

use super::script::{Act, Script, Turn, Verb};
use super::{Deed, Files, Stage};
use crate::binary::{Running, Setup};
use crate::wire::{Client, all_of};

/// What anonymous may do: replace nothing.
pub(super) const ANONYMOUS: &str = "elrafw";
const USERS: &str = "\
bob secret elradfmw shared
eve secret elradfmw shared
ann secret elra shared
dan secret elrafw shared
";

/// The program, which serves one interleaving after the other.
pub(super) struct Program {
    homes: tempfile::TempDir,
    server: Running,
    rounds: u32,
    breaks: usize,
}

/// One interleaving. Its names begin with its number.
pub(super) struct Round<'a> {
    program: &'a mut Program,
    script: &'a Script,
    seats: Vec<Seat>,
    lister: Client,
}

struct Seat {
    client: Client,
    user: String,
    /// The data connection of an upload under way.
    data: Option<TcpStream>,
    renaming: Option<String>,
    /// What the last command was, as far as its reply needs it.
    asked: Option<(String, u64)>,
}

impl Program {
    pub(super) fn start() -> Self {
        let homes = tempfile::tempdir().unwrap();
        fs::create_dir(homes.path().join("shared")).unwrap();
        let server = start(&homes);
        Self { homes, server, rounds: 0, breaks: 0 }
    }

    /// Everybody logs in.
    pub(super) fn enter<'a>(&'a mut self, script: &'a Script) -> Round<'a> {
        self.rounds += 1;
        let seats = script.seats.iter().map(|(user, _)| Seat::enter(&self.server, user)).collect();
        let lister = Client::login(self.server.address, "bob");
        Round { program: self, script, seats, lister }
    }
}

fn start(homes: &tempfile::TempDir) -> Running {
    let shared = homes.path().join("shared").display().to_string();
    Setup::new()
        .file("conf/users.conf", USERS)
        .variable("FTP_HOME_ROOT", &homes.path().display().to_string())
        .variable("FTP_ENABLE_ANONYMOUS", "true")
        .variable("FTP_ANONYMOUS_PATH", &shared)
        .variable("FTP_ANONYMOUS_PERM", ANONYMOUS)
        .start()
}

impl Stage for Round<'_> {
    /// All say what they have to say before anybody reads the answer.
    fn take(&mut self, turns: &[(Turn, Vec<u8>)]) -> Vec<Deed> {
        let prefix = self.prefix();
        let said: Vec<bool> = turns.iter().map(|(turn, bytes)| self.say(turn, bytes, &prefix)).collect();
        let heard = turns.iter().zip(said).map(|((turn, bytes), said)| {
            if said { self.seats[turn.seat].hear(&turn.act, bytes, &prefix) } else { Deed::Nothing }
        });
        heard.collect()
    }

    fn kill(&mut self) {
        self.program.server.signal(Signal::SIGKILL);
        let server = start(&self.program.homes);
        std::mem::replace(&mut self.program.server, server).wait();
        self.seats = self.script.seats.iter().map(|(user, _)| Seat::enter(&self.program.server, user)).collect();
        self.lister = Client::login(self.program.server.address, "bob");
    }

    fn files(&self) -> Files {
        let own = self.entries().into_iter().map(|(name, entry)| (name, fs::read(entry.path()).unwrap()));
        own.collect()
    }

    fn inodes(&self) -> BTreeMap<String, u64> {
        self.entries().into_iter().map(|(name, entry)| (name, entry.ino())).collect()
    }

    fn listing(&mut self) -> Vec<String> {
        let mut data = self.lister.open();
        self.lister.ask("NLST", "150");
        let listing = String::from_utf8(all_of(&mut data)).unwrap();
        self.lister.expect("226");
        assert!(!listing.contains(".longshore-"), "{listing}");
        let prefix = self.prefix();
        let mut names: Vec<_> =
            listing.lines().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect();
        names.sort();
        names
    }
}

impl Round<'_> {
    fn prefix(&self) -> String {
        format!("{}-", self.program.rounds)
    }

    fn entries(&self) -> Vec<(String, fs::DirEntry)> {
        let entries = fs::read_dir(self.program.homes.path().join("shared")).unwrap().map(Result::unwrap);
        let prefix = self.prefix();
        let own = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            Some((name.strip_prefix(&prefix)?.to_owned(), entry))
        });
        own.collect()
    }

    /// What goes to the server; whether that fits.
    fn say(&mut self, turn: &Turn, bytes: &[u8], prefix: &str) -> bool {
        let seat = &mut self.seats[turn.seat];
        match (&turn.act, &mut seat.data) {
            (Act::Ask(verb, name), None) => seat.ask(*verb, name, prefix),
            (Act::Dele(name), None) => seat.client.send(&format!("DELE {prefix}{name}")),
            (Act::Rnfr(name), None) => seat.client.send(&format!("RNFR {prefix}{name}")),
            (Act::Rnto(name), None) if seat.renaming.is_some() => seat.client.send(&format!("RNTO {prefix}{name}")),
            // The server may have had enough, and says so in the end.
            (Act::Write(_), Some(data)) => drop(data.write_all(bytes)),
            (Act::Commit, Some(_)) => seat.data = None,
            (Act::Break, Some(data)) => {
                self.program.breaks += 1;
                match self.program.breaks % 3 {
                    0 => {
                        seat.client.send("ABOR");
                        return true;
                    }
                    1 => SockRef::from(&*data).set_linger(Some(Duration::ZERO)).unwrap(),
                    _ => {
                        for socket in [&*data, seat.client.stream()] {
                            SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
                        }
                        let user = seat.user.clone();
                        *seat = Seat::enter(&self.program.server, &user);
                    }
                }
                seat.data = None;
            }
            _ => return false,
        }
        true
    }
}

impl Seat {
    fn enter(server: &Running, user: &str) -> Self {
        let client = Client::login(server.address, user);
        Self { client, user: user.to_owned(), data: None, renaming: None, asked: None }
    }

    fn ask(&mut self, verb: Verb, name: &str, prefix: &str) {
        self.renaming = None;
        let name = format!("{prefix}{name}");
        let offset = match verb {
            Verb::Stor | Verb::Stou | Verb::Appe => 0,
            Verb::Rest(offset) => offset.into(),
            // A client that hears of nothing begins at the beginning.
            Verb::Resume => {
                let size = self.client.say(&format!("SIZE {name}"));
                size.strip_prefix("213 ").map_or(0, |size| size.parse().unwrap())
            }
        };
        if offset > 0 {
            self.client.ask(&format!("REST {offset}"), "350");
        }
        self.data = Some(self.client.open());
        let word = match verb {
            Verb::Stou => "STOU",
            Verb::Appe => "APPE",
            Verb::Stor | Verb::Rest(_) | Verb::Resume => "STOR",
        };
        self.client.send(&format!("{word} {name}"));
        self.asked = Some((name, offset));
    }

    fn hear(&mut self, act: &Act, bytes: &[u8], prefix: &str) -> Deed {
        match (act, self.data.as_ref()) {
            (Act::Write(_), _) => return Deed::Wrote(bytes.to_vec()),
            (Act::Open, _) => return Deed::Nothing,
            (Act::Break, Some(_)) => {
                // What was aborted, and the answer to ABOR. An end of the data before it would be that of the file.
                while !self.client.reply().starts_with("22") {}
                self.data = None;
                return Deed::Broke;
            }
            (Act::Break, None) if self.asked.is_none() => return Deed::Broke,
            _ => {}
        }
        let reply = self.client.reply();
        let is_fine = !reply.starts_with(['4', '5']);
        match act {
            Act::Ask(..) if is_fine => {
                assert!(reply.starts_with("150"), "{reply}");
                let (name, offset) = self.asked.clone().expect("it was asked");
                let name = reply.split_once("FILE: ").map_or(name, |(_, name)| name.trim().to_owned());
                Deed::Asked(name.strip_prefix(prefix).expect("its beginning").to_owned(), offset)
            }
            Act::Ask(..) => {
                self.data = None;
                Deed::Refused(reply)
            }
            Act::Break => Deed::Broke,
            _ if !is_fine => Deed::Refused(reply),
            Act::Commit => Deed::Committed(None),
            Act::Dele(_) => Deed::Deleted,
            Act::Rnfr(name) => {
                self.renaming = Some(name.clone());
                Deed::MayRename
            }
            Act::Rnto(_) => Deed::Renamed(self.renaming.take().expect("it was named")),
            Act::Open | Act::Write(_) => unreachable!("answered above"),
        }
    }
}
