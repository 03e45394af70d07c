//! Checksums against the examples of their standards.

use super::super::Algorithm;
use super::*;
use sha2::{Digest as _, Sha256};
use std::cell::Cell;

fn hex(ground: &Ground, algorithm: Algorithm, start: u64, end: Option<u64>) -> Result<String, FileError> {
    let summed = ground.home.summing(&path("file"), algorithm, start, end)?.read_on(|| true)?;
    Ok(summed.expect("nothing is left").hex)
}

#[test]
fn vectors() {
    let ground = Ground::new();
    ground.file("file", "abc");
    for (name, want) in [
        ("CRC32", "352441c2"),
        ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
        ("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("SHA-256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "SHA-512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        let algorithm = Algorithm::named(name.to_lowercase().as_bytes()).unwrap();
        assert_eq!(algorithm.name(), name);
        assert_eq!(hex(&ground, algorithm, 0, None).unwrap(), want);
    }
    assert_eq!(Algorithm::named(b"SHA-3"), None);
    ground.file("file", "");
    assert_eq!(hex(&ground, Algorithm::Crc32, 0, None).unwrap(), "00000000");
    assert_eq!(hex(&ground, Algorithm::Md5, 0, Some(0)).unwrap(), "d41d8cd98f00b204e9800998ecf8427e");
}

#[test]
fn ranges() {
    let ground = Ground::new();
    let content: Vec<u8> = (0..300_000u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
    ground.file("file", &content);
    for (start, end) in [(0, 300_000), (1, 131_073), (131_072, 262_144), (299_999, 300_000), (300_000, 300_000)] {
        let want: String = Sha256::digest(&content[start..end]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex(&ground, Algorithm::Sha256, start as u64, Some(end as u64)).unwrap(), want, "{start}..{end}");
    }
    let mut rest = ground.home.summing(&path("file"), Algorithm::Crc32, 7, None).unwrap();
    let whole = rest.read_on(|| true).unwrap().unwrap();
    assert_eq!((whole.start, whole.end), (7, 300_000));
    for (start, end) in [(300_001, None), (0, Some(300_001)), (5, Some(4))] {
        let result = hex(&ground, Algorithm::Md5, start, end);
        assert!(matches!(result, Err(FileError::BeyondEnd { .. })), "{start} {end:?}: {result:?}");
    }
}

#[test]
fn a_sum_that_is_interrupted_goes_on_where_it_was() {
    let ground = Ground::new();
    let content: Vec<u8> = (0..1_000_000u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
    ground.file("file", &content);
    for algorithm in Algorithm::ALL {
        let whole = hex(&ground, algorithm, 0, None).unwrap();
        let mut summing = ground.home.summing(&path("file"), algorithm, 0, None).unwrap();
        let (mut pauses, reads) = (0, Cell::new(0));
        let summed = loop {
            let two_blocks = || reads.replace(reads.get() + 1) % 3 < 2;
            match summing.read_on(two_blocks).unwrap() {
                Some(digest) => break digest,
                None => pauses += 1,
            }
        };
        assert_eq!((pauses, summed.hex), (3, whole));
    }
}
