//! Files that rule the server, and homes in which clients may write: the two never meet.

mod guard;
mod letters;
mod reload;
mod share;
mod ways;

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::authority::Authority;
use crate::binary::Setup;

/// A kind of file that rules the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Settings,
    SettingsWithSecret,
    Users,
    Certificate,
    Key,
    Authorities,
    Password,
    Token,
    HookSecret,
    HookAuthorities,
    Program,
    Script,
    ScriptOfAShell,
    Spool,
    Log,
    TransferLog,
}

impl Kind {
    pub(crate) const ALL: [Self; 16] = [
        Self::Settings,
        Self::SettingsWithSecret,
        Self::Users,
        Self::Certificate,
        Self::Key,
        Self::Authorities,
        Self::Password,
        Self::Token,
        Self::HookSecret,
        Self::HookAuthorities,
        Self::Program,
        Self::Script,
        Self::ScriptOfAShell,
        Self::Spool,
        Self::Log,
        Self::TransferLog,
    ];

    /// Whether it need not be there when the server starts.
    fn may_be_missing(self) -> bool {
        matches!(self, Self::Program | Self::Spool | Self::Log | Self::TransferLog)
    }

    /// Whether clients must not read it.
    fn is_secret(self) -> bool {
        use Kind::{HookSecret, Key, Password, SettingsWithSecret, Spool, Token, Users};
        matches!(self, SettingsWithSecret | Users | Key | Password | Token | HookSecret | Spool)
    }
}

/// Where files of all kinds can be had.
pub(crate) struct Ground {
    pub(crate) setup: Setup,
    authority: Authority,
}

/// The user whose home is tried, and the file that rules.
pub(crate) struct Trial<'a> {
    pub(crate) kind: Kind,
    /// As the setting has it.
    pub(crate) file: &'a str,
    /// As users.conf has it.
    pub(crate) home: &'a str,
    pub(crate) letters: &'a str,
}

impl Ground {
    /// `home/in` and `rule` are there, `bob` is not.
    pub(crate) fn new() -> Self {
        let setup = Setup::empty().variable("FTP_IP", "127.0.0.1").variable("FTP_PORT", "0");
        for folder in ["home/in", "rule", "elsewhere"] {
            std::fs::create_dir_all(setup.path(folder)).unwrap();
        }
        Self { setup, authority: Authority::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Puts what belongs into a file of this kind there, on its disk; nothing, if it may be missing.
    pub(crate) fn put(&self, kind: Kind, path: &Path, user: &str) {
        let pair = self.authority.issue(&["localhost"]);
        let text = match kind {
            Kind::Settings => "# nothing\n".to_owned(),
            Kind::SettingsWithSecret => "http_token = \"a token of some length\"\n".to_owned(),
            Kind::Users => user.to_owned(),
            Kind::Certificate => pair.cert_pem.clone(),
            Kind::Key => pair.key_pem.clone(),
            Kind::Authorities | Kind::HookAuthorities => self.authority.pem(),
            Kind::Password | Kind::Token | Kind::HookSecret => "a secret of some length\n".to_owned(),
            Kind::Program | Kind::Script | Kind::ScriptOfAShell => "#!/bin/sh\n".to_owned(),
            Kind::Spool | Kind::Log | Kind::TransferLog => return,
        };
        std::fs::write(path, text).unwrap();
        let other = self.path("elsewhere/other.pem");
        std::fs::write(other, if kind == Kind::Key { pair.cert_pem } else { pair.key_pem }).unwrap();
    }

    /// What `longshore check` says of a user at home there, and of a file of this kind that its setting names so.
    pub(crate) fn check(self, trial: &Trial<'_>) -> (Self, Output) {
        let Trial { kind, file, home, letters } = *trial;
        let other = self.text("elsewhere/other.pem");
        let user = format!("bob secret {letters} {home}\n");
        let mut variables: Vec<(&str, &str)> = vec![("FTP_HOME_ROOT", "rule/.."), ("FTP_LOG_ROTATION", "never")];
        let script = format!("/bin/sh {file}");
        let shell = format!("/bin/sh -c 'true; . {file}'");
        let web = "https://127.0.0.1:1/";
        match kind {
            Kind::Settings | Kind::SettingsWithSecret => variables.push(("FTP_CONFIG", file)),
            Kind::Users => variables.push(("FTP_USERS_FILE", file)),
            Kind::Certificate => {
                variables.extend([("FTP_TLS", "allowed"), ("FTP_TLS_CERT", file), ("FTP_TLS_KEY", &other)]);
            }
            Kind::Key => variables.extend([("FTP_TLS", "allowed"), ("FTP_TLS_CERT", &other), ("FTP_TLS_KEY", file)]),
            Kind::Authorities => variables.extend([("FTP_TLS", "allowed"), ("FTP_TLS_CLIENT_CA", file)]),
            Kind::Password => variables.extend([("FTP_USER", "ann"), ("FTP_PASS_FILE", file)]),
            Kind::Token => variables.push(("FTP_HTTP_TOKEN_FILE", file)),
            Kind::HookSecret => variables.push(("FTP_HOOK_SECRET_FILE", file)),
            Kind::HookAuthorities => variables.extend([("FTP_ON_UPLOAD", web), ("FTP_HOOK_CA", file)]),
            Kind::Program => variables.push(("FTP_ON_LOGIN", file)),
            Kind::Script => variables.push(("FTP_ON_DELETE", &script)),
            Kind::ScriptOfAShell => variables.push(("FTP_ON_RENAME", &shell)),
            Kind::Spool => variables.extend([("FTP_ON_MKDIR", web), ("FTP_HOOK_SPOOL", file)]),
            Kind::Log => variables.push(("FTP_LOGGING_NAME", file)),
            Kind::TransferLog => variables.push(("FTP_TRANSFER_LOG", file)),
        }
        if kind != Kind::Users {
            variables.push(("FTP_USERS", &user));
        }
        if !matches!(kind, Kind::Spool) {
            variables.push(("FTP_HOOK_SPOOL", ".longshore-spool"));
        }
        let Self { setup, authority } = self;
        let setup = setup.without_variables().variable("FTP_IP", "127.0.0.1").variable("FTP_PORT", "0");
        let setup = variables.into_iter().fold(setup, |setup, (name, value)| setup.variable(name, value));
        let output = setup.run_with_arguments(&["check"]);
        (Self { setup, authority }, output)
    }
}

/// That it was refused by a line that names file and home, or not at all.
#[track_caller]
pub(crate) fn expect(output: &Output, refused: bool, trial: &Trial<'_>, told_home: &str, way: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    let Trial { kind, file, letters, .. } = trial;
    let line = said.lines().find(|line| {
        line.contains("which clients at home in")
            && line.contains(file)
            && line.contains(told_home)
            && line.contains("`bob`")
    });
    let code = if refused { 2 } else { 0 };
    assert!(
        line.is_some() == refused && output.status.code() == Some(code),
        "{kind:?}, {way}, {letters}: {:?} {said}",
        output.status
    );
}
