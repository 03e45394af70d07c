//! How bytes will travel: TYPE, MODE, STRU (RFC 959 section 4.1.2), and the ways to a data connection: PASV, PORT
//! (RFC 959), EPSV, EPRT (RFC 2428), PRET.
//!
//! Each way first forgets the one arranged before, so that a refused PORT does not leave an old one in force.

use std::net::{IpAddr, SocketAddr};

use super::{Command, Feature, Members, Ran, Spec, find, say};
use crate::data::{DataPlan, NoPort, Passive, is_out_of_bounds};
use crate::observe::events;
use crate::protocol::address::{Extended, Family, parse_eprt, parse_port};
use crate::protocol::{Argument, Reply, Syntax, replies};
use crate::session::{Member, Representation, Session};

/// The lowest port that an ordinary program may listen on: below are mail, shells and other services to attack.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// Representation type; `None` is one that RFC 959 has and this server has not.
pub struct Type(Option<Representation>);

impl Command for Type {
    const SPEC: &'static Spec = &Spec { verb: "TYPE", syntax: "<SP> A | I | L 8", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        match argument.word()?.as_slice() {
            b"A" | b"A N" | b"L7" | b"L 7" => Ok(Self(Some(Representation::Ascii))),
            b"I" | b"L8" | b"L 8" => Ok(Self(Some(Representation::Image))),
            [b'A' | b'E' | b'L', ..] => Ok(Self(None)),
            _ => Err(Syntax::Malformed("expected A, I or L 8")),
        }
    }
}

impl Members for Type {
    async fn run(self, _: &mut Session, member: &mut Member) -> Ran {
        let representation = self.0.ok_or_else(replies::parameter_not_implemented)?;
        member.representation = representation;
        say(match representation {
            Representation::Ascii => replies::type_ascii(),
            Representation::Image => replies::type_binary(),
        })
    }
}

/// Transfer mode; `false` is one of those that are not implemented: block, compressed, deflate.
pub struct Mode(bool);

impl Command for Mode {
    const SPEC: &'static Spec = &Spec { verb: "MODE", syntax: "<SP> S", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        match argument.word()?.as_slice() {
            b"S" => Ok(Self(true)),
            b"B" | b"C" | b"Z" => Ok(Self(false)),
            _ => Err(Syntax::Malformed("expected S")),
        }
    }
}

impl Members for Mode {
    async fn run(self, _: &mut Session, _: &mut Member) -> Ran {
        say(if self.0 { replies::mode_stream() } else { replies::parameter_not_implemented() })
    }
}

/// File structure; `false` is one of those that are not implemented: record, page.
pub struct Stru(bool);

impl Command for Stru {
    const SPEC: &'static Spec = &Spec { verb: "STRU", syntax: "<SP> F", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        match argument.word()?.as_slice() {
            b"F" => Ok(Self(true)),
            b"R" | b"P" => Ok(Self(false)),
            _ => Err(Syntax::Malformed("expected F")),
        }
    }
}

impl Members for Stru {
    async fn run(self, _: &mut Session, _: &mut Member) -> Ran {
        say(if self.0 { replies::structure_file() } else { replies::parameter_not_implemented() })
    }
}

/// Passive: we listen, and tell where.
pub struct Pasv;

impl Command for Pasv {
    const SPEC: &'static Spec = &Spec { verb: "PASV", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        argument.none().map(|()| Self)
    }
}

impl Members for Pasv {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        forget_plan(member)?;
        let (client, local) = (session.peer().ip(), session.local().ip());
        let address =
            session.service.advertiser.address_for(client, local).map_err(|_| replies::no_passive_address())?;
        let passive = listen(session, member).await?;
        let port = passive.port();
        member.plan = DataPlan::Passive(passive);
        say(replies::passive(address, port))
    }

    fn forget(member: &mut Member) {
        member.plan = DataPlan::None;
    }
}

/// Extended passive: only the port is told, so NAT and IPv6 need no care.
pub enum Epsv {
    /// On whatever protocol the control connection has.
    Any,
    /// On this protocol.
    On(Result<Family, Extended>),
    /// No other way to a data connection from now on, so that a NAT need not read along.
    All,
}

impl Command for Epsv {
    const SPEC: &'static Spec =
        &Spec { verb: "EPSV", syntax: "[<SP> 1 | 2 | ALL]", features: &[Feature::Fixed("EPSV")], ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        match argument.word().unwrap_or_default().as_slice() {
            b"" => Ok(Self::Any),
            b"ALL" => Ok(Self::All),
            number => match Family::parse(number) {
                Err(Extended::Syntax(syntax)) => Err(syntax),
                family => Ok(Self::On(family)),
            },
        }
    }
}

