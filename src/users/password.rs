//! Secrets that passwords are checked against: plain, or a hash known by its prefix.
//!
//! Each kind checks the password as it was given. bcrypt by definition looks at the first 72 bytes only; longer ones
//! are not refused, because the tools that made the hash did not refuse them either.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, PasswordVerifier, Version};
use bcrypt::HashParts;
use sha_crypt::ShaCrypt;
use subtle::ConstantTimeEq;

/// What a password is checked against. Shown as stars, whatever it is; equal if it was written alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Kind);

/// Why a value of the password column is no secret. Never says what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSecret {
    /// Nothing at all: it would let in everybody who knows the name.
    Empty,
    /// The prefix of a known hash, but the rest is not one.
    Malformed(&'static str),
    /// A known hash that would take this server too long, or too much memory; what is allowed.
    TooCostly(&'static str),
    /// The form of a hash (`$name$…`) that is none of the known ones.
    Unsupported,
}

/// Why there is no hash of what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unhashable {
    /// Nothing was given.
    Empty,
    /// It has a line end inside, which no client can send.
    Newline,
    /// The system gave no random bytes for the salt.
    NoRandomness,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Plain(Vec<u8>),
    Argon2id(Box<argon2::PasswordHash>),
    Bcrypt(String),
    ShaCrypt(sha_crypt::PasswordHash),
}

impl Secret {
    /// Reads a password column: a hash if it begins like one, else a plain password of any bytes.
    ///
    /// # Errors
    /// [`BadSecret`] if it is empty, or looks like a hash and cannot be used as one.
    pub fn parse(value: &[u8]) -> Result<Self, BadSecret> {
        if value.is_empty() {
            return Err(BadSecret::Empty);
        }
        let read = match hash_name(value) {
            None => return Ok(Self(Kind::Plain(value.to_vec()))),
            Some(b"argon2id") => argon2id,
            Some(b"2a" | b"2b" | b"2y") => bcrypt,
            Some(b"6") => sha512_crypt,
            Some(b"5") => sha256_crypt,
            Some(_) => return Err(BadSecret::Unsupported),
        };
        // Hashes are ASCII; other bytes are left to the reader of that hash to refuse.
        read(&String::from_utf8_lossy(value)).map(Self)
    }

    /// Whether it stands in the users file as it is, for everybody to read who can read the file.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.0, Kind::Plain(_))
    }

    /// The memory that checking a password takes, in KiB; next to none for all but argon2id.
    #[must_use]
    pub fn memory(&self) -> usize {
        let Kind::Argon2id(hash) = &self.0 else { return 0 };
        Params::try_from(&**hash).map_or(0, |params| params.block_count() * Block::SIZE / 1024)
    }

    /// Whether this is the password. Takes the same time right or wrong; for a hash that is long (10 ms to seconds),
    /// so call it off the reactor unless it [`is_plain`](Self::is_plain).
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        match &self.0 {
            Kind::Plain(secret) => secret.ct_eq(password).into(),
            Kind::Argon2id(hash) => verify_argon2id(hash, password).unwrap_or(false),
            Kind::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Kind::ShaCrypt(hash) => {
                let (looked_at, rest) = password.split_at(password.len().min(SHA_CRYPT_MAX_PASSWORD));
                ShaCrypt::default().verify_password(looked_at, hash).is_ok() && rest.is_empty()
            }
        }
    }
}

/// Hashes what was typed into standard input: one line end is not part of it. argon2id with the parameters
/// OWASP recommends (19 MiB, two passes, one lane), as a PHC string for the password column.
///
/// # Errors
/// [`Unhashable`] if there is nothing to hash, or it could not be typed by a client.
pub fn hash_password(input: &[u8]) -> Result<String, Unhashable> {
    let line = input.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let password = line.unwrap_or(input);
    if password.is_empty() {
        return Err(Unhashable::Empty);
    }
    if password.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(Unhashable::Newline);
    }
    let hash = Argon2::default().hash_password(password).map_err(|_| Unhashable::NoRandomness)?;
    Ok(hash.to_string())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for BadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the password is empty"),
            Self::Malformed(scheme) => write!(f, "the password begins like a hash of {scheme} but is a malformed one"),
            Self::TooCostly(allowed) => write!(f, "the password hash costs too much to check: {allowed}"),
            Self::Unsupported => f.write_str(
                "unsupported hash in the password: expected argon2id, bcrypt, sha512-crypt or sha256-crypt; \
                 a plain password of that form has to be hashed, by `longshore hash-password`",
            ),
        }
    }
}

impl fmt::Display for Unhashable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no password on standard input",
            Self::Newline => "expected one line, a password cannot hold a line end",
            Self::NoRandomness => "the system gave no random bytes",
        })
    }
}

impl std::error::Error for BadSecret {}
impl std::error::Error for Unhashable {}

