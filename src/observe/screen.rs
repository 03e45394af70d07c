//! The screen at start: who may do what, where, within which limits.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What is in force, to be told in words.
#[derive(Debug, Clone)]
pub struct StartScreen {
    /// Of this program.
    pub version: String,
    /// Where settings come from, lowest layer first.
    pub sources: Vec<String>,
    /// Control addresses.
    pub listening: Vec<SocketAddr>,
    /// Addresses for those who speak TLS from the first byte.
    pub implicit: Vec<SocketAddr>,
    /// Addresses for probes and Prometheus.
    pub http: Vec<SocketAddr>,
    /// Whether TLS is spoken, and with which certificate, in words.
    pub tls: Vec<String>,
    /// Who is told of events, and where these wait, in words; nothing if nobody is.
    pub events: Vec<String>,
    /// The address that clients are told in PASV, in words.
    pub advertised: String,
    /// The ports of passive data connections.
    pub passive_ports: String,
    /// Who may log in.
    pub users: Vec<UserLine>,
    /// Limits in force, each in words.
    pub limits: Vec<String>,
    /// Who the process is for the kernel.
    pub process: String,
}

/// One user of the screen.
#[derive(Debug, Clone)]
pub struct UserLine {
    /// The name to log in with.
    pub name: String,
    /// The directory shown as `/`.
    pub home: PathBuf,
    /// Permission letters.
    pub letters: String,
    /// Limits of its own, as users.conf has them.
    pub limits: Vec<String>,
}

impl fmt::Display for UserLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.letters, self.home.display())?;
        self.limits.iter().try_for_each(|limit| write!(f, " {limit}"))
    }
}

impl StartScreen {
    /// The screen, line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("longshore {}", self.version)];
        for (title, entries) in [
            ("settings", self.sources.clone()),
            ("listening", self.listening()),
            ("http", self.http.iter().map(ToString::to_string).collect()),
            ("tls", self.tls.clone()),
            ("advertised", vec![self.advertised.clone()]),
            ("passive", vec![self.passive_ports.clone()]),
            ("users", self.users.iter().map(ToString::to_string).collect()),
            ("limits", self.limits.clone()),
            ("events", self.events.clone()),
            ("process", vec![self.process.clone()]),
        ] {
            let titles = std::iter::once(title).chain(std::iter::repeat(""));
            lines.extend(titles.zip(entries).map(|(title, entry)| format!("{title:10} {entry}")));
        }
        lines
    }

    fn listening(&self) -> Vec<String> {
        let implicit = self.implicit.iter().map(|address| format!("{address} with TLS from the first byte"));
        self.listening.iter().map(ToString::to_string).chain(implicit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_screen() {
        let user = |name: &str, home: &str, letters: &str| UserLine {
            name: name.to_owned(),
            home: home.into(),
            letters: letters.to_owned(),
            limits: if name == "bob" { vec!["max_cons=2".to_owned()] } else { Vec::new() },
        };
        let screen = StartScreen {
            version: "0.1.0".to_owned(),
            sources: vec!["defaults".to_owned(), "conf/settings.toml".to_owned(), "FTP_PORT".to_owned()],
            listening: vec!["0.0.0.0:2121".parse().unwrap(), "[::]:2121".parse().unwrap()],
            implicit: vec!["0.0.0.0:990".parse().unwrap()],
            http: vec!["[::]:8080".parse().unwrap()],
            tls: vec!["allowed".to_owned(), "ftp.example.org".to_owned()],
            events: vec!["on_upload http://192.0.2.9".to_owned()],
            advertised: "192.0.2.1".to_owned(),
            passive_ports: "30000-30009".to_owned(),
            users: vec![user("bob", "/srv/ftp/bob", "elradfmwMT"), user("anonymous", "/srv/ftp/anonymous", "elr")],
            limits: vec!["512 sessions".to_owned(), "50 from one address".to_owned()],
            process: "uid 1000, gid 1000".to_owned(),
        };
        let want = "\
longshore 0.1.0
settings   defaults
           conf/settings.toml
           FTP_PORT
listening  0.0.0.0:2121
           [::]:2121
           0.0.0.0:990 with TLS from the first byte
http       [::]:8080
tls        allowed
           ftp.example.org
advertised 192.0.2.1
passive    30000-30009
users      bob elradfmwMT /srv/ftp/bob max_cons=2
           anonymous elr /srv/ftp/anonymous
limits     512 sessions
           50 from one address
events     on_upload http://192.0.2.9
process    uid 1000, gid 1000";
        assert_eq!(screen.lines().join("\n"), want);
    }
}
