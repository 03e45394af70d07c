//! Who is at the other end of the socket, as far as the kernel can tell.

use std::fs::read_to_string;

/// What the kernel shows for a user that the reader's user namespace does not know, unless it was set to another number.
const OVERFLOW: u32 = 65534;

/// Whether `uid`, as the kernel shows it of a peer, is one user. In a user namespace that does not know all users, all the
/// others have one number together, which a server may run as by chance.
pub(super) fn is_one_user(uid: u32) -> bool {
    let overflow = read_to_string("/proc/sys/kernel/overflowuid").ok().and_then(|text| text.trim().parse().ok());
    uid != overflow.unwrap_or(OVERFLOW) || read_to_string("/proc/self/uid_map").is_ok_and(|map| knows_all(&map))
}

/// Whether a map, of lines of first number within, first number without, and count, names every user.
fn knows_all(map: &str) -> bool {
    // The last number, all ones, is none.
    let users = map.lines().filter_map(|line| line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok()).sum::<u64>();
    users >= u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_names_every_user() {
        assert!(knows_all("         0          0 4294967295\n"));
        assert!(knows_all("0 1 65535\n65535 65536 4294901760\n"));
        for map in ["", "0 0 1\n", "65534 1000 1\n", "0 100000 65536\n"] {
            assert!(!knows_all(map), "{map}");
        }
    }

    #[test]
    fn every_other_number_is_one_user() {
        assert!(is_one_user(0) && is_one_user(1000));
    }
}
