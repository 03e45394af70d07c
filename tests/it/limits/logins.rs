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

/// A ban holds for the guesses of sessions that were there before it, also for one that is right.
#[test]
fn a_ban_ends_the_sessions_of_the_address_that_are_not_logged_in() {
    let server = TestServer::start(|settings| set(settings, "ban_after", "1"));
    let mut logged_in = Client::login_from("127.0.0.2", server.address, "bob");
    let mut greeted = Client::connect_from("127.0.0.2", server.address);
    greeted.expect("220");
    let mut named = Client::connect_from("127.0.0.2", server.address);
    named.expect("220");
    named.ask("USER bob", "331");
    let mut elsewhere = Client::connect_from("127.0.0.3", server.address);
    elsewhere.expect("220");
    let mut guesser = Client::connect_from("127.0.0.2", server.address);
    guesser.expect("220");
    assert_eq!(attempt(&mut guesser, "bob", "wrong"), LAST);
    for client in [&mut greeted, &mut named] {
        client.expect(BANNED);
        client.expect_end();
    }
    assert_eq!(attempt(&mut elsewhere, "bob", "secret"), "230 Login successful.");
    // What is logged in goes on, and logs in no more.
    logged_in.ask("NOOP", "200");
    assert_eq!(logged_in.say("USER bob"), BANNED);
    logged_in.expect_end();
}

/// Guesses that are all under way when the first of them fails: the right one is no way in any more.
#[test]
fn of_guesses_at_once_none_is_a_way_in_after_the_ban() {
    let server = TestServer::start(|settings| {
        set(settings, "ban_after", "1");
        set(settings, "auth_failed_delay", "5s");
    });
    // The refusal is counted at once, and told later.
    let mut wrong = Client::connect_from("127.0.0.2", server.address);
    let mut right = Client::connect_from("127.0.0.2", server.address);
    for client in [&mut wrong, &mut right] {
        client.expect("220");
        client.ask("USER bob", "331");
    }
    wrong.send("PASS wrong");
    right.expect(BANNED);
    right.expect_end();
}

#[test]
fn a_log_out_does_not_begin_the_time_to_log_in_again() {
    let server = TestServer::start(|settings| set(settings, "login_timeout", "2s"));
    for lines in [&["REIN"][..], &["USER anonymous", "PASS x", "REIN"], &["USER anonymous", "PASS x", "USER bob"]] {
        let mut client = Client::connect(server.address);
        client.expect("220");
        let began = Instant::now();
        // One line after the other until the server has had enough of it, which is soon, or the test has.
        let mut lines = lines.iter().cycle();
        while !client.say(lines.next().unwrap()).starts_with("421") {
            assert!(began.elapsed() < Duration::from_secs(60), "it goes on for ever");
        }
        client.expect_end();
    }
    // A password that is right earns the time again.
    let mut client = Client::connect(server.address);
    client.expect("220");
    for _ in 0..3 {
        client.sign_in("bob");
        client.ask("REIN", "2");
    }
}
