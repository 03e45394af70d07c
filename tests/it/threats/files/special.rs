//! T50: a FIFO, a socket, a device, and the links of /proc that are no links: none is opened, and nobody waits.

use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

use super::{DENIALS, setup};
use crate::binary::Setup;
use crate::wire::{Client, all_of};

/// Where they lead is outside, or no file.
const MAGIC: [&str; 7] = [
    "proc/self/root/etc/passwd",
    "proc/self/root",
    "proc/self/cwd",
    "proc/self/exe",
    "proc/self/fd/0",
    "proc/self/fd/1",
    "proc/self/ns/net",
];

fn furnish(setup: &Setup) {
    let at = |name: &str| setup.path("home/bob").join(name);
    mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
    mknod(&at("null"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
    std::fs::create_dir(at("proc")).unwrap();
    // Here only: the mount goes with this thread and the server that it starts.
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let nothing = None::<&Path>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
    mount(Some("/proc"), &at("proc"), nothing, MsFlags::MS_BIND | MsFlags::MS_REC, nothing).unwrap();
}

fn try_all(denial: Option<Errno>) {
    let setup = setup(denial);
    furnish(&setup);
    let _listener = UnixListener::bind(setup.path("home/bob/socket")).unwrap();
    let server = setup.start();
    let mut client = Client::login(server.address, "bob");
    for name in ["fifo", "socket", "null"].into_iter().chain(MAGIC) {
        client.pasv();
        client.ask(&format!("RETR {name}"), "550");
        for verb in ["STOR", "APPE"] {
            let address = client.pasv();
            let reply = client.say(&format!("{verb} {name}"));
            if reply.starts_with("150") {
                // Step by step it is taken for a link to a name that nobody has, and nothing makes names in /proc.
                assert!(denial.is_some() && name.starts_with("proc"), "{reply}");
                drop(client.data(address));
                client.expect("550");
            } else {
                assert!(reply.starts_with("550"), "{verb} {name}: {reply}");
            }
        }
        for verb in ["HASH", "XMD5", "XCRC", "SIZE"] {
            client.ask(&format!("{verb} {name}"), "550");
        }
        client.ask(&format!("MFMT 19991231235959 {name}"), "550");
        client.ask(&format!("SITE CHMOD 777 {name}"), "550");
    }
    client.ask("CWD proc/self/root", "550");
    client.ask("CWD proc/self/cwd", "550");
    for (folder, wanted) in [("/", "fifo"), ("/proc/self", "root"), ("/proc/self/fd", "0")] {
        let mut data = client.open();
        client.ask(&format!("LIST {folder}"), "150");
        let listing = String::from_utf8(all_of(&mut data)).unwrap();
        client.expect("226");
        let line =
            listing.lines().find(|line| line.contains(&format!(" {wanted}"))).unwrap_or_else(|| panic!("{listing}"));
        assert!(line.starts_with(['p', 'l', '?']), "{line}");
        assert!(!listing.contains("-> /"), "{listing}");
        assert!(wanted != "root" || line.ends_with(" root -> ?"), "{line}");
    }
    // A file of /proc has no size, and so no content.
    assert_eq!(client.retrieve("/proc/self/environ"), b"");
}

fn in_a_thread_of_its_own(denial: Option<Errno>) {
    assert!(nix::unistd::geteuid().is_root(), "this test mounts and makes devices, which needs root: run it as root");
    std::thread::spawn(move || try_all(denial)).join().unwrap();
}

#[test]
fn what_is_no_file_is_never_opened() {
    in_a_thread_of_its_own(None);
}

/// T49: nor step by step.
#[test]
fn nor_where_openat2_is_denied() {
    DENIALS.into_iter().for_each(|denial| in_a_thread_of_its_own(Some(denial)));
}

/// To open a FIFO wakes who waits at its other end, to open a device may do anything: neither is even opened.
fn nothing_special_is_opened(upload_mode: &str, denial: Option<Errno>) {
    let setup = setup(denial).variable("FTP_UPLOAD_MODE", upload_mode);
    let at = |name: &str| setup.path("home/bob").join(name);
    std::fs::create_dir(at("sub")).unwrap();
    let special = [at("fifo"), at("sub/fifo"), at("null")];
    special[..2].iter().for_each(|fifo| mkfifo(fifo, Mode::S_IRWXU).unwrap());
    mknod(&special[2], SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
    std::os::unix::fs::symlink("sub/fifo", at("link")).unwrap();
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    for name in &special {
        watch.add_watch(name, AddWatchFlags::IN_OPEN).unwrap();
    }
    let server = setup.start();
    let mut client = Client::login(server.address, "bob");
    // Somebody is in the home, so looks at once are taken.
    let _second = Client::login(server.address, "bob");
    for name in ["fifo", "sub/fifo", "null", "link"] {
        for verb in ["RETR", "STOR", "APPE"] {
            client.pasv();
            client.ask(&format!("{verb} {name}"), "550");
        }
        client.ask("REST 1", "350");
        client.pasv();
        client.ask(&format!("STOR {name}"), "55");
        for verb in ["HASH", "XMD5", "XCRC", "XSHA256", "SIZE", "CWD", "SITE CHMOD 600", "MFMT 20200101000000"] {
            client.ask(&format!("{verb} {name}"), "550");
        }
        // These look, and may tell what there is.
        for command in [format!("MDTM {name}"), format!("MLST {name}"), format!("STAT {name}")] {
            client.ask(&command, "");
        }
        let mut data = client.open();
        if client.say(&format!("LIST {name}")).starts_with("150") {
            all_of(&mut data);
            client.expect("226");
        }
    }
    assert_eq!(watch.read_events().err(), Some(Errno::EAGAIN), "{upload_mode} {denial:?}");
    // The watch sees what it should.
    drop(std::fs::File::options().read(true).write(true).open(&special[0]).unwrap());
    assert!(watch.read_events().is_ok());
}

#[test]
fn nothing_special_is_opened_to_be_refused() {
    for mode in ["atomic", "direct"] {
        for denial in [None].into_iter().chain(DENIALS.map(Some)) {
            nothing_special_is_opened(mode, denial);
        }
    }
}
