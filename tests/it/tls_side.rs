//! The client's side of TLS, every step of which a test can see and leave out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use longshore::settings::Settings;
use tokio_rustls::rustls::client::{Resumption, Tls12Resumption};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion, version,
};

use crate::authority::{Authority, Pair};
use crate::harness::{TestServer, USERS, set};
use crate::wire::Client;

/// A connection that speaks TLS.
pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Both versions, for what must hold in either.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// What a client brings along: whom it trusts, which version it speaks, the sessions it can resume.
#[derive(Clone)]
pub(crate) struct Side(pub(crate) Arc<ClientConfig>);

impl Side {
    pub(crate) fn new(authority: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        Self(Arc::new(builder(authority, version, None)))
    }

    /// With a certificate of its own.
    pub(crate) fn with_certificate(
        authority: &Authority,
        version: &'static SupportedProtocolVersion,
        pair: &Pair,
    ) -> Self {
        Self(Arc::new(builder(authority, version, Some(pair))))
    }

    /// The same with these names in ALPN.
    pub(crate) fn asking_for(&self, protocol: &[u8]) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![protocol.to_vec()];
        Self(Arc::new(config))
    }

    /// The same without what it could resume.
    pub(crate) fn forgetful(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.resumption = Resumption::in_memory_sessions(16);
        Self(Arc::new(config))
    }

    /// The same without what it could resume, and in TLS 1.2 by the name of a session only.
    pub(crate) fn without_tickets(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.resumption = Resumption::in_memory_sessions(16).tls12_resumption(Tls12Resumption::SessionIdOnly);
        Self(Arc::new(config))
    }

    /// A connection that has yet to make its handshake.
    pub(crate) fn over(&self, stream: TcpStream) -> Secure {
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(&self.0), name).unwrap(), stream)
    }

    /// A data connection after its handshake; whether it resumed.
    #[track_caller]
    pub(crate) fn handshake(&self, stream: TcpStream) -> std::io::Result<(Secure, bool)> {
        let mut secure = self.over(stream);
        while secure.conn.is_handshaking() {
            secure.conn.complete_io(&mut secure.sock)?;
        }
        let resumed = secure.conn.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((secure, resumed))
    }

    /// Greeted, and past AUTH TLS.
    pub(crate) fn connect(&self, server: &TestServer) -> Client {
        let mut client = Client::connect(server.address);
        client.expect("220");
        client.ask("AUTH TLS", "234");
        client.over_another(|stream| self.over(stream))
    }

    /// Logged in, with data connections to be encrypted.
    pub(crate) fn login(&self, server: &TestServer, user: &str) -> Client {
        let mut client = self.connect(server);
        client.sign_in(user);
        client.ask("PBSZ 0", "200");
        client.ask("PROT P", "200");
        client
    }

    /// A whole download, in a handshake that resumes if it can.
    #[track_caller]
    pub(crate) fn retrieve(&self, client: &mut Client, command: &str) -> (Vec<u8>, bool) {
        let stream = client.open();
        client.ask(command, "150");
        let (mut data, resumed) = self.handshake(stream).unwrap();
        let mut received = Vec::new();
        // Without close_notify this is an error.
        data.read_to_end(&mut received).unwrap();
        client.expect("226");
        (received, resumed)
    }

    /// A whole upload by a client that looks at nothing the server sends on the data connection.
    #[track_caller]
    pub(crate) fn store(&self, client: &mut Client, name: &str, bytes: &[u8]) {
        let stream = client.open();
        client.ask(&format!("STOR {name}"), "150");
        let (mut data, _) = self.handshake(stream).unwrap();
        data.write_all(bytes).unwrap();
        data.conn.send_close_notify();
        data.flush().unwrap();
        drop(data);
        client.expect("226");
    }
}

fn builder(authority: &Authority, version: &'static SupportedProtocolVersion, own: Option<&Pair>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::pem_slice_iter(pair.cert_pem.as_bytes()).map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_slice(pair.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

/// A server with a pair of this authority.
pub(crate) fn server(authority: &Authority, change: impl FnOnce(&mut Settings)) -> TestServer {
    server_with_users(authority, USERS, change)
}

/// The same with users of its own.
pub(crate) fn server_with_users(authority: &Authority, users: &str, change: impl FnOnce(&mut Settings)) -> TestServer {
    TestServer::start_with_users(users, |settings| {
        // Beside the homes, where it lasts as long as the server.
        let (cert, key) = write(&settings.home_root, &authority.issue(&["localhost", "127.0.0.1"]));
        set(settings, "tls", "allowed");
        set(settings, "tls_cert", &cert);
        set(settings, "tls_key", &key);
        change(settings);
    })
}

/// Puts a pair where the server looks for it.
pub(crate) fn write(folder: &Path, pair: &Pair) -> (String, String) {
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name).display().to_string());
    std::fs::write(&cert, &pair.cert_pem).unwrap();
    std::fs::write(&key, &pair.key_pem).unwrap();
    (cert, key)
}
