//! Logging in: T13 to T23. (T23: `tests/it/logs/secrets.rs`.)

mod crowd;
mod damaged;
mod rights;

use std::collections::BTreeSet;

use crate::harness::TestServer;
use crate::wire::Client;

/// T13: a name that is known, unknown, bound to another address, or hashed is answered in the same bytes, to USER and to
/// a wrong PASS; so are the refusals of a right password from the wrong place.
#[test]
fn replies_do_not_tell_who_is_known() {
    let users = format!("{}bound secret elr bob from=10.0.0.0/8\n", crate::harness::USERS);
    let server = TestServer::start_with_users(&users, |_| {});
    let mut replies = BTreeSet::new();
    for (name, password) in [
        ("bob", "wrong"),
        ("carol", "wrong"),
        ("bound", "wrong"),
        ("bound", "secret"),
        ("nobody", "wrong"),
        ("..", "x"),
    ] {
        let mut client = Client::connect(server.address);
        let mut heard = vec![client.reply()];
        // Three times: the last refusal is another one.
        for _ in 0..3 {
            heard.push(client.say(&format!("USER {name}")));
            heard.push(client.say("STAT"));
            heard.push(client.say(&format!("PASS {password}")));
        }
        client.expect_end();
        replies.insert(heard);
    }
    assert_eq!(replies.len(), 1, "{replies:#?}");
}
