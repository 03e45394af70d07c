//! Who speaks the script, and counts the replies: one final reply for each command, in the end.

use longshore::protocol::address::comma_form;
use longshore::protocol::{Decoded, LineDecoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::PATIENCE;
use super::model::Model;
use super::replies::{self, Said};
use super::script::{Manner, Script, Step};
use super::world::MeetingPoint;

pub(super) struct Client<'a> {
    control: DuplexStream,
    pub(super) meeting: MeetingPoint,
    model: &'a mut Model,
    /// Says what the server takes for lines.
    decoder: LineDecoder,
    /// What was said on both connections.
    pub(super) output: Vec<u8>,
    /// What has come of the next reply.
    heard: Vec<u8>,
    commands: u64,
    finals: u64,
    /// The code of the last final reply.
    last: u16,
    /// Whether a transfer was begun since the last burst was sent.
    opened: bool,
    /// Lines of the burst under way.
    pub(super) together: u64,
    /// The client has closed its side.
    pub(super) hung_up: bool,
    /// The server has closed its side.
    over: bool,
    pub(super) manner: (Manner, Vec<u8>),
    pub(super) passive: Option<u16>,
    /// Where the server was told to connect to.
    pub(super) active: Option<TcpListener>,
    pub(super) early: Option<TcpStream>,
}

impl<'a> Client<'a> {
    pub(super) fn new(control: DuplexStream, meeting: MeetingPoint, model: &'a mut Model) -> Self {
        Self {
            control,
            meeting,
            model,
            decoder: LineDecoder::default(),
            output: Vec::new(),
            heard: Vec::new(),
            commands: 0,
            finals: 0,
            last: 0,
            opened: false,
            together: 0,
            hung_up: false,
            over: false,
            manner: (Manner::Plain, Vec::new()),
            passive: None,
            active: None,
            early: None,
        }
    }

    /// From the greeting to the end. Gives what the server said.
    pub(super) async fn play(mut self, script: &Script) -> Vec<u8> {
        let greeting = self.reply().await.expect("a greeting");
        assert_eq!(greeting.code, 220);
        if let Some(name) = script.who.name() {
            self.burst(&[format!("USER {name}").into_bytes()]).await;
            self.burst(&[b"PASS secret".to_vec()]).await;
            assert_eq!(self.last, 230, "{name} is known");
        }
        for step in &script.steps {
            if self.over || self.hung_up {
                break;
            }
            match step {
                Step::Say(lines) => self.burst(lines).await,
                Step::Data(manner, bytes) => self.manner = (*manner, bytes.clone()),
            }
        }
        self.leave(&script.tail).await;
        self.output
    }

    async fn leave(&mut self, tail: &[u8]) {
        let thrown_out = self.over && !self.hung_up;
        if !self.over {
            // Half a line is no command, but the beginning of a TLS handshake is answered at once.
            self.interject(tail).await;
            self.hang_up().await;
            while let Some(said) = self.reply().await {
                self.finals += u64::from(!said.is_preliminary());
            }
        }
        let (finals, commands) = (self.finals, self.commands);
        assert!(finals <= commands, "{finals} replies to {commands} commands");
        // Goodbye, too many failures, another protocol: or else the server has no reason to go.
        assert!(!thrown_out || matches!(self.last, 221 | 421 | 500 | 530), "the server left after {}", self.last);
    }

    /// Sends lines at once, and waits for the replies to all of them.
    async fn burst(&mut self, lines: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        for line in lines {
            bytes.extend(self.with_addresses(line).await);
            bytes.extend_from_slice(b"\r\n");
        }
        let (before, lines) = (self.commands, self.count(&bytes));
        self.together = self.commands - before;
        self.opened = false;
        self.write(&bytes).await;
        while self.finals < self.commands && !self.over {
            match self.reply().await {
                Some(said) => self.react(&said).await,
                None => self.over = true,
            }
        }
        let alone = lines.len() == 1 && self.commands == before + 1;
        let refused = alone && !self.over && !self.opened && self.last >= 400;
        for line in lines {
            self.model.note(&line, refused);
        }
    }

    /// Says a thing more, while a transfer is under way.
    pub(super) async fn interject(&mut self, lines: &[u8]) {
        self.count(lines);
        self.write(lines).await;
    }

    pub(super) async fn hang_up(&mut self) {
        self.hung_up = true;
        // The server may be gone already.
        let _ = self.control.shutdown().await;
    }

    async fn react(&mut self, said: &Said) {
        if said.is_preliminary() {
            self.opened = true;
            self.transfer().await;
            return;
        }
        self.finals += 1;
        self.last = said.code;
        if let Some(port) = replies::passive_port(said) {
            self.arrange(port).await;
        }
    }

    /// The next reply, or the end.
    async fn reply(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = replies::take(&mut self.heard) {
                return Some(said);
            }
            let before = self.heard.len();
            let Ok(read) = timeout(PATIENCE, self.control.read_buf(&mut self.heard)).await else {
                panic!("{} replies to {} commands, and no more", self.finals, self.commands);
            };
            if read.unwrap_or(0) == 0 {
                assert!(self.heard.is_empty(), "half a reply: {}", self.heard.escape_ascii());
                return None;
            }
            self.output.extend_from_slice(&self.heard[before..]);
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        // A server that has left is noticed by the end of its replies.
        let _ = self.control.write_all(bytes).await;
    }

    /// The lines that the server will see, each of which is a command.
    fn count(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut input, mut lines) = (bytes, Vec::new());
        while let Some(decoded) = self.decoder.decode(&mut input) {
            self.commands += 1;
            if let Decoded::Line(line) = decoded {
                lines.push(line);
            }
        }
        lines
    }

    /// The line, in which `%P` or `%E` becomes a place that listens from now on.
    async fn with_addresses(&mut self, line: &[u8]) -> Vec<u8> {
        let Some(at) = line.windows(2).position(|two| two == b"%P" || two == b"%E") else { return line.to_vec() };
        let own = self.meeting.address;
        // A new one each time: on an old one a connection may wait that nobody came to.
        let listener = TcpListener::bind((own, 0)).await.expect("any port");
        let port = listener.local_addr().expect("a port").port();
        self.active = Some(listener);
        let place = if line[at + 1] == b'P' { comma_form(own, port) } else { format!("|1|{own}|{port}|") };
        [&line[..at], place.as_bytes(), &line[at + 2..]].concat()
    }
}
