//! The server, the homes, and what lies outside them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longshore::server::{build_service, converse, prepare};
use longshore::session::{Ending, Service};
use longshore::settings::{Loaded, Settings};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;
use tokio::io::duplex;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use super::client::Client;
use super::files::{Snapshot, snapshot};
use super::model::Model;
use super::script::Script;
use crate::bodies::contains;

const USERS: &str = "bob secret elradfmwMT bob\nreader secret elr reader\n";
const HOMES: [&str; 3] = ["bob", "reader", "anonymous"];
/// More than a script can make the server say.
const ROOM: usize = 16 * 1024 * 1024;

pub(super) struct World {
    runtime: Runtime,
    service: Arc<Service>,
    /// How many may be made at once.
    sums: usize,
    address: Ipv4Addr,
    folder: TempDir,
    /// What was in it at first: the homes, and `outside`.
    before: RefCell<BTreeMap<&'static str, Snapshot>>,
}

/// Where client and server meet.
pub(super) struct MeetingPoint {
    /// Of both.
    pub(super) address: Ipv4Addr,
    pub(super) stranger: Ipv4Addr,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("longshore-fuzz-").rand_bytes(16).tempdir().expect("a folder");
        let address = own_address();
        let service = Arc::new(service(&folder, address));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let sums = service.sums.free();
        let world = Self { runtime, service, sums, address, folder, before: RefCell::default() };
        for name in ["outside", "bob", "reader", "anonymous"] {
            world.furnish(name);
        }
        world
    }

    /// Plays the script. Gives all that the server said, on both connections.
    pub(super) fn play(&self, script: &Script, model: &mut Model) -> Vec<u8> {
        let [a, b, c, _] = self.address.octets();
        let meeting = MeetingPoint { address: self.address, stranger: Ipv4Addr::new(a, b, c, 2) };
        let (peer, local) = (SocketAddr::from((self.address, 40000)), SocketAddr::from((self.address, 2121)));
        self.runtime.block_on(async {
            let (near, far) = duplex(ROOM);
            let client = Client::new(near, meeting, model);
            let served = converse(far, Arc::clone(&self.service), peer, local);
            let (ended, output) = tokio::join!(served, client.play(script));
            let ended = ended.expect("a seat for the only client");
            // Nothing else is a reason here, where no time runs out.
            let expected = matches!(ended, Ending::Left | Ending::Closed(_) | Ending::NotFtp | Ending::BadCommands);
            assert!(expected, "the session ended so: {ended}");
            output
        })
    }

    /// Whether a client who says this has what lies outside already.
    pub(super) fn is_told_in(&self, input: &[u8]) -> bool {
        contains(input, &self.canary())
    }

    /// The name of the folder is what lies outside, and where it lies.
    pub(super) fn check_output(&self, output: &[u8]) {
        assert!(!contains(output, &self.canary()), "what lies outside was told: {}", output.escape_ascii());
    }

    pub(super) fn check_counters(&self) {
        let Service { seats, stays, passive, sums, .. } = &*self.service;
        assert_eq!(seats.taken(), 0, "seats");
        for name in HOMES {
            assert_eq!(stays.count(name), 0, "stays of {name}");
        }
        assert_eq!(passive.open_ports(), 0, "passive ports");
        // A sum that was aborted may be at its last block.
        let all_back = async {
            while sums.free() != self.sums {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = self.runtime.block_on(async { timeout(PATIENCE, all_back).await });
        assert!(in_time.is_ok(), "turns at sums");
    }

    pub(super) fn check_files(&self, model: &Model) {
        for name in ["outside", "reader", "anonymous"] {
            assert_eq!(snapshot(&self.path(name)), self.before.borrow()[name], "{name} was changed");
        }
        let (canary, after) = (self.canary(), snapshot(&self.path("bob")));
        let before = &self.before.borrow()["bob"].clone();
        if after == *before {
            return;
        }
        assert!(model.writable, "bob's home was changed, and not by bob");
        for (path, entry) in after.iter().filter(|(path, entry)| before.get(*path) != Some(entry)) {
            let name = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
            // A folder is renamed with all that is in it.
            let was_there = path.as_os_str().is_empty() || before.keys().any(|old| old.file_name() == path.file_name());
            // What came of an upload that broke.
            let is_reserved = longshore::path::is_reserved(name);
            let is_partial = is_reserved && entry.is_file;
            // What stood under its name when it was begun, kept beside it as the text of a link that leads nowhere.
            if is_reserved && name.ends_with(b"-of") && entry.target.is_some() {
                assert!(!self.path("bob").join(path).exists(), "{path:?} leads somewhere");
                continue;
            }
            assert!(was_there || is_partial || model.may_exist(name), "{path:?} is there, and nobody made it");
            if let Some(target) = &entry.target {
                assert!(before.values().any(|old| old.target.as_ref() == Some(target)), "{path:?} is a new link");
            } else if entry.is_file {
                let content = fs::read(self.path("bob").join(path)).expect("a file that is there");
                assert!(!contains(&content, &canary), "{path:?} holds what lies outside");
            }
        }
        self.furnish("bob");
    }

    fn canary(&self) -> Vec<u8> {
        let name = self.folder.path().file_name().expect("a folder has a name");
        name.as_encoded_bytes().to_vec()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a home what it was, or for the first time.
    fn furnish(&self, name: &'static str) {
        let home = self.path(name);
        if home.exists() {
            fs::remove_dir_all(&home).expect("a home that can be removed");
        }
        fs::create_dir_all(home.join("d/e")).expect("a folder");
        let file = |path: &str, content: &[u8]| fs::write(home.join(path), content).expect("a file");
        let link = |path: &str, to: &str| symlink(to, home.join(path)).expect("a link");
        if name == "outside" {
            file("canary", &self.canary());
        } else {
            file("a.txt", b"one\r\ntwo\nthree\r");
            file("big", &[b"0123456789abcdef".as_slice(); 16 * 1024].concat());
            file("d/b", b"");
            file("two\nlines", b"x");
            link("in", "d");
            link("up", "..");
            link("out", "../outside");
            link("far", "../outside/canary");
            link("abs", &self.path("outside").to_string_lossy());
            link("loop", "loop");
            link("d/none", "nowhere");
            mkfifo(&home.join("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
        }
        self.before.borrow_mut().insert(name, snapshot(&home));
    }
}

/// One of this process alone: another's may speak on the same ports at the same time.
fn own_address() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high.wrapping_mul(16) ^ middle, low, 1)
}

fn service(folder: &TempDir, address: Ipv4Addr) -> Service {
    let mut settings = Settings::default();
    for (name, value) in [
        ("auth_failed_delay", "0"),
        ("login_timeout", "0"),
        ("idle_timeout", "0"),
        ("data_timeout", "1s"),
        // Whoever does not connect is not waited for.
        ("data_connect_timeout", "50ms"),
        ("passive_ports", "20000-29999"),
        ("enable_anonymous", "on"),
        ("users", USERS),
        ("users_file", ""),
    ] {
        settings.set(name, value).unwrap_or_else(|why| panic!("{why}"));
    }
    settings.ip = IpAddr::from(address).to_string().parse().expect("an address");
    settings.home_root = folder.path().to_owned();
    settings.anonymous_path = folder.path().join("anonymous");
    let loaded = Loaded::from(settings);
    let prepared = prepare(Ok(loaded), folder.path()).unwrap_or_else(|why| panic!("{why}"));
    build_service(prepared).expect("no log to open")
}
