//! Log-ins: how many may fail, how slowly, and where from they may come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::harness::{TestServer, set};
use crate::wire::{Client, wait_until};

const BANNED: &str = "421 Too many failed log-ins from this address. Try again later.";
const LAST: &str = "530 Authentication failed. Disconnecting.";

#[track_caller]
fn attempt(client: &mut Client, user: &str, password: &str) -> String {
    client.ask(&format!("USER {user}"), "331");
    client.say(&format!("PASS {password}"))
}

#[test]
fn the_third_failure_ends_the_session_and_the_second_does_not() {
    let server = TestServer::start(|_| {});
    let mut client = Client::connect(server.address);
    client.expect("220");
    assert_eq!(attempt(&mut client, "bob", "wrong"), "530 Authentication failed.");
    assert_eq!(attempt(&mut client, "nobody", "wrong"), "530 Authentication failed.");
    assert_eq!(attempt(&mut client, "bob", "wrong"), LAST);
    client.expect_end();

    let mut client = Client::connect(server.address);
    client.expect("220");
    attempt(&mut client, "bob", "wrong");
    attempt(&mut client, "bob", "wrong");
    assert_eq!(attempt(&mut client, "bob", "secret"), "230 Login successful.");
    // A log-in between the guesses does not make new ones free.
    assert_eq!(attempt(&mut client, "bob", "wrong").split(' ').next(), Some("530"));
    client.expect_end();
}

#[test]
fn any_number_may_fail_without_a_limit() {
    let server = TestServer::start(|settings| set(settings, "max_login_attempts", "0"));
    let mut client = Client::connect(server.address);
    client.expect("220");
    for _ in 0..12 {
        assert_eq!(attempt(&mut client, "bob", "wrong"), "530 Authentication failed.");
    }
    assert_eq!(attempt(&mut client, "bob", "secret"), "230 Login successful.");
}

/// T14: a refusal comes no sooner than its delay, and a name that nobody has takes the way of one that somebody has
/// (`users/authenticator.rs`), so the clock tells nothing.
#[test]
fn a_failure_is_answered_late_whoever_it_was() {
    let server = TestServer::start(|settings| {
        set(settings, "auth_failed_delay", "300ms");
        set(settings, "enable_anonymous", "off");
        set(settings, "max_login_attempts", "0");
    });
    let mut client = Client::connect(server.address);
    client.expect("220");
    for user in ["bob", "carol", "nobody", "anonymous"] {
        client.ask(&format!("USER {user}"), "331");
        let asked = Instant::now();
        client.ask("PASS wrong", "530");
        assert!(asked.elapsed() >= Duration::from_millis(300), "{user}: {:?}", asked.elapsed());
    }
}

/// T16: failures count across connections. (By /64, and in a bounded table: `limits/tries.rs`.)
#[test]
fn an_address_is_banned_at_its_limit_and_for_a_time() {
    let server = TestServer::start(|settings| {
        set(settings, "ban_after", "3");
        set(settings, "ban_time", "1s");
    });
    let mut one = Client::connect_from("127.0.0.2", server.address);
    let mut two = Client::connect_from("127.0.0.2", server.address);
    one.expect("220");
    two.expect("220");
    attempt(&mut one, "bob", "wrong");
    attempt(&mut two, "nobody", "wrong");
    // n-1: not yet.
    let mut three = Client::connect_from("127.0.0.2", server.address);
    three.expect("220");
    let failed = Instant::now();
    // The guesses count across sessions, and whoever is banned guesses no more where it is.
    assert_eq!(attempt(&mut three, "bob", "wrong"), LAST);
    three.expect_end();
    let mut turned_away = Client::connect_from("127.0.0.2", server.address);
    turned_away.expect(BANNED);
    turned_away.expect_end();
    drop(Client::login_from("127.0.0.3", server.address, "bob"));
    wait_until("the ban ends", || Client::connect_from("127.0.0.2", server.address).reply().starts_with("220"));
    assert!(failed.elapsed() >= Duration::from_secs(1), "{:?}", failed.elapsed());
    drop(Client::login_from("127.0.0.2", server.address, "bob"));
}

#[test]
fn trusted_peers_are_not_banned() {
    let server = TestServer::start(|settings| {
        set(settings, "ban_after", "1");
        set(settings, "trusted_peers", "127.0.0.2/32");
    });
    for _ in 0..3 {
        let mut client = Client::connect_from("127.0.0.2", server.address);
        client.expect("220");
        assert_eq!(attempt(&mut client, "bob", "wrong"), "530 Authentication failed.");
    }
}

#[test]
fn an_account_may_be_bound_to_addresses() {
    let users = "bound secret elr bob from=127.0.0.2/32,::1/128\nfree secret elr bob\n";
    let server = TestServer::start_with_users(users, |settings| set(settings, "ip", "::"));
    for (source, host, user, reply) in [
        ("127.0.0.2", "127.0.0.1", "bound", "230 Login successful."),
        ("127.0.0.3", "127.0.0.1", "bound", "530 Authentication failed."),
        ("::1", "::1", "bound", "230 Login successful."),
        ("127.0.0.3", "127.0.0.1", "free", "230 Login successful."),
    ] {
        let mut client = Client::connect_from(source, SocketAddr::new(host.parse().unwrap(), server.address.port()));
        client.expect("220");
        assert_eq!(attempt(&mut client, user, "secret"), reply, "{source} {user}");
    }
}
