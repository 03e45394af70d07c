//! Who is told: a small HTTP server that answers as a test wants, or not at all.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use aws_lc_rs::hmac;
use serde_json::Value;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wire::PATIENCE;

/// One that was told something.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) line: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) event: Value,
    /// What it was answered; 0 if nothing.
    pub(super) answer: u16,
    /// How many were under way when it came, itself included.
    pub(super) at_once: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Manner {
    Answer(u16),
    /// With this header.
    AnswerWith(u16, String),
    /// Takes all but what is about this path.
    Refuse(String),
    /// Says nothing until its manner changes, and drops the connection then.
    Hang,
}

#[derive(Default)]
struct Shared {
    told: Vec<Told>,
    at_once: usize,
    manner: Option<Manner>,
    over: bool,
}

type State = Arc<(Mutex<Shared>, Condvar)>;

/// A receiver. Dropping it ends it.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    state: State,
    thread: Option<JoinHandle<()>>,
    scheme: &'static str,
}

impl Receiver {
    pub(super) fn start(manner: Manner) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), manner)
    }

    pub(super) fn at(address: SocketAddr, manner: Manner) -> Self {
        Self::with(address, manner, None)
    }

    pub(super) fn secure(manner: Manner, config: ServerConfig) -> Self {
        Self::with("127.0.0.1:0".parse().unwrap(), manner, Some(Arc::new(config)))
    }

    fn with(address: SocketAddr, manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = State::default();
        state.0.lock().unwrap().manner = Some(manner);
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.0.lock().unwrap().over {
                    return;
                }
                let (stream, state, tls) = (stream.unwrap(), Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || converse(stream, tls, &state));
            }
        });
        Self { address, state, thread: Some(thread), scheme }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}/events?to=me", self.scheme, self.address)
    }

    pub(super) fn become_one_that(&self, manner: Manner) {
        self.state.0.lock().unwrap().manner = Some(manner);
        self.state.1.notify_all();
    }

    /// What came so far, as it came.
    pub(super) fn told(&self) -> Vec<Told> {
        self.state.0.lock().unwrap().told.clone()
    }

    /// Waits until what came so far is like this; returns it.
    #[track_caller]
    pub(super) fn wait_until(&self, what: &str, is_so: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        let shared = self.state.0.lock().unwrap();
        let (shared, waited) =
            self.state.1.wait_timeout_while(shared, 2 * PATIENCE, |shared| !is_so(&shared.told)).unwrap();
        let told = shared.told.clone();
        drop(shared);
        assert!(!waited.timed_out(), "never: {what}; so far: {told:#?}");
        told
    }

    /// Waits until this many were taken; returns them.
    #[track_caller]
    pub(super) fn taken(&self, count: usize) -> Vec<Told> {
        let told = self.wait_until(&format!("{count} are taken"), |told| {
            told.iter().filter(|one| one.is_taken()).count() >= count
        });
        told.into_iter().filter(Told::is_taken).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.state.0.lock().unwrap().over = true;
        self.state.1.notify_all();
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}, answered {}, {} at once", self.short(), self.event["size"], self.answer, self.at_once)
    }
}

impl Told {
    pub(super) fn is_taken(&self) -> bool {
        (200..300).contains(&self.answer)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.event[name].as_str().unwrap_or_default()
    }

    /// `upload /file`
    pub(super) fn short(&self) -> String {
        format!("{} {}", self.text("event"), self.text("path"))
    }

    /// Whether it is signed with this key.
    pub(super) fn is_signed(&self, secret: &str) -> bool {
        let Some(signature) = self.headers.get("x-longshore-signature") else { return false };
        let signature = signature.strip_prefix("sha256=").unwrap();
        let signature: Vec<u8> = (0..signature.len() / 2)
            .map(|place| u8::from_str_radix(&signature[2 * place..2 * place + 2], 16).unwrap())
            .collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = [self.headers["x-longshore-timestamp"].as_bytes(), b".", &self.body].concat();
        hmac::verify(&key, &signed, &signature).is_ok()
    }
}

fn converse(stream: TcpStream, tls: Option<Arc<ServerConfig>>, state: &State) {
    match tls {
        None => answer(stream, state),
        Some(config) => answer(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), state),
    }
}

/// One request. Whoever speaks something else, or leaves, is let go.
fn answer(stream: impl Read + Write, state: &State) {
    let mut stream = BufReader::new(stream);
    let Some((line, headers)) = head(&mut stream) else { return };
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let event = serde_json::from_slice(&body).unwrap();
    let mut shared = state.0.lock().unwrap();
    shared.at_once += 1;
    let (at_once, place) = (shared.at_once, shared.told.len());
    shared.told.push(Told { line, headers, body, event, answer: 0, at_once });
    state.1.notify_all();
    let manner = shared.manner.clone().unwrap();
    let (code, header) = match manner {
        Manner::Answer(code) => (code, String::new()),
        Manner::AnswerWith(code, header) => (code, header + "\r\n"),
        Manner::Refuse(path) => (if shared.told[place].text("path") == path { 500 } else { 200 }, String::new()),
        Manner::Hang => {
            let mut shared = state
                .1
                .wait_while(shared, |shared| matches!(shared.manner, Some(Manner::Hang)) && !shared.over)
                .unwrap();
            shared.at_once -= 1;
            return;
        }
    };
    shared.told[place].answer = code;
    shared.at_once -= 1;
    drop(shared);
    // It may be gone, killed maybe: then it asks again.
    let _ = write!(stream.get_mut(), "HTTP/1.1 {code} So\r\n{header}Content-Length: 2\r\n\r\nok");
    let _ = stream.get_mut().flush();
    state.1.notify_all();
}

fn head(stream: &mut impl BufRead) -> Option<(String, BTreeMap<String, String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(0) | Err(_) => return None,
            Ok(_) if line == "\r\n" => break,
            Ok(_) => lines.push(line.trim_end().to_owned()),
        }
    }
    let headers = lines[1..].iter().map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Some((lines[0].clone(), headers))
}
