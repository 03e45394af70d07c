//! Addresses as PORT, PASV (RFC 959 section 4.1.2), EPRT and EPSV (RFC 2428) spell them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::argument::Syntax;

/// Why an EPRT or EPSV argument is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// Not of the form (501).
    Syntax(Syntax),
    /// A network protocol other than IPv4 and IPv6 (522).
    UnknownProtocol,
}

/// A family of addresses, by its number in RFC 2428.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, number 1.
    V4,
    /// IPv6, number 2.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Its number in RFC 2428.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }

    /// Reads the number.
    ///
    /// # Errors
    /// [`Extended::UnknownProtocol`] for another number, [`Extended::Syntax`] for none.
    pub fn parse(digits: &[u8]) -> Result<Self, Extended> {
        match digits {
            b"1" => Ok(Self::V4),
            b"2" => Ok(Self::V6),
            _ if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => Err(Extended::UnknownProtocol),
            _ => Err(Extended::Syntax(Syntax::Malformed("expected a network protocol number"))),
        }
    }
}

/// Reads PORT's `h1,h2,h3,h4,p1,p2`.
///
/// # Errors
/// [`Syntax::Malformed`] unless it is six numbers from 0 to 255 and a port other than 0.
pub fn parse_port(bytes: &[u8]) -> Result<SocketAddr, Syntax> {
    const WRONG: Syntax = Syntax::Malformed("invalid PORT format");
    let mut numbers = [0u8; 6];
    let mut fields = bytes.trim_ascii().split(|&byte| byte == b',');
    for number in &mut numbers {
        *number = fields.next().and_then(decimal).ok_or(WRONG)?;
    }
    let [a, b, c, d, high, low] = numbers;
    let port = u16::from_be_bytes([high, low]);
    if fields.next().is_some() || port == 0 {
        return Err(WRONG);
    }
    Ok(SocketAddr::from((Ipv4Addr::new(a, b, c, d), port)))
}

/// Reads EPRT's `|family|address|port|`, with any printable delimiter (RFC 2428 section 2).
///
/// # Errors
/// See [`Extended`].
pub fn parse_eprt(bytes: &[u8]) -> Result<SocketAddr, Extended> {
    const WRONG: Extended = Extended::Syntax(Syntax::Malformed("invalid EPRT format"));
    let bytes = bytes.trim_ascii();
    let (&delimiter, rest) = bytes.split_first().filter(|(byte, _)| byte.is_ascii_graphic()).ok_or(WRONG)?;
    let fields: Vec<&[u8]> = rest.split(|&byte| byte == delimiter).collect();
    let [family, address, port, b""] = fields[..] else { return Err(WRONG) };
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| WRONG);
    let port: u16 = decimal(port).filter(|&port| port != 0).ok_or(WRONG)?;
    let address = match Family::parse(family)? {
        Family::V4 => IpAddr::V4(text(address)?.parse::<Ipv4Addr>().map_err(|_| WRONG)?),
        Family::V6 => IpAddr::V6(text(address)?.parse::<Ipv6Addr>().map_err(|_| WRONG)?),
    };
    Ok(SocketAddr::new(address, port))
}

/// Writes an address as 227 wants it: `h1,h2,h3,h4,p1,p2`.
#[must_use]
pub fn comma_form(address: Ipv4Addr, port: u16) -> String {
    let [a, b, c, d] = address.octets();
    let [high, low] = port.to_be_bytes();
    format!("{a},{b},{c},{d},{high},{low}")
}

fn decimal<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn port_is_six_numbers() {
        assert_eq!(parse_port(b"127,0,0,1,4,0"), Ok("127.0.0.1:1024".parse().unwrap()));
        assert_eq!(parse_port(b" 10,1,2,255,255,255 "), Ok("10.1.2.255:65535".parse().unwrap()));
        for bad in [
            "",
            ",",
            "1,2,3,4,5",
            "1,2,3,4,5,6,7",
            "256,0,0,1,4,0",
            "127,0,0,1,256,0",
            "127,0,0,1,0,0",
            "-1,0,0,1,4,0",
            "+1,0,0,1,4,0",
            "127,0,0,1,4",
            "127,0,0,1,4,0,",
            "127.0.0.1,4,0",
            "127,0,0,1,4, 0",
            "a,b,c,d,e,f",
            "127,0,0,1,0x4,0",
        ] {
            assert!(matches!(parse_port(bad.as_bytes()), Err(Syntax::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn eprt_is_three_fields_between_delimiters() {
        for (good, want) in [
            ("|1|132.235.1.2|6275|", "132.235.1.2:6275"),
            ("|2|1080::8:800:200C:417A|5282|", "[1080::8:800:200c:417a]:5282"),
            ("!1!127.0.0.1!2000!", "127.0.0.1:2000"),
            ("|2|::ffff:127.0.0.1|2000|", "[::ffff:127.0.0.1]:2000"),
        ] {
            assert_eq!(parse_eprt(good.as_bytes()), Ok(want.parse().unwrap()), "{good}");
        }
        assert_eq!(parse_eprt(b"|3|127.0.0.1|2000|"), Err(Extended::UnknownProtocol));
        for bad in [
            "",
            "|",
            "||||",
            "|1|127.0.0.1|2000",
            "|1|127.0.0.1|2000||",
            "|1|::1|2000|",
            "|2|127.0.0.1|2000|",
            "|1|127.0.0.1|0|",
            "|1|127.0.0.1|65536|",
            "|1|127.0.0.1|-1|",
            "|1|host|2000|",
            "|x|127.0.0.1|2000|",
            "1|127.0.0.1|2000|",
            "|1|127.0.0.1|99999999999999999999|",
            "|2|fe80::1%eth0|2000|",
        ] {
            assert!(matches!(parse_eprt(bad.as_bytes()), Err(Extended::Syntax(_))), "{bad:?}");
        }
    }

    #[test]
    fn families() {
        assert_eq!(Family::parse(b"1"), Ok(Family::V4));
        assert_eq!(Family::parse(b"2"), Ok(Family::V6));
        assert_eq!(Family::parse(b"12"), Err(Extended::UnknownProtocol));
        assert!(matches!(Family::parse(b"x"), Err(Extended::Syntax(_))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(octets: [u8; 4], port in 1u16..) {
            let address = Ipv4Addr::from(octets);
            prop_assert_eq!(parse_port(comma_form(address, port).as_bytes()), Ok(SocketAddr::from((address, port))));
        }

        #[test]
        fn no_bytes_break_the_parsers(bytes: Vec<u8>) {
            let _ = parse_port(&bytes);
            let _ = parse_eprt(&bytes);
        }
    }
}
