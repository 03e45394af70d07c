//! What the log says of events is as conf/log-schema.json says.

use std::collections::BTreeSet;

use super::bob;
use crate::binary::Setup;
use crate::logs::schema::valid;
use crate::reload::{hang_up, put};

/// What the log says of events that others are told of, and when.
pub(crate) const SEEN: [&str; 8] = [
    "command of an event said",
    "damaged lines in the spool",
    "events are kept again",
    "events dropped, nobody is to be told of them",
    "events found in the spool",
    "events lost",
    "receiver of events failed",
    "receiver of events is well again",
];

#[test]
fn every_line_about_events_is_as_the_schema_says() {
    let spool = tempfile::tempdir().unwrap();
    let waiting = "{\"id\":\"1\",\"time\":\"2026-11-21T10:15:30.000Z\",\"event\":\"upload\",\"user\":\"bob\",\"peer\":\"::1\",\
                   \"session\":1,\"tls\":false,\"path\":\"/a\",\"file\":\"/x/a\",\"size\":1,\"transferred\":1}\nnone\n";
    std::fs::write(spool.path().join("events-00000000000000000001.jsonl"), waiting).unwrap();
    let setup = Setup::new().file("script", "[ -e $1 ] || exit 1; printf 'taken \\033[2J'");
    let (script, go) = (setup.path("script").display().to_string(), setup.path("go").display().to_string());
    let mut server = setup
        .file("conf/settings.toml", &format!("on_upload = \"/bin/sh {script} {go}\"\nhook_retry = \"50ms\"\n"))
        .variable("FTP_HOOK_SPOOL", &spool.path().display().to_string())
        .variable("FTP_HOOK_SPOOL_SIZE", "6000")
        .start();
    let mut client = bob(&server);
    for number in 0..40 {
        client.store(&format!("file{number}"), b"1");
    }
    server.wait_for_line("events lost");
    std::fs::write(&go, "").unwrap();
    server.wait_for_line("events are kept again");
    put(&server, "conf/settings.toml", "# nobody\n");
    hang_up(&mut server);
    client.store("file", b"1");
    server.wait_for_line("events dropped");
    let seen: BTreeSet<String> = valid(&server.end().lines).into_iter().collect();
    for message in SEEN {
        assert!(seen.contains(message), "{message}: {seen:#?}");
    }
}
