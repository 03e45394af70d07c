//! The ports that the kernel gives out by itself, to connections that ask for any: a passive port should be none of them.

use std::fs;

use crate::settings::PortRange;

/// The first of this range that somebody else's connection may happen to have when it is wanted.
pub(super) fn first_given_out(range: PortRange) -> Option<u16> {
    // Where they cannot be read, nothing is known, and nothing is said.
    let told = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    among(range, &told("ip_local_port_range"), &told("ip_local_reserved_ports"))
}

/// The same from the texts of the kernel: `32768 60999`, and those it leaves alone all the same, `40000,50000-50010`.
fn among(range: PortRange, given_out: &str, reserved: &str) -> Option<u16> {
    let (first, last) = given_out.trim().split_once(char::is_whitespace)?;
    let given_out = ports(first, last)?;
    let part = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        ports(first, last)
    };
    let reserved: Vec<PortRange> = reserved.trim().split(',').filter_map(part).collect();
    range.iter().find(|&port| given_out.contains(port) && !reserved.iter().any(|part| part.contains(port)))
}

fn ports(first: &str, last: &str) -> Option<PortRange> {
    PortRange::new(first.trim().parse().ok()?, last.trim().parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F50: what overlaps, unless the operator has seen to it.
    #[test]
    fn a_port_is_given_out_unless_it_is_reserved() {
        const USUAL: &str = "32768\t60999\n";
        for (first, last, given_out, reserved, want) in [
            (30000, 30009, USUAL, "\n", None),
            (30000, 32767, USUAL, "\n", None),
            (30000, 32768, USUAL, "\n", Some(32768)),
            (60999, 65535, USUAL, "\n", Some(60999)),
            (61000, 65535, USUAL, "\n", None),
            (40000, 40009, USUAL, "\n", Some(40000)),
            (40000, 40009, USUAL, "40000-40009\n", None),
            (40000, 40009, USUAL, "1,40000-40007,40009\n", Some(40008)),
            (40000, 40009, "", "", None),
        ] {
            let range = PortRange::new(first, last).unwrap();
            assert_eq!(among(range, given_out, reserved), want, "{range} {reserved}");
        }
    }
}
