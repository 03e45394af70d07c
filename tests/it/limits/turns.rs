//! What all clients share, of which there are few: one client at its worst leaves a second one served. Each test goes by
//! the order of events: the second client is answered while the first one still has all that it asked for under way.

use std::fs::File;

use crate::harness::TestServer;
use crate::wire::Client;

/// What takes hours to read through.
const HUGE: u64 = 1 << 40;

/// Has so many sessions of one address make a sum that does not end.
fn summing(server: &TestServer, sessions: usize) -> Vec<Client> {
    let begin = |_| {
        let mut client = Client::login(server.address, "bob");
        client.send("XSHA512 huge");
        client
    };
    (0..sessions).map(begin).collect()
}

fn server() -> TestServer {
    let server = TestServer::start(|_| {});
    File::create(server.home("bob").join("huge")).unwrap().set_len(HUGE).unwrap();
    std::fs::write(server.home("carol").join("small"), "abc").unwrap();
    std::fs::write(server.home("bob").join("small"), "abc").unwrap();
    server
}

#[test]
fn one_clients_sums_do_not_hold_up_those_of_another_address() {
    let server = server();
    let busy = summing(&server, 20);
    let mut other = Client::login_from("127.0.0.2", server.address, "bob");
    other.ask("XCRC small", "250 352441c2");
    for mut client in busy {
        client.ask("ABOR", "426");
    }
}

#[test]
fn one_users_sums_do_not_hold_up_those_of_another_user_of_the_address() {
    let server = server();
    let busy = summing(&server, 20);
    let mut other = Client::login(server.address, "carol");
    other.ask("XCRC small", "250 352441c2");
    for mut client in busy {
        client.ask("ABOR", "426");
    }
}

/// Nor those of one session the next of the same user.
#[test]
fn a_sum_that_takes_hours_lets_others_of_its_user_go_first() {
    let server = server();
    let busy = summing(&server, 3);
    let mut other = Client::login(server.address, "bob");
    other.ask("XCRC small", "250 352441c2");
    for mut client in busy {
        client.ask("ABOR", "426");
    }
}
