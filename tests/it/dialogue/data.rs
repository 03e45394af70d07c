//! Steps on the data connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::player::{Player, Step, Way};
use super::text::{matches, show, unescape};

impl Player {
    pub(super) fn arrange(&mut self, word: &str) -> Step {
        self.data = None;
        let server = self.server.address;
        self.way = match word {
            "pasv" => {
                let reply = self.ask("PASV", "227")?;
                let numbers = reply.split(['(', ')']).nth(1).ok_or("no parentheses")?;
                let numbers: Vec<u8> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
                let [a, b, c, d, high, low] = numbers[..] else { return Err(reply) };
                Way::Passive(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))))
            }
            "epsv" => {
                let reply = self.ask("EPSV", "229")?;
                let port = reply.split('|').nth(3).ok_or("no port")?.parse().unwrap();
                Way::Passive(SocketAddr::new(server.ip(), port))
            }
            _ => {
                let listener = TcpListener::bind((server.ip(), 0)).unwrap();
                let port = listener.local_addr().unwrap().port();
                if word == "port" {
                    self.ask(&format!("PORT 127,0,0,1,{},{}", port / 256, port % 256), "200")?;
                } else {
                    let family = if server.is_ipv4() { 1 } else { 2 };
                    self.ask(&format!("EPRT |{family}|{}|{port}|", server.ip()), "200")?;
                }
                Way::Active(listener)
            }
        };
        if let Way::Passive(address) = self.way {
            self.first_port.get_or_insert(address);
        }
        Ok(())
    }

    pub(super) fn open(&mut self) -> Step {
        let stream = match &self.way {
            Way::None => return Err("no data connection was arranged".to_owned()),
            Way::Passive(address) => TcpStream::connect(address).map_err(|e| format!("data: {e}"))?,
            Way::Active(listener) => listener.accept().map_err(|e| format!("data: {e}"))?.0,
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.data = Some(stream);
        Ok(())
    }

    pub(super) fn data(&mut self) -> Result<&mut TcpStream, String> {
        if self.data.is_none() {
            self.open()?;
        }
        self.data.as_mut().ok_or_else(|| "no data connection".to_owned())
    }

    pub(super) fn receive_all(&mut self) -> Result<Vec<u8>, String> {
        let mut received = Vec::new();
        self.data()?.read_to_end(&mut received).map_err(|e| format!("data: {e}"))?;
        self.data = None;
        Ok(received)
    }

    pub(super) fn receive(&mut self, pattern: &str) -> Step {
        let received = self.receive_all()?;
        if matches(&unescape(pattern), &received) { Ok(()) } else { Err(format!("came: {}", show(&received))) }
    }

    pub(super) fn begin_lines(&mut self) -> Step {
        let received = self.receive_all()?;
        let mut lines: Vec<Vec<u8>> = received.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        for line in &mut lines {
            let whole = line.strip_suffix(b"\r\n").map(<[u8]>::to_vec);
            *line = whole.ok_or_else(|| format!("no whole line: {}", show(line)))?;
        }
        self.lines_expected = Some(lines);
        Ok(())
    }

    /// One of the lines that came; `| end` says that none is left.
    pub(super) fn take_line(&mut self, pattern: &str) -> Step {
        let lines = self.lines_expected.as_mut().ok_or("receive-lines comes first")?;
        let left = |lines: &[Vec<u8>]| lines.iter().map(|line| show(line)).collect::<Vec<_>>().join(" | ");
        if pattern == "end" {
            return if lines.is_empty() { Ok(()) } else { Err(format!("left: {}", left(lines))) };
        }
        let pattern = unescape(pattern);
        let found = lines.iter().position(|line| matches(&pattern, line));
        lines.remove(found.ok_or_else(|| format!("not among: {}", left(lines)))?);
        Ok(())
    }

    pub(super) fn send_data(&mut self, text: &str) -> Step {
        let bytes = unescape(text);
        self.data()?.write_all(&bytes).map_err(|e| format!("data: {e}"))
    }

    pub(super) fn take(&mut self, count: usize) -> Step {
        let mut taken = vec![0; count];
        self.data()?.read_exact(&mut taken).map_err(|e| format!("data: {e}"))
    }

    pub(super) fn hang_up(&mut self) -> Step {
        self.data()?.shutdown(Shutdown::Both).map_err(|e| format!("data: {e}"))?;
        self.data = None;
        Ok(())
    }

    /// Waits for a transfer to have come so far, by asking: nothing else tells.
    pub(super) fn await_moved(&mut self, bytes: &str) -> Step {
        let wanted = format!(" Total bytes transferred: {bytes}");
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            self.send_control(b"STAT\r\n")?;
            let mut found = false;
            loop {
                let line = String::from_utf8_lossy(&self.read_line()?).into_owned();
                found |= line == wanted;
                match line.get(..4) {
                    Some("211 ") => break,
                    Some("211-") | None => {}
                    Some(other) if other.starts_with(' ') => {}
                    Some(_) => return Err(format!("came: {line}")),
                }
            }
            if found {
                return Ok(());
            }
        }
        Err("it has not come so far".to_owned())
    }

    pub(super) fn abandon(&mut self) -> Step {
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&*self.data()?).set_linger(linger).map_err(|e| e.to_string())?;
        self.data = None;
        Ok(())
    }

    pub(super) fn connect_as_stranger(&self) -> Step {
        use socket2::{Domain, Socket, Type};
        let Way::Passive(address) = self.way else { return Err("no passive port was arranged".to_owned()) };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(|e| e.to_string())?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into()).map_err(|e| e.to_string())?;
        socket.connect(&address.into()).map_err(|e| format!("connecting: {e}"))?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        let mut received = Vec::new();
        match TcpStream::from(socket).read_to_end(&mut received) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(format!("not closed: {error}")),
            _ if received.is_empty() => Ok(()),
            _ => Err(format!("came: {}", show(&received))),
        }
    }

    pub(super) fn expect_refusal(&self) -> Step {
        let address = self.first_port.ok_or("no passive port was arranged")?;
        match TcpStream::connect(address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            found => Err(format!("connecting: {found:?}")),
        }
    }
}
