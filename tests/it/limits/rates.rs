//! Rates on the wire: which direction each is for, and who shares it.
//!
//! Only lower bounds on time, which a slow machine cannot break, and the order of events; the arithmetic is tested
//! with a clock of its own beside the code.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{TestServer, set};
use crate::wire::Client;

const RATE: &str = "300KiB";
/// One second at that rate.
const SECOND: usize = 300 * 1024;

/// bob, who has a file of so many seconds at the rate; others are at home in the same folder.
fn server(seconds: usize, change: &[(&str, &str)]) -> TestServer {
    let users = "bob secret elradfmwMT bob\nann secret elradfmwMT bob\nslow secret elradfmwMT bob \
                 max_download=300KiB max_upload=300KiB\n";
    let server = TestServer::start_with_users(users, |settings| {
        change.iter().for_each(|(name, value)| set(settings, name, value));
    });
    std::fs::write(server.home("bob").join("file"), vec![7; seconds * SECOND]).unwrap();
    server
}

fn take(source: &str, server: SocketAddr, user: &str) {
    let mut client = Client::login_from(source, server, user);
    assert_eq!(client.retrieve("file").len() % SECOND, 0);
}

fn give(source: &str, server: SocketAddr, user: &str) {
    // Names differ, so that nobody waits for another's file.
    let mut client = Client::login_from(source, server, user);
    let name = format!("new{}", client.local().port());
    client.store(&name, &vec![7; SECOND]);
}

type Transfer = fn(&str, SocketAddr, &str);

/// How long they take, all at once.
fn together(server: SocketAddr, transfer: Transfer, who: &[(&str, &str)]) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for &(source, user) in who {
            scope.spawn(move || transfer(source, server, user));
        }
    });
    begun.elapsed()
}

#[test]
fn a_limit_holds_for_its_own_direction() {
    for (setting, limited) in [("max_download", take as Transfer), ("max_upload", give)] {
        let server = server(1, &[(setting, RATE)]);
        let took = together(server.address, limited, &[("127.0.0.1", "bob")]);
        assert!(took >= Duration::from_millis(700), "{setting}: {took:?}");
    }
}

#[test]
fn a_download_under_a_limit_slows_no_upload() {
    let server = server(60, &[("max_download", RATE), ("max_download_per_user", RATE), ("max_download_total", RATE)]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut slow = Client::login(server.address, "bob");
        let mut data = slow.open();
        slow.ask("RETR file", "150");
        let is_over = &is_over;
        scope.spawn(move || {
            crate::wire::until_end(&mut data);
            is_over.store(true, Ordering::Release);
        });
        // Held to the same rate, this would take longer than what has a minute's start.
        Client::login(server.address, "bob").store("new", &vec![7; 70 * SECOND]);
        assert!(!is_over.load(Ordering::Acquire), "the upload was held back");
        slow.ask("ABOR", "426");
    });
}

#[test]
fn an_accounts_own_limit_goes_before_the_one_for_all() {
    let server = server(1, &[("max_download", "1GiB"), ("max_upload", "1GiB")]);
    for transfer in [take as Transfer, give] {
        let took = together(server.address, transfer, &[("127.0.0.1", "slow")]);
        assert!(took >= Duration::from_millis(700), "{took:?}");
    }
}

/// Three transfers of a second each take three, if they share the rate, and one if each has its own.
#[track_caller]
fn share(direction: &str, sharers: &str, who: [(&str, &str); 3]) {
    let setting = format!("max_{direction}_{sharers}");
    let server = server(1, &[(&setting, RATE)]);
    let took = together(server.address, if direction == "download" { take } else { give }, &who);
    assert!(took >= Duration::from_millis(2100), "{setting}: {took:?}");
}

#[test]
fn the_sessions_of_a_user_share_its_rate() {
    let who = [("127.0.0.2", "bob"), ("127.0.0.3", "bob"), ("127.0.0.4", "bob")];
    share("download", "per_user", who);
    share("upload", "per_user", who);
}

#[test]
fn the_sessions_from_an_address_share_its_rate() {
    let who = [("127.0.0.2", "bob"), ("127.0.0.2", "ann"), ("127.0.0.2", "ann")];
    share("download", "per_ip", who);
    share("upload", "per_ip", who);
}

#[test]
fn all_sessions_share_the_rate_of_the_server() {
    let who = [("127.0.0.2", "bob"), ("127.0.0.3", "ann"), ("127.0.0.4", "slow")];
    share("download", "total", who);
    share("upload", "total", who);
}
