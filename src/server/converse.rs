//! One conversation over any stream, without a listener: how a fuzzer, or a test, speaks to the server in its own
//! process.

use std::net::SocketAddr;
use std::sync::Arc;

use super::control::Control;
use super::wire::Wire;
use crate::limits::Refusal;
use crate::observe::events::SessionId;
use crate::session::{Ending, Service, Session, Stop};

/// Holds a whole conversation, from the greeting to the parting, as with a client at `peer` that was accepted at `local`:
/// both canonical, and `local` an address of this machine, for the data connections are real.
///
/// # Errors
/// There is no seat.
pub async fn converse<S>(
    stream: S,
    service: Arc<Service>,
    peer: SocketAddr,
    local: SocketAddr,
) -> Result<Ending, Refusal>
where
    S: Wire,
{
    let seat = service.seats.admit(peer.ip())?;
    let stop = Stop::default();
    let session = Session::new(SessionId(1), peer, local, service, &stop.drain);
    Ok(Control::new(stream, session, seat, stop).converse().await)
}
