//! Keeping what is said and sent from those who read along: AUTH, PBSZ, PROT, CCC (RFC 2228; with TLS: RFC 4217).

use super::{Anyone, Command, Feature, Ran, Spec, say};
use crate::protocol::{Argument, Syntax, replies};
use crate::session::{Conversation, Outcome, Session};

/// TLS from here on; `false` is another mechanism. SSL is what drafts before RFC 4217 called it, and TLS-C too.
pub struct Auth(bool);

impl Command for Auth {
    const SPEC: &'static Spec = &Spec {
        verb: "AUTH",
        syntax: "<SP> TLS",
        features: &[Feature::Chosen(|session| with_tls(session, "AUTH TLS"))],
        ..Spec::BASIC
    };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        Ok(Self(matches!(argument.word()?.as_slice(), b"TLS" | b"TLS-C" | b"SSL")))
    }
}

impl Anyone for Auth {
    async fn run(self, Conversation { session, phase }: &mut Conversation) -> Ran {
        if session.service.tls.is_none() {
            return say(replies::not_implemented());
        }
        if session.protection.control.is_some() {
            return say(replies::tls_stands());
        }
        if !self.0 {
            return say(replies::unknown_mechanism());
        }
        // What was said in clear may have been said by somebody else (RFC 4217 section 4).
        phase.log_out(session.without_login);
        Ok(Outcome::Secure(replies::tls_begins()))
    }
}

/// Protection buffer size: whatever is asked for, TLS needs none.
pub struct Pbsz;

impl Command for Pbsz {
    const SPEC: &'static Spec = &Spec {
        verb: "PBSZ",
        syntax: "<SP> 0",
        features: &[Feature::Chosen(|session| with_tls(session, "PBSZ"))],
        ..Spec::BASIC
    };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.number().map(|_| Self)
    }
}

impl Anyone for Pbsz {
    async fn run(self, Conversation { session, .. }: &mut Conversation) -> Ran {
        if session.protection.control.is_none() {
            return say(replies::auth_first());
        }
        session.protection.has_buffer_size = true;
        say(replies::no_buffer())
    }
}

/// How data connections are protected.
pub enum Prot {
    /// C: not at all.
    Clear,
    /// P: by TLS.
    Private,
    /// S and E, which belong to other mechanisms.
    Unknown,
}

impl Command for Prot {
    const SPEC: &'static Spec = &Spec {
        verb: "PROT",
        syntax: "<SP> C | P",
        features: &[Feature::Chosen(|session| with_tls(session, "PROT"))],
        ..Spec::BASIC
    };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        match argument.word()?.as_slice() {
            b"C" => Ok(Self::Clear),
            b"P" => Ok(Self::Private),
            b"S" | b"E" => Ok(Self::Unknown),
            _ => Err(Syntax::Malformed("expected C or P")),
        }
    }
}

impl Anyone for Prot {
    async fn run(self, Conversation { session, .. }: &mut Conversation) -> Ran {
        let must_protect_data = session.must_protect_data();
        let protection = &mut session.protection;
        say(match self {
            _ if protection.control.is_none() => replies::auth_first(),
            _ if !protection.has_buffer_size => replies::pbsz_first(),
            Self::Clear if must_protect_data => replies::data_must_be_protected(),
            Self::Clear => {
                protection.data = false;
                replies::data_in_clear()
            }
            Self::Private => {
                protection.data = true;
                replies::data_protected()
            }
            Self::Unknown => replies::unknown_protection(),
        })
    }
}

/// Clear command channel: back to clear text, for a NAT that reads along. So could anybody.
pub struct Ccc;

impl Command for Ccc {
    const SPEC: &'static Spec = &Spec { verb: "CCC", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Anyone for Ccc {
    async fn run(self, _: &mut Conversation) -> Ran {
        say(replies::no_way_back())
    }
}

fn with_tls(session: &Session, feature: &str) -> Option<String> {
    session.service.tls.is_some().then(|| feature.to_owned())
}