/// The `name` of `$name$…`, the common form of hashes.
fn hash_name(value: &[u8]) -> Option<&[u8]> {
    let rest = value.strip_prefix(b"$")?;
    let name = &rest[..rest.iter().position(|&byte| byte == b'$')?];
    let usual = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!name.is_empty() && name.iter().all(usual)).then_some(name)
}

/// The memory is asked for in one piece that is larger than any that an allocator keeps for later (32 MiB of glibc's):
/// what is not needed of it is never touched, and all of it goes back at once. Asked for what it needs, glibc 2.36
/// takes new memory from the kernel for each hash and keeps the old.
fn verify_argon2id(hash: &argon2::PasswordHash, password: &[u8]) -> Option<bool> {
    const NEVER_KEPT: usize = 33 * 1024 * 1024 / Block::SIZE;
    let (salt, wanted) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let params = Params::try_from(hash).ok()?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count().max(NEVER_KEPT)).ok()?;
    memory.resize(params.block_count(), Block::new());
    let mut made = vec![0; wanted.len()];
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params);
    argon2.hash_password_into_with_memory(password, salt, &mut made, &mut memory).ok()?;
    Some(made.ct_eq(wanted.as_ref()).into())
}

fn argon2id(text: &str) -> Result<Kind, BadSecret> {
    let malformed = BadSecret::Malformed("argon2id");
    let hash = argon2::PasswordHash::new(text).map_err(|_| malformed)?;
    let params = Params::try_from(&hash).map_err(|_| malformed)?;
    let version_known = hash.version.is_none_or(|version| Version::try_from(version).is_ok());
    if hash.salt.is_none() || hash.hash.is_none() || !version_known {
        return Err(malformed);
    }
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > ARGON2_MAX_KIB || work > ARGON2_MAX_KIB_PASSES {
        return Err(BadSecret::TooCostly("argon2id may take at most 1 GiB, and 4 GiB summed over its passes"));
    }
    Ok(Kind::Argon2id(Box::new(hash)))
}

fn bcrypt(text: &str) -> Result<Kind, BadSecret> {
    let malformed = BadSecret::Malformed("bcrypt");
    match HashParts::from_str(text).map_err(|_| malformed)?.get_cost() {
        ..4 => Err(malformed),
        4..=BCRYPT_MAX_COST => Ok(Kind::Bcrypt(text.to_owned())),
        _ => Err(BadSecret::TooCostly("bcrypt may have a cost of at most 16")),
    }
}

fn sha512_crypt(text: &str) -> Result<Kind, BadSecret> {
    sha_crypt(text, BadSecret::Malformed("sha512-crypt"), 86)
}

fn sha256_crypt(text: &str) -> Result<Kind, BadSecret> {
    sha_crypt(text, BadSecret::Malformed("sha256-crypt"), 43)
}

/// `$5$rounds=N$salt$digest`, where the rounds may be left out. The crate takes rounds that it does not like for a
/// salt and then lets nobody in, so they are read here.
fn sha_crypt(text: &str, malformed: BadSecret, digest_length: usize) -> Result<Kind, BadSecret> {
    let fields: Vec<&str> = text.split('$').skip(1).collect();
    let (id, rounds, salt, digest) = match fields[..] {
        [id, rounds, salt, digest] => (id, Some(rounds), salt, digest),
        [id, salt, digest] => (id, None, salt, digest),
        _ => return Err(malformed),
    };
    if salt.starts_with("rounds=") || digest.len() != digest_length {
        return Err(malformed);
    }
    if let Some(rounds) = rounds {
        let rounds = rounds.strip_prefix("rounds=").and_then(|number| number.parse::<u32>().ok()).ok_or(malformed)?;
        if rounds > SHA_CRYPT_MAX_ROUNDS {
            return Err(BadSecret::TooCostly("sha-crypt may have at most 1000000 rounds"));
        }
        if rounds < sha_crypt::Params::ROUNDS_MIN {
            return Err(malformed);
        }
    }
    // The crate reads the rest only while it verifies: let it, in the fewest rounds, and see whether it could.
    let trial = format!("${id}$rounds={}${salt}${digest}", sha_crypt::Params::ROUNDS_MIN);
    match ShaCrypt::default().verify_password(b"", trial.as_str()) {
        Ok(()) | Err(sha_crypt::password_hash::Error::PasswordInvalid) => {}
        Err(_) => return Err(malformed),
    }
    sha_crypt::PasswordHash::new(text).map(Kind::ShaCrypt).map_err(|_| malformed)
}

