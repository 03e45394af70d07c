//! One event by HTTP: a POST that is signed, and is done when the answer is 2xx.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use aws_lc_rs::hmac;
use hickory_resolver::TokioResolver;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::deliver::Parcel;
use super::event::now;
use super::trust::Trust;
use crate::settings::{Secret, WebAddress};

/// What is read of an answer's body, in bytes, and for how long: nobody looks at it, and a receiver may write its log by
/// whether it could be sent.
const MAX_ANSWER: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends it.
///
/// # Errors
/// Why the receiver does not have it, or may not have it.
pub(super) async fn post(
    address: &WebAddress,
    trust: Option<&Trust>,
    secret: &Secret,
    parcel: &Parcel,
) -> Result<(), String> {
    let stream = connect(address).await?;
    let request = request(address, secret, parcel).map_err(|error| error.to_string())?;
    if !address.secure {
        return exchange(stream, request).await;
    }
    let trust = trust.ok_or("nobody is known who vouches for it")?;
    let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(std::sync::Arc::clone(&trust.config));
    let stream = connector.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
    exchange(stream, request).await
}

fn request(address: &WebAddress, secret: &Secret, parcel: &Parcel) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let timestamp = now().as_second().to_string();
    let mut request = Request::post(&address.target)
        .header(HOST, host(address))
        .header(CONNECTION, "close")
        .header(USER_AGENT, concat!("longshore/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header("X-Longshore-Event", parcel.event.event.name())
        .header("X-Longshore-Delivery", &parcel.event.id)
        .header("X-Longshore-Timestamp", &timestamp);
    if !secret.is_empty() {
        request = request.header("X-Longshore-Signature", signature(secret, &timestamp, &parcel.body));
    }
    request.body(Full::new(Bytes::from(parcel.body.clone())))
}

/// Of the time as well, so that what was overheard cannot be sent again later.
fn signature(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    [timestamp.as_bytes(), b".", body].iter().for_each(|part| context.update(part));
    context.sign().as_ref().iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// RFC 9110 section 7.2: the port, unless it is that of the scheme.
pub(super) fn host(WebAddress { secure, host, port, .. }: &WebAddress) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    if *port == if *secure { 443 } else { 80 } { host } else { format!("{host}:{port}") }
}

async fn connect(address: &WebAddress) -> Result<TcpStream, String> {
    let addresses = match address.host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => resolve(&address.host).await?,
    };
    let mut failure = format!("{} has no address", address.host);
    for ip in addresses {
        let to = SocketAddr::new(ip, address.port);
        match TcpStream::connect(to).await {
            Ok(stream) => {
                // Where that cannot be set, it is slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => failure = format!("{to}: {error}"),
        }
    }
    Err(failure)
}

/// By the system's name servers and hosts file, both read anew, as a container's may change under us.
async fn resolve(name: &str) -> Result<Vec<IpAddr>, String> {
    let unknown = |error: &dyn std::fmt::Display| format!("{name} is not known: {error}");
    let resolver = TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build);
    let answer = resolver.map_err(|error| unknown(&error))?.lookup_ip(name).await.map_err(|error| unknown(&error))?;
    Ok(answer.iter().collect())
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: hyper::Error| match std::error::Error::source(&error) {
        Some(why) => format!("{error}: {why}"),
        None => error.to_string(),
    };
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(broken)?;
    let mut talk = pin!(async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER);
        let _ = timeout(PATIENCE, body.collect()).await;
        // A redirect is followed by nobody: it would tell others what is meant for this one.
        if status.is_success() { Ok(()) } else { Err(format!("it answered {}", status.as_u16())) }
    });
    tokio::select! {
        said = &mut talk => said,
        _ = connection => talk.await,
    }
}

/// Too long to answer.
pub(super) fn too_slow(limit: Duration) -> String {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s (hook_timeout)", limit.as_secs_f64()))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Hook;

    /// The value is of `openssl dgst -sha256 -hmac key`.
    #[test]
    fn the_signature_is_of_time_and_body() {
        let made = signature(&"key".into(), "1700000000", b"{}");
        assert_eq!(made, "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae");
    }

    #[test]
    fn the_host_is_told_as_it_is_written() {
        for (text, want) in [
            ("http://example.org/", "example.org"),
            ("http://example.org:80/", "example.org"),
            ("https://example.org:80/", "example.org:80"),
            ("https://[::1]:443/", "[::1]"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ] {
            let Ok(Hook::Web(address)) = text.parse() else { panic!("{text}") };
            assert_eq!(host(&address), want, "{text}");
        }
    }
}
