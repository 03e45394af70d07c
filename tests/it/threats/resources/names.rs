//! T72: nobody's address is looked up, so no name that a client owns gets anywhere.

use std::net::{Ipv4Addr, UdpSocket};

use crate::binary::Setup;
use crate::namespaces::{Host, NameServer};
use crate::wire::{Client, all_of};

const MARK: &[u8] = b"a mark, no question";

#[test]
fn no_name_server_is_asked_about_clients() {
    let host = Host::new();
    let dns = NameServer::start(&host, Ipv4Addr::new(127, 0, 0, 53));
    let setup = || Setup::new().file("resolv.conf", "nameserver 127.0.0.53\noptions timeout:1 attempts:1\n");
    let start = |setup: Setup| {
        let resolv_conf = setup.path("resolv.conf");
        host.run_resolving_by(&resolv_conf, || setup.start())
    };

    let server = start(setup().variable("FTP_MAX_LOGIN_ATTEMPTS", "0").variable("FTP_BAN_AFTER", "0"));
    host.run(|| {
        for number in 2..52 {
            let mut client = Client::login_from(&format!("127.0.0.{number}"), server.address, "bob");
            let mut data = client.open();
            client.ask("LIST", "150");
            all_of(&mut data);
            client.expect("226");
            client.ask("HOST ftp.example.org", "");
            client.ask("USER example.org", "331");
            client.ask("PASS wrong", "530");
        }
        let marker = UdpSocket::bind("127.0.0.1:0").unwrap();
        marker.send_to(MARK, "127.0.0.53:53").unwrap();
    });
    assert_eq!(dns.questions_before(MARK), Vec::<Vec<u8>>::new());
    drop(server);

    // It would have been asked: the one name that the operator gives is.
    let server = start(setup().variable("FTP_MASQUERADE_ADDRESS", "ftp.example.org"));
    dns.wait_for_question();
    drop(server);
}
