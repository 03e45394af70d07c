//! Sessions: in all, from one address, of one user.

use std::net::SocketAddr;
use std::sync::Barrier;

use crate::harness::{TestServer, set};
use crate::wire::{Client, wait_until};

const SERVER_FULL: &str = "421 Too many connections. Service temporarily unavailable.";
const ADDRESS_FULL: &str = "421 Too many connections from the same IP address.";
const USER_FULL: &str = "530 Too many sessions of this user.";

fn limited(limits: &[(&str, &str)]) -> TestServer {
    TestServer::start(|settings| limits.iter().for_each(|(name, value)| set(settings, name, value)))
}

#[track_caller]
fn greeted(mut client: Client) -> Client {
    client.expect("220");
    client
}

#[track_caller]
fn turned_away(mut client: Client, reply: &str) {
    assert_eq!(client.reply(), reply);
    client.expect_end();
}

#[track_caller]
fn greeted_at_last(server: SocketAddr) {
    wait_until("a seat is free", || Client::connect(server).reply().starts_with("220"));
}

#[test]
fn max_cons_is_exact_and_a_seat_is_free_at_once_after_quit() {
    let server = limited(&[("max_cons", "3")]);
    let _two = [greeted(Client::connect(server.address)), Client::login(server.address, "bob")];
    let mut third = greeted(Client::connect(server.address));
    // Whoever is turned away takes no seat from others.
    for _ in 0..3 {
        turned_away(Client::connect(server.address), SERVER_FULL);
    }
    // Many times over, for what is not there at once is sometimes there soon enough.
    for _ in 0..50 {
        third.ask("QUIT", "221");
        third = greeted(Client::connect(server.address));
    }
    turned_away(Client::connect(server.address), SERVER_FULL);
}

#[test]
fn a_seat_is_free_after_a_bare_close() {
    let server = limited(&[("max_cons", "1")]);
    for _ in 0..5 {
        // By whom this is asked, the seat is taken once more, and left in the same way.
        greeted_at_last(server.address);
    }
}

#[test]
fn no_limit_is_no_limit() {
    let server = limited(&[("max_cons", "0"), ("max_per_ip", "0")]);
    let all: Vec<Client> = (0..60).map(|_| greeted(Client::connect(server.address))).collect();
    assert_eq!(all.len(), 60);
}

/// Connects so many at once; how many were greeted and how many turned away, each with a whole reply.
fn rush(server: SocketAddr, clients: usize) -> (usize, usize) {
    let together = Barrier::new(clients);
    let replies: Vec<(Client, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    let mut client = Client::connect(server);
                    let reply = client.reply();
                    (client, reply)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted: &str| replies.iter().filter(|(_, reply)| reply == wanted).count();
    (count("220 Welcome"), count(SERVER_FULL))
}

/// T63: exact, however fast they come.
#[test]
fn of_fifty_at_once_ten_are_greeted_and_forty_told_why_not() {
    let server = limited(&[("max_cons", "10"), ("max_per_ip", "0")]);
    assert_eq!(rush(server.address, 50), (10, 40));
}

#[test]
fn a_crowd_larger_than_the_room_for_farewells_is_told_as_well() {
    let server = limited(&[("max_cons", "1"), ("max_per_ip", "0")]);
    assert_eq!(rush(server.address, 200), (1, 199));
}

/// T63: one address fills its own seats.
#[test]
fn max_per_ip_is_exact_for_each_address() {
    let server = limited(&[("max_per_ip", "2")]);
    let first = greeted(Client::connect_from("127.0.0.2", server.address));
    let mut second = greeted(Client::connect_from("127.0.0.2", server.address));
    turned_away(Client::connect_from("127.0.0.2", server.address), ADDRESS_FULL);
    let _other = greeted(Client::connect_from("127.0.0.3", server.address));
    second.ask("QUIT", "221");
    let _again = greeted(Client::connect_from("127.0.0.2", server.address));
    turned_away(Client::connect_from("127.0.0.2", server.address), ADDRESS_FULL);
    drop(first);
}

/// T45: a v4-mapped address is the IPv4 one.
#[test]
fn an_ipv4_client_of_a_dual_stack_listener_counts_as_what_it_is() {
    let server = limited(&[("ip", "::"), ("max_per_ip", "2")]);
    let port = server.address.port();
    let (plain, mapped) = (SocketAddr::from(([127, 0, 0, 1], port)), format!("[::ffff:127.0.0.1]:{port}"));
    let _first = greeted(Client::connect(plain));
    let _second = greeted(Client::connect(mapped.parse().unwrap()));
    turned_away(Client::connect(plain), ADDRESS_FULL);
    turned_away(Client::connect(mapped.parse().unwrap()), ADDRESS_FULL);
    // All of them would be one address, were they taken for the IPv6 network that they are written in.
    let _others =
        [greeted(Client::connect_from("127.0.0.2", plain)), greeted(Client::connect_from("127.0.0.3", plain))];
    let six: SocketAddr = format!("[::1]:{port}").parse().unwrap();
    let _six = [greeted(Client::connect(six)), greeted(Client::connect(six))];
    turned_away(Client::connect(six), ADDRESS_FULL);
}

#[test]
fn trusted_peers_are_exempt_from_the_limit_of_an_address_only() {
    let server = limited(&[("max_per_ip", "1"), ("max_cons", "4"), ("trusted_peers", "127.0.0.2/31")]);
    let _all: Vec<Client> = (0..3).map(|_| greeted(Client::connect_from("127.0.0.2", server.address))).collect();
    let _one = greeted(Client::connect_from("127.0.0.4", server.address));
    turned_away(Client::connect_from("127.0.0.4", server.address), SERVER_FULL);
    turned_away(Client::connect_from("127.0.0.2", server.address), SERVER_FULL);
}

#[track_caller]
fn password_of(server: SocketAddr, user: &str) -> (Client, String) {
    let mut client = greeted(Client::connect(server));
    client.ask(&format!("USER {user}"), "331");
    let reply = client.say("PASS secret");
    (client, reply)
}

#[test]
fn max_per_user_is_exact_and_a_place_is_free_at_once() {
    let server = limited(&[("max_per_user", "2")]);
    let _first = Client::login(server.address, "bob");
    let mut second = Client::login(server.address, "bob");
    let (mut waiting, reply) = password_of(server.address, "bob");
    assert_eq!(reply, USER_FULL);
    let _other = Client::login(server.address, "reader");
    // Each way to leave.
    second.ask("REIN", "220");
    waiting.ask("USER bob", "331");
    waiting.ask("PASS secret", "230");
    assert_eq!(password_of(server.address, "bob").1, USER_FULL);
    waiting.ask("USER reader", "331");
    let mut third = Client::login(server.address, "bob");
    for _ in 0..50 {
        third.ask("QUIT", "221");
        third = Client::login(server.address, "bob");
    }
    assert_eq!(password_of(server.address, "bob").1, USER_FULL);
}

#[test]
fn the_accounts_own_limit_goes_before_the_one_for_all() {
    let users = "one secret elr bob max_cons=1\nmany secret elr bob max_cons=3\nusual secret elr bob\n";
    let server = TestServer::start_with_users(users, |settings| set(settings, "max_per_user", "2"));
    for (user, most) in [("one", 1), ("many", 3), ("usual", 2)] {
        let _all: Vec<Client> = (0..most).map(|_| Client::login(server.address, user)).collect();
        assert_eq!(password_of(server.address, user).1, USER_FULL, "{user}");
    }
}
