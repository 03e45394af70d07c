//! Networks of a test's own: a host is a network namespace, a cable is a pair of virtual interfaces.
//!
//! The namespaces have no names and are in no list: the kernel removes each with whoever was last in it, so that nothing
//! is left of them however a test ends. Making them takes root.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// A client gives up after this many seconds; a bound, not a measure.
const CURLS_PATIENCE: &str = "60";

/// A host with a network of its own.
pub(crate) struct Host {
    namespace: File,
}

/// What became of curl.
pub(crate) struct Curled {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    /// What it said, the dialogue included.
    pub(crate) said: String,
}

impl Host {
    /// One without a cable, whose loopback works.
    pub(crate) fn new() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test makes networks of its own (network namespaces), for which it must be run by root"
        );
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("no network namespace can be made");
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        let host = Self { namespace: std::thread::spawn(make).join().unwrap() };
        host.ip("link set lo up");
        host
    }

    /// Does this as one of its programs would: sockets that are made meanwhile, and programs that are started, are on
    /// this host and stay there.
    pub(crate) fn run<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> T {
        let there = || {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
            deed()
        };
        let done = std::thread::scope(|scope| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            std::thread::Builder::new().name(name).spawn_scoped(scope, there).unwrap().join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The same with another `/etc/resolv.conf`.
    pub(crate) fn run_resolving_by<T: Send>(&self, resolv_conf: &Path, deed: impl FnOnce() -> T + Send) -> T {
        self.run(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let nothing = None::<&Path>;
            // Or the change would be everybody's.
            mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
            mount(Some(resolv_conf), "/etc/resolv.conf", nothing, MsFlags::MS_BIND, nothing).unwrap();
            deed()
        })
    }

    /// A cable to another host, with the addresses at its ends.
    pub(crate) fn cable(&self, own: &str, other: &Self, others: &str) {
        static CABLES: AtomicU32 = AtomicU32::new(0);
        let cable = format!("cable{}", CABLES.fetch_add(1, Ordering::Relaxed));
        let there = format!("/proc/{}/fd/{}", std::process::id(), other.namespace.as_raw_fd());
        self.ip(&format!("link add {cable} type veth peer name {cable} netns {there}"));
        for (host, address) in [(self, own), (other, others)] {
            host.ip(&format!("address add {address} dev {cable}"));
            host.ip(&format!("link set {cable} up"));
        }
    }

    /// The way to all that is not at the other end of a cable.
    pub(crate) fn default_route(&self, via: &str) {
        self.ip(&format!("route add default via {via}"));
    }

    /// Has it pass on what is for others.
    pub(crate) fn forward(&self) {
        self.run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    }

    /// Rules for nft.
    pub(crate) fn filter(&self, rules: &str) {
        let said = self.run(|| {
            let mut nft = program("nft");
            nft.args(["--file", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = nft.spawn().expect("nft (Debian package nftables)");
            child.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        });
        assert!(said.status.success(), "{rules}: {}", String::from_utf8_lossy(&said.stderr));
    }

    fn ip(&self, arguments: &str) {
        let said =
            self.run(|| program("ip").args(arguments.split(' ')).output().expect("ip (Debian package iproute2)"));
        assert!(said.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&said.stderr));
    }

    /// Runs curl to its end, with its own bounds of time. It connects to where a 227 says, which it would not do by
    /// itself.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Curled {
        let ended = self.run(|| {
            let mut curl = program("curl");
            curl.args(["-q", "--silent", "--show-error", "--verbose", "--no-ftp-skip-pasv-ip"]);
            curl.args(["--connect-timeout", "20", "--max-time", CURLS_PATIENCE]);
            curl.args(arguments).stdin(Stdio::null()).output().expect("curl (Debian package curl)")
        });
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        Curled { code: ended.status.code(), out: ended.stdout, said }
    }
}

impl Curled {
    /// It went well, and the dialogue has this.
    #[track_caller]
    pub(crate) fn well(self, part: &str) -> Vec<u8> {
        assert_eq!(self.code, Some(0), "{}", self.said);
        assert!(self.said.contains(part), "no {part}: {}", self.said);
        self.out
    }

    /// It failed with this code, and the dialogue has this.
    #[track_caller]
    pub(crate) fn badly(self, code: i32, part: &str) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        assert!(self.said.contains(part), "no {part}: {}", self.said);
    }
}

/// Programs are looked for where Debian has them, and see nothing of the user's environment.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    command
}

/// A name server that knows the address of every name, and is silent where it has none.
pub(crate) struct NameServer {
    answer: Arc<Mutex<Option<Ipv4Addr>>>,
    /// Questions that were left without an answer.
    unanswered: Receiver<Vec<u8>>,
}

impl NameServer {
    /// A silent one.
    pub(crate) fn start(host: &Host, address: Ipv4Addr) -> Self {
        let socket = host.run(|| UdpSocket::bind(SocketAddr::from((address, 53))).unwrap());
        let answer = Arc::new(Mutex::new(None));
        let (tell, unanswered) = channel();
        let current = Arc::downgrade(&answer);
        std::thread::spawn(move || {
            let mut question = [0; 512];
            // Wakes now and then to see whether it is still wanted.
            socket.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
            while let Some(current) = current.upgrade() {
                let Ok((count, asker)) = socket.recv_from(&mut question) else { continue };
                let address = *current.lock().unwrap();
                match address {
                    // The other end may be gone already.
                    Some(address) => _ = socket.send_to(&reply(&question[..count], address), asker),
                    None => _ = tell.send(question[..count].to_vec()),
                }
            }
        });
        Self { answer, unanswered }
    }

    pub(crate) fn says(&self, address: &str) {
        *self.answer.lock().unwrap() = Some(address.parse().unwrap());
    }

    pub(crate) fn is_silent(&self) {
        *self.answer.lock().unwrap() = None;
        self.unanswered.try_iter().for_each(drop);
    }

    /// Waits until it was asked in vain.
    pub(crate) fn wait_for_question(&self) {
        self.unanswered.recv_timeout(crate::wire::PATIENCE).expect("the name server is not asked");
    }

    /// What it was asked in vain before this came.
    pub(crate) fn questions_before(&self, mark: &[u8]) -> Vec<Vec<u8>> {
        let next = || self.unanswered.recv_timeout(crate::wire::PATIENCE).expect("the mark does not come");
        std::iter::repeat_with(next).take_while(|question| question != mark).collect()
    }
}

/// RFC 1035 section 4: an address of a life of one second to who asks for one, no record to all others.
fn reply(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    const HEADER: usize = 12;
    let name = question[HEADER..].iter().position(|&byte| byte == 0).unwrap() + 1;
    // Without what follows the question, such as the OPT record of EDNS.
    let asked = &question[HEADER..HEADER + name + 4];
    let is_for_address = asked[name..] == [0, 1, 0, 1];
    let mut reply = question[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_for_address), 0, 0, 0, 0]);
    reply.extend(asked);
    if is_for_address {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}
