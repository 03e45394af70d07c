//! `/livez` and `/readyz`, and `longshore healthcheck` where they are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use super::{get, serve};
use crate::binary::{PROGRAM, Setup};
use crate::harness::{TestServer, set};
use crate::wire::{Client, free_port, wait_until};

fn ready() -> (u16, String) {
    (200, "ready\n".to_owned())
}

fn not_ready(why: &str) -> (u16, String) {
    (503, format!("not ready: {why}\n"))
}

#[test]
fn nothing_listens_unless_it_is_asked_for() {
    assert!(TestServer::start(|_| ()).http.is_none());
}

#[test]
fn who_is_ready_lets_clients_in() {
    let (server, http) = serve(Setup::new());
    assert_eq!(get(http, "/readyz"), ready());
    Client::login(server.address, "bob");
    assert_eq!(server.end().status.code(), Some(0));
}

#[test]
fn readiness_goes_with_the_homes_and_comes_back_with_them() {
    let (server, http) = serve(Setup::new().variable("FTP_CREATE_HOMES", "off"));
    let (home, elsewhere) = (server.folder().join("home"), server.folder().join("elsewhere"));
    std::fs::rename(&home, &elsewhere).unwrap();
    let gone = not_ready("no home can be reached: No such file or directory (os error 2)");
    assert_eq!(get(http, "/readyz"), gone);
    // Nobody is helped by a restart.
    assert_eq!(get(http, "/livez").0, 200);
    std::fs::write(&home, "").unwrap();
    assert_eq!(get(http, "/readyz"), not_ready("no home can be reached: Not a directory (os error 20)"));
    std::fs::remove_file(&home).unwrap();
    std::fs::rename(&elsewhere, &home).unwrap();
    assert_eq!(get(http, "/readyz"), ready());
}

/// As long as there is one, the others are no reason to send everybody away; and what a log-in makes need not be there.
#[test]
fn a_home_that_one_user_misses_is_his_own_trouble() {
    let server = TestServer::start(|settings| {
        set(settings, "http_listen", "127.0.0.1:0");
        set(settings, "create_homes", "off");
        settings.enable_anonymous = false;
    });
    for (number, user) in ["bob", "reader", "carol"].iter().enumerate() {
        assert_eq!(get(server.http.unwrap(), "/readyz"), ready(), "{number} are gone");
        std::fs::remove_dir(server.home(user)).unwrap();
    }
    assert_eq!(get(server.http.unwrap(), "/readyz").0, 503);
    let makes = TestServer::start(|settings| {
        set(settings, "http_listen", "127.0.0.1:0");
        settings.enable_anonymous = false;
    });
    for user in ["bob", "reader", "carol"] {
        std::fs::remove_dir(makes.home(user)).unwrap();
    }
    assert_eq!(get(makes.http.unwrap(), "/readyz"), ready());
    assert!(!makes.home("bob").exists(), "a look makes nothing");
}

/// What lies on a mount that never answers, as of a file server that is gone, is waited for once and not for long.
#[test]
fn homes_that_hang_are_out_of_reach_and_hold_up_nothing_else() {
    let words = ["/usr/bin/unshare", "--mount", "--propagation", "private", PROGRAM];
    let (server, http) = serve(Setup::new().variable("PATH", "/usr/bin:/bin").program(&words));
    assert_eq!(get(http, "/readyz"), ready());
    let mount = DeadMount::over(&server.folder().join("home"), server.pid());
    let threads = || std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap().count();
    let silent = not_ready("the homes do not answer within 2 s");
    assert_eq!(get(http, "/readyz"), silent);
    let before = threads();
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..20).map(|_| scope.spawn(|| get(http, "/readyz"))).collect();
        assert_eq!(get(http, "/livez").0, 200);
        asked.into_iter().for_each(|asked| assert_eq!(asked.join().unwrap(), silent));
    });
    assert!(threads() <= before, "no thread more than the one that hangs");
    drop(mount);
    let broken = not_ready("no home can be reached: Transport endpoint is not connected (os error 107)");
    wait_until("the look is over", || get(http, "/readyz") == broken);
}

/// A file system that nobody serves.
struct DeadMount(Child);

impl DeadMount {
    /// Covers a directory, in the mounts of this process.
    fn over(directory: &Path, pid: u32) -> Self {
        let mount = "exec 7<>/dev/fuse && mount -i -t fuse \
                     -o fd=7,rootmode=40000,user_id=0,group_id=0 dead \"$0\" && echo mounted && exec cat";
        let mut child = Command::new("/usr/bin/nsenter")
            .args(["--mount", "--target", &pid.to_string(), "/bin/sh", "-c", mount])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 8];
        child.stdout.as_mut().unwrap().read_exact(&mut said).expect("this takes root, and /dev/fuse");
        Self(child)
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// The end is told to those who ask before all else, and until the last session is over.
#[test]
fn readiness_goes_down_first_and_life_goes_on_while_transfers_end() {
    let (server, http) = serve(Setup::new().variable("FTP_SHUTDOWN_GRACE", "10m"));
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR new", "150");
    server.signal(Signal::SIGTERM);
    wait_until("readiness is down", || get(http, "/readyz") == not_ready("the server is ending"));
    assert_eq!(get(http, "/livez"), (200, "alive\n".to_owned()));
    data.write_all(b"all of it").unwrap();
    drop(data);
    client.expect("226");
    client.expect("421");
    assert_eq!(server.wait().status.code(), Some(0));
}

fn healthcheck(http: SocketAddr) -> (Option<i32>, String) {
    // The port of sessions is a wrong one, so that it is seen who is asked.
    let setup = Setup::empty().variable("FTP_PORT", &free_port().to_string());
    let output = setup.variable("FTP_HTTP_LISTEN", &http.to_string()).arguments(&["healthcheck"]).run();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_health_check_asks_whether_it_lives() {
    let well = (Some(0), String::new());
    for listen in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
        let mut server = TestServer::start(|settings| set(settings, "http_listen", listen));
        let http = server.http.unwrap();
        assert_eq!(healthcheck(http), well, "{listen}");
        // A home that is gone is no reason to restart.
        std::fs::remove_dir_all(server.home("bob")).unwrap();
        assert_eq!(healthcheck(http), well, "{listen}");
        server.stop();
        let (code, complaint) = healthcheck(http);
        assert_eq!(code, Some(1));
        assert!(complaint.ends_with(&format!(":{}: nobody listens there\n", http.port())), "{complaint}");
    }
    let (code, complaint) = healthcheck("127.0.0.1:0".parse().unwrap());
    assert_eq!((code, complaint.as_str()), (Some(1), "http_listen: found 0, any free one, expected the one to ask\n"));
}

#[test]
fn the_health_check_believes_nothing_but_200() {
    let somebody_else = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = somebody_else.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        for said in ["HTTP/1.1 503 Service Unavailable\r\n\r\n", "220 Welcome to FTP\r\n", "HTTP/1.1"] {
            let (mut stream, _) = somebody_else.accept().unwrap();
            let mut asked = [0; 23];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"GET /livez HTTP/1.0\r\n\r\n");
            stream.write_all(said.as_bytes()).unwrap();
        }
    });
    for why in [
        "no answer of HTTP with 200, but \"HTTP/1.1 503\"",
        "no answer of HTTP with 200, but \"220 Welcome \"",
        "closed without an answer",
    ] {
        assert_eq!(healthcheck(address), (Some(1), format!("{address}: {why}\n")));
    }
    thread.join().unwrap();
}
