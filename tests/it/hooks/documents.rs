//! The receiver and the event that README.md shows, held to reality.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use super::receiver::{Manner, Receiver};
use super::{SECRET, bob, start, telling, telling_of_uploads, wait_until_told};
use crate::wire::{PATIENCE, free_port};

fn block(kind: &str) -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks: Vec<&str> = readme.split(&format!("```{kind}\n")).skip(1).collect();
    assert_eq!(blocks.len(), 1, "one block of {kind}");
    blocks[0].split("```").next().unwrap().to_owned()
}

/// The example in Python: it takes what is signed, and nothing else.
#[test]
fn the_receiver_of_the_readme_knows_what_is_signed() {
    let port = free_port();
    let program = block("python").replace("8000", &port.to_string());
    let mut receiver = Command::new("/usr/bin/python3");
    receiver.args(["-u", "-c", &program]).env_clear().env("HOOK_SECRET", SECRET);
    let mut receiver = Python(receiver.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let lines = BufReader::new(receiver.0.stdout.take().unwrap()).lines();
    let (tell, said) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let url = format!("http://127.0.0.1:{port}/");
    let (server, http) = start(telling_of_uploads(&url));
    bob(&server).store("report.csv", b"12345");
    let line = said.recv_timeout(PATIENCE).unwrap();
    assert!(line.contains("/report.csv") && line.contains('5'), "{line}");
    wait_until_told(http);
    let (mut server, _) = start(telling_of_uploads(&url).variable("FTP_HOOK_SECRET", "another"));
    bob(&server).store("report.csv", b"12345");
    let line = server.wait_for_line("receiver of events failed");
    assert!(line.contains("it answered 403"), "{line}");
    drop(receiver);
    assert_eq!(said.iter().count(), 0, "it took nothing else");
}

/// Ends with the test, whatever becomes of that.
struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The event that is shown has the fields of a real one, in their order.
#[test]
fn the_event_of_the_readme_is_one() {
    let shown = block("json");
    let receiver = Receiver::start(Manner::Answer(200));
    let (server, _) = start(telling_of_uploads(&receiver.url()));
    bob(&server).store("report.csv", b"12345");
    let told = receiver.taken(1);
    let fields = |text: &str| -> Vec<String> {
        text.split("\": ").flat_map(|part| part.rsplit_once('"')).map(|(_, name)| name.to_owned()).collect()
    };
    let real = String::from_utf8(told[0].body.clone()).unwrap().replace("\":", "\": ");
    assert_eq!(fields(&shown), fields(&real));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    for (name, value) in shown.as_object().unwrap() {
        let real = &told[0].event[name];
        assert_eq!((value.is_string(), value.is_u64()), (real.is_string(), real.is_u64()), "{name}");
    }
}

#[test]
fn what_is_in_force_is_shown_without_the_key() {
    let output = telling("https://example.org/hook").arguments(&["check"]).run();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        said.contains("on_upload = \"https://example.org/hook\"") && said.contains("hook_secret = \"********\""),
        "{said}"
    );
    assert!(!said.contains(SECRET));
}