impl Members for Epsv {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        member.plan = DataPlan::None;
        // The client's end: a proxy may reach us by another protocol than the client reaches the proxy.
        let own = Family::of(session.peer().ip());
        match self {
            Self::All => {
                member.epsv_only = true;
                return say(replies::extended_passive_only());
            }
            Self::On(family) if family != Ok(own) => return say(replies::use_family(own)),
            Self::On(_) | Self::Any => {}
        }
        let passive = listen(session, member).await?;
        let port = passive.port();
        member.plan = DataPlan::Passive(passive);
        say(replies::extended_passive(port))
    }

    fn forget(member: &mut Member) {
        member.plan = DataPlan::None;
    }
}

/// Active: we shall connect to where the client says.
pub struct Port(SocketAddr);

impl Command for Port {
    const SPEC: &'static Spec = &Spec { verb: "PORT", syntax: "<SP> h1,h2,h3,h4,p1,p2", ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        parse_port(argument.some()?).map(Self)
    }
}

impl Members for Port {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        arrange_active(session, member, self.0)
    }

    fn forget(member: &mut Member) {
        member.plan = DataPlan::None;
    }
}

/// Active, for any network protocol; `None` is an unknown one.
pub struct Eprt(Option<SocketAddr>);

impl Command for Eprt {
    const SPEC: &'static Spec =
        &Spec { verb: "EPRT", syntax: "<SP> |1|address|port|", features: &[Feature::Fixed("EPRT")], ..Spec::BASIC };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        match parse_eprt(argument.some()?) {
            Ok(address) => Ok(Self(Some(address))),
            Err(Extended::UnknownProtocol) => Ok(Self(None)),
            Err(Extended::Syntax(syntax)) => Err(syntax),
        }
    }
}

impl Members for Eprt {
    async fn run(self, session: &mut Session, member: &mut Member) -> Ran {
        let own = Family::of(session.local().ip());
        let to = self.0.map(|to| SocketAddr::new(to.ip().to_canonical(), to.port()));
        match to {
            Some(to) if Family::of(to.ip()) == own => arrange_active(session, member, to),
            _ => {
                member.plan = DataPlan::None;
                say(replies::use_family(own))
            }
        }
    }

    fn forget(member: &mut Member) {
        member.plan = DataPlan::None;
    }
}

/// Prepare for the command that follows PASV, which only distributed servers need (drftpd).
pub struct Pret(bool);

impl Command for Pret {
    const SPEC: &'static Spec =
        &Spec { verb: "PRET", syntax: "<SP> command", features: &[Feature::Fixed("PRET")], ..Spec::ANY_BYTES };

    fn parse(argument: Argument<'_>) -> Result<Self, Syntax> {
        let (verb, _) = Argument::split(argument.some()?);
        Ok(Self(find(&verb).is_some()))
    }
}

impl Members for Pret {
    async fn run(self, _: &mut Session, _: &mut Member) -> Ran {
        say(if self.0 { replies::pret_noted() } else { replies::parameter_not_implemented() })
    }
}

/// Forgets what was arranged; refuses where only EPSV is left.
fn forget_plan(member: &mut Member) -> Result<(), Reply> {
    member.plan = DataPlan::None;
    if member.epsv_only { Err(replies::only_extended_passive()) } else { Ok(()) }
}

async fn listen(session: &Session, member: &Member) -> Result<Passive, Reply> {
    let group = session.whose(Some(&member.account.name)).group;
    let (client, passive) = (session.peer().ip(), &session.service.passive);
    passive.listen(session.id, session.local(), client, &group).await.map_err(|why| {
        events::failed(session.id, session.peer().ip(), "opening a passive port", &why);
        match why {
            NoPort::RangeUsedUp => {
                events::met_limit("passive_ports");
                replies::range_used_up()
            }
            NoPort::Refused(_) => replies::no_data_connection(),
        }
    })
}

/// Notes where to connect to. Nothing is sent there before a transfer asks for it (RFC 2577 section 3).
fn arrange_active(session: &Session, member: &mut Member, to: SocketAddr) -> Ran {
    forget_plan(member)?;
    let settings = &session.service.settings;
    if !settings.enable_active {
        return say(replies::active_disabled());
    }
    if !settings.permit_foreign_addresses && !is_clients_own(to.ip(), session.peer().ip()) {
        return say(replies::foreign_address());
    }
    if is_out_of_bounds(to.ip(), session.peer().ip(), [&settings.trusted_peers, &settings.proxy_from]) {
        return say(replies::address_out_of_bounds());
    }
    if !settings.permit_privileged_ports && to.port() < FIRST_UNPRIVILEGED_PORT {
        return say(replies::privileged_port());
    }
    // EPRT has no room for the scope of a link-local address; the control connection has it.
    let mut to = to;
    if let (SocketAddr::V6(to), SocketAddr::V6(peer)) = (&mut to, session.peer()) {
        to.set_scope_id(peer.scope_id());
    }
    let mut from = session.local();
    from.set_port(settings.active_source_port);
    member.plan = DataPlan::Active { to, from };
    say(replies::active_accepted())
}

fn is_clients_own(address: IpAddr, client: IpAddr) -> bool {
    address.to_canonical() == client
}