// A hash must not be a way to stop the server: these keep one check below a few seconds on a small machine.
const ARGON2_MAX_KIB: u32 = 1024 * 1024;
const ARGON2_MAX_KIB_PASSES: u64 = 4 * 1024 * 1024;
const BCRYPT_MAX_COST: u32 = 16;
const SHA_CRYPT_MAX_ROUNDS: u32 = 1_000_000;
/// In bytes. sha-crypt's work grows with the password a client sends; libxcrypt's crypt(3) hashes no longer ones either.
const SHA_CRYPT_MAX_PASSWORD: usize = 511;

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &[u8] = b"correct horse";

    /// Made by argon2-cffi 25, bcrypt 5, `openssl passwd` 3.0 and Python's crypt, all of [`PASSWORD`].
    const HASHES: [&str; 9] = [
        "$argon2id$v=19$m=1024,t=2,p=1$bG9uZ3Nob3Jlc2FsdDAxNg$rlrzS/Z1xoMYnFb8T4SowHOdyE8n63GpiDDoj8rhg5c",
        "$argon2id$v=19$m=512,t=1,p=2$bG9uZ3Nob3Jlc2FsdDAxNg$1C9dW7QffHne4wLKsjniXw",
        "$2a$05$oG1jFaItbEg93gdvrjA.SupMX82Q49kH2Jsm3aHm7R/fb91cwZFVi",
        "$2b$05$fOxT0gql8YIhZ8Cy45iGLOIlYOrYYsQy6Y3XtEdQ8dG1irngtKiXW",
        "$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$6$longshoresalt$NqpqyjEJAJOCt1vYu6OxzlbqbOrSGH9AK0.neydwv6Z4nHNvaoMsZVpPnNscd.bdjflRbHjCNolz.st31iaxr0",
        "$6$rounds=1000$longshoresalt$GlBAOIi7fFx7kgzc2nZXiEk81DxBzdUZYqj09K3s.KPZ79.mwG.4kd5v0o.tpvC3jA0S5wH89m0GaaLWQUGzx.",
        "$5$longshoresalt$GMpGfkgghj1T7zgekOu4MidNciGldp2pigIv3CmsPp5",
        "$5$rounds=12345$saltstringsaltst$RilbmHxDo8IAL8mkUdYNimsdKd4awKvlSRH7UhT8BND",
    ];

    fn parse(text: &str) -> Result<Secret, BadSecret> {
        Secret::parse(text.as_bytes())
    }

    #[test]
    fn hashes_of_other_tools_take_their_password_and_no_other() {
        for hash in HASHES {
            let secret = parse(hash).unwrap();
            assert!(!secret.is_plain(), "{hash}");
            assert!(secret.verify(PASSWORD), "{hash}");
            for wrong in [&b""[..], b"correct hors", b"correct horse ", b"Correct horse", hash.as_bytes()] {
                assert!(!secret.verify(wrong), "{hash} takes {wrong:?}");
            }
        }
    }

    #[test]
    fn a_hash_may_be_of_bytes_that_are_no_text() {
        let hash = "$argon2id$v=19$m=512,t=1,p=1$bG9uZ3Nob3Jlc2FsdDAxNg$qf+EtW/+2NQCsmLnLnJKgzGmVJObfqwV5xlG6vS3zDk";
        assert!(parse(hash).unwrap().verify(b"\xe9\xff\" #"));
    }

    #[test]
    fn bcrypt_looks_at_72_bytes() {
        let secret = parse("$2b$04$vqi74U9ced0NtAjhUHYWoeoYudteaQfqv3oEZHsiaV1UVkpwqpr3.").unwrap();
        assert!(secret.verify(&[b'a'; 72]));
        assert!(secret.verify(&[b'a'; 73]));
        assert!(!secret.verify(&[b'a'; 71]));
    }

    #[test]
    fn sha_crypt_takes_no_password_that_is_long_enough_to_keep_it_busy() {
        // By Python's crypt, of 511 bytes `a`.
        let fits = "$6$rounds=1000$longshoresalt$F.23yoz4Jay24AVYBmScg0emnaTonMbRrxfZW9Lc5.J9Jn5/MM4XAbeTCmaYfeguXoyGfjPBgXfEX2tg3fRiK0";
        let fits = parse(fits).unwrap();
        assert!(fits.verify(&[b'a'; SHA_CRYPT_MAX_PASSWORD]));
        assert!(!fits.verify(&[b'a'; SHA_CRYPT_MAX_PASSWORD + 1]));
    }

    #[test]
    fn plain_is_what_does_not_look_like_a_hash() {
        for plain in ["secret", "$", "$$", "$money", "$ 6 $x", "a$6$b", "pa$$word", "*", "!", "0", "$é$x"] {
            let secret = parse(plain).unwrap();
            assert!(secret.is_plain(), "{plain}");
            assert!(secret.verify(plain.as_bytes()), "{plain}");
            assert!(!secret.verify(b"x"), "{plain}");
            assert!(!secret.verify(b""), "{plain}");
        }
        assert!(Secret::parse(b"\xff\x00\r").unwrap().verify(b"\xff\x00\r"));
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused() {
        use BadSecret::{Empty, Malformed, TooCostly, Unsupported};
        let [argon2id, _, _, bcrypt, _, sha512, _, sha256, _] = HASHES;
        let sha256_salted = |salt: &str| sha256.replace("longshoresalt", salt);
        for (text, want) in [
            (String::new(), Empty),
            ("$1$abcdefgh$y6iHhJNbuC0xpbk0w9pm80".into(), Unsupported),
            ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7".into(), Unsupported),
            ("$2x$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2".into(), Unsupported),
            (argon2id.replace("argon2id", "argon2i"), Unsupported),
            ("$9$lives".into(), Unsupported),
            ("$argon2id$".into(), Malformed("argon2id")),
            ("$argon2id$v=19$m=1024,t=2,p=1$bG9uZ3Nob3Jlc2FsdDAxNg".into(), Malformed("argon2id")),
            (argon2id.replace("v=19", "v=18"), Malformed("argon2id")),
            (argon2id.replace("m=1024", "m=4"), Malformed("argon2id")),
            (argon2id.replace("t=2", "t=0"), Malformed("argon2id")),
            (argon2id.replace("t=2", "x=2"), Malformed("argon2id")),
            (argon2id.replace("rlrz", "r!rz"), Malformed("argon2id")),
            (argon2id.replace("m=1024", "m=1048577"), TooCostly("")),
            (argon2id.replace("t=2", "t=4097"), TooCostly("")),
            ("$2b$".into(), Malformed("bcrypt")),
            (bcrypt[..59].into(), Malformed("bcrypt")),
            (format!("{bcrypt}x"), Malformed("bcrypt")),
            (bcrypt.replace("$05$", "$xx$"), Malformed("bcrypt")),
            (bcrypt.replace("$05$", "$03$"), Malformed("bcrypt")),
            (bcrypt.replace("$05$", "$17$"), TooCostly("")),
            ("$6$".into(), Malformed("sha512-crypt")),
            ("$6$longshoresalt".into(), Malformed("sha512-crypt")),
            (sha512[..sha512.len() - 1].into(), Malformed("sha512-crypt")),
            (sha512.replace("Nqpq", "Nq:q"), Malformed("sha512-crypt")),
            (sha512.replace("Nqpq", "Nqéq"), Malformed("sha512-crypt")),
            (format!("{sha512}$x"), Malformed("sha512-crypt")),
            (sha512.replace("$6$", "$5$"), Malformed("sha256-crypt")),
            (sha256_salted("rounds=5000"), Malformed("sha256-crypt")),
            (sha256_salted("rounds=999$salt"), Malformed("sha256-crypt")),
            (sha256_salted("rounds=x$salt"), Malformed("sha256-crypt")),
            (sha256_salted("5000$salt"), Malformed("sha256-crypt")),
            (sha256_salted("rounds=1000001$salt"), TooCostly("")),
        ] {
            match (parse(&text), want) {
                (Err(TooCostly(_)), TooCostly(_)) => {}
                (found, want) => assert_eq!(found.map(|_| "accepted"), Err(want), "{text}"),
            }
        }
    }

    #[test]
    fn costs_are_allowed_up_to_the_limit() {
        let [argon2id, _, _, bcrypt, _, _, _, sha256, _] = HASHES;
        assert!(parse(&argon2id.replace("m=1024,t=2", "m=1048576,t=4")).is_ok());
        assert!(parse(&bcrypt.replace("$05$", "$16$")).is_ok());
        assert!(parse(&sha256.replace("longshoresalt", "rounds=1000000$salt")).is_ok());
    }

    #[test]
    fn a_new_hash_takes_its_password() {
        let hash = hash_password(b"secret \xff\n").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let secret = parse(&hash).unwrap();
        assert!(secret.verify(b"secret \xff"));
        assert!(!secret.verify(b"secret \xff\n"));
        assert_ne!(hash_password(b"secret \xff\n").unwrap(), hash, "each has its own salt");
    }

    #[test]
    fn there_is_no_hash_of_nothing_or_of_two_lines() {
        for (input, want) in [
            (&b""[..], Unhashable::Empty),
            (b"\n", Unhashable::Empty),
            (b"a\nb", Unhashable::Newline),
            (b"secret\n\n", Unhashable::Newline),
        ] {
            assert_eq!(hash_password(input), Err(want), "{input:?}");
        }
        assert!(parse(&hash_password(b"secret\r\n").unwrap()).unwrap().verify(b"secret"));
        assert_eq!(hash_password(b"sec\rret"), Err(Unhashable::Newline));
    }

    #[test]
    fn a_secret_is_shown_as_stars() {
        for text in HASHES.into_iter().chain(["plain"]) {
            assert_eq!(format!("{:?}", parse(text).unwrap()), "***");
        }
    }
}
