//! An interleaving as a text that can be read, kept and replayed; how one is made up, and how one is cut down.

use std::fmt;
use std::str::FromStr;

use longshore::settings::UploadMode;

/// The names that all sessions fight for.
pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];
/// The most bytes that one interleaving writes: each is another, so that a content tells who wrote it.
pub(super) const MOST_BYTES: u8 = 250;
/// Steps of one interleaving.
const STEPS: std::ops::Range<u64> = 8..36;
/// Bytes of a home with a quota: a few uploads fit, not all.
const QUOTA: u64 = 12;

/// Who sits there: a user, and the letters. `anonymous` gives no password.
const SEATS: [(&str, &str); 10] = [
    ("bob", "elradfmw"),
    ("bob", "elradfmw"),
    ("bob", "elradfmw"),
    ("eve", "elradfmw"),
    ("eve", "elradfmw"),
    ("ann", "elra"),
    ("ann", "elra"),
    ("dan", "elrafw"),
    ("anonymous", "elrafw"),
    ("anonymous", "elradfw"),
];

/// What several sessions do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) mode: UploadMode,
    pub(super) quota: Option<u64>,
    /// Servers that share the home: sessions are spread over them.
    pub(super) servers: usize,
    pub(super) seats: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// One after the other if there is one, else all at the same time.
    Turns(Vec<Turn>),
    /// All servers are killed and started again.
    Kill,
}

/// What one session does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) seat: usize,
    pub(super) act: Act,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// An upload is asked for: 150, or a refusal.
    Ask(Verb, String),
    /// The data connection stands.
    Open,
    /// So many bytes come.
    Write(u8),
    /// All has come: 226, or a refusal.
    Commit,
    /// The client is gone, or says ABOR.
    Break,
    Dele(String),
    Rnfr(String),
    Rnto(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Stor,
    Stou,
    Appe,
    /// REST to the size that the server tells this session, then STOR.
    Resume,
    /// REST to this byte, then STOR.
    Rest(u8),
}

/// Numbers that look random and are the same for the same seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `limit` (splitmix64).
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap()
    }

    fn small(&mut self, limit: u64) -> u8 {
        u8::try_from(self.below(limit)).unwrap()
    }

    fn name(&mut self) -> String {
        // Most of it happens to one name.
        NAMES[[0, 0, 0, 0, 1, 1, 1, 2][self.index(8)]].to_owned()
    }
}

impl Script {
    /// The interleaving of this number.
    pub(super) fn random(seed: u64, racing: bool) -> Self {
        let mut dice = Dice(seed);
        let seats: Vec<_> = (0..2 + dice.index(3)).map(|_| SEATS[dice.index(SEATS.len())]).collect();
        let mut script = Self {
            mode: if dice.one_in(6) { UploadMode::Direct } else { UploadMode::Atomic },
            quota: dice.one_in(6).then_some(QUOTA),
            servers: if racing && dice.one_in(4) { 2 } else { 1 },
            seats: seats.iter().map(|(user, letters)| ((*user).to_owned(), (*letters).to_owned())).collect(),
            steps: Vec::new(),
        };
        // Bytes that come at the same time into one file have no order.
        let racing = racing && script.mode == UploadMode::Atomic;
        if script.servers > 1 {
            script.quota = None;
        }
        let mut busy = vec![0_u8; seats.len()];
        for _ in 0..STEPS.start + dice.below(STEPS.end - STEPS.start) {
            if dice.one_in(50) {
                busy.fill(0);
                script.steps.push(Step::Kill);
                continue;
            }
            let first = dice.index(seats.len());
            let count = if racing && dice.one_in(3) { 2 + dice.index(seats.len() - 1) } else { 1 };
            let turns = (0..count).map(|more| {
                let seat = (first + more) % seats.len();
                Turn { seat, act: random_act(&mut dice, &mut busy[seat]) }
            });
            script.steps.push(Step::Turns(turns.collect()));
        }
        script
    }

    /// Whether anything happens at the same time, so that it may end in more than one way.
    pub(super) fn has_race(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Turns(turns) if turns.len() > 1))
    }

    /// Cuts it down to what still `fails`.
    pub(super) fn shrunk(mut self, mut fails: impl FnMut(&Self) -> bool) -> Self {
        let mut length = self.steps.len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            while at < self.steps.len() {
                let mut less = self.clone();
                less.steps.drain(at..(at + length).min(less.steps.len()));
                if fails(&less) {
                    self = less;
                } else {
                    at += length;
                }
            }
            length /= 2;
        }
        for seat in (0..self.seats.len()).rev() {
            let uses = |step: &Step| matches!(step, Step::Turns(turns) if turns.iter().any(|turn| turn.seat == seat));
            if self.seats.len() > 1 && !self.steps.iter().any(uses) {
                self.seats.remove(seat);
                for turn in self.steps.iter_mut().flat_map(Step::turns_mut) {
                    turn.seat -= usize::from(turn.seat > seat);
                }
            }
        }
        for plainer in [Self { quota: None, ..self.clone() }, Self { servers: 1, ..self.clone() }] {
            if plainer != self && fails(&plainer) {
                self = plainer;
            }
        }
        self
    }
}

/// What a session that is `busy` so far with an upload (0: not, 1: asked, 2: open) may do next.
fn random_act(dice: &mut Dice, busy: &mut u8) -> Act {
    let roll = dice.below(10);
    match (*busy, roll) {
        (0, 0) => Act::Dele(dice.name()),
        (0, 1) => Act::Rnfr(dice.name()),
        (0, 2) => Act::Rnto(dice.name()),
        (0, _) => {
            *busy = 1;
            let verb = match dice.below(16) {
                0..=4 => Verb::Stor,
                5..=8 => Verb::Appe,
                9..=12 => Verb::Resume,
                13 | 14 => Verb::Rest(dice.small(6)),
                _ => Verb::Stou,
            };
            Act::Ask(verb, dice.name())
        }
        (1, 0) => {
            *busy = 0;
            Act::Break
        }
        (1, _) => {
            *busy = 2;
            Act::Open
        }
        (_, 0..=3) => Act::Write(1 + dice.small(3)),
        (_, 4..=7) => {
            *busy = 0;
            Act::Commit
        }
        _ => {
            *busy = 0;
            Act::Break
        }
    }
}

impl Step {
    fn turns_mut(&mut self) -> &mut [Turn] {
        match self {
            Self::Turns(turns) => turns,
            Self::Kill => &mut [],
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} servers={}", if self.mode == UploadMode::Direct { "direct" } else { "atomic" }, self.servers)?;
        if let Some(quota) = self.quota {
            write!(f, " quota={quota}")?;
        }
        for (seat, (user, letters)) in self.seats.iter().enumerate() {
            write!(f, "\n{seat} = {user} {letters}")?;
        }
        for step in &self.steps {
            match step {
                Step::Kill => write!(f, "\nkill")?,
                Step::Turns(turns) => {
                    let turns: Vec<_> = turns.iter().map(|turn| format!("{} {}", turn.seat, turn.act)).collect();
                    write!(f, "\n{}", turns.join(" | "))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(Verb::Stor, name) => write!(f, "STOR {name}"),
            Self::Ask(Verb::Stou, name) => write!(f, "STOU {name}"),
            Self::Ask(Verb::Appe, name) => write!(f, "APPE {name}"),
            Self::Ask(Verb::Resume, name) => write!(f, "RESUME {name}"),
            Self::Ask(Verb::Rest(offset), name) => write!(f, "REST{offset} {name}"),
            Self::Open => write!(f, "open"),
            Self::Write(count) => write!(f, "write{count}"),
            Self::Commit => write!(f, "commit"),
            Self::Break => write!(f, "break"),
            Self::Dele(name) => write!(f, "DELE {name}"),
            Self::Rnfr(name) => write!(f, "RNFR {name}"),
            Self::Rnto(name) => write!(f, "RNTO {name}"),
        }
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut script = Self { mode: UploadMode::Atomic, quota: None, servers: 1, seats: vec![], steps: vec![] };
        for word in lines.next().ok_or("no line")?.split(' ') {
            match word.split_once('=') {
                None if word == "atomic" => {}
                None if word == "direct" => script.mode = UploadMode::Direct,
                Some(("servers", count)) => script.servers = number(count)?,
                Some(("quota", bytes)) => script.quota = Some(number(bytes)?),
                _ => return Err(format!("not known: {word}")),
            }
        }
        for line in lines {
            if let Some((_, seat)) = line.split_once(" = ") {
                let (user, letters) = seat.split_once(' ').ok_or(line)?;
                script.seats.push((user.to_owned(), letters.to_owned()));
            } else if line == "kill" {
                script.steps.push(Step::Kill);
            } else {
                script.steps.push(Step::Turns(line.split(" | ").map(str::parse).collect::<Result<_, _>>()?));
            }
        }
        Ok(script)
    }
}

impl FromStr for Turn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(' ');
        let (seat, what) = (number(words.next().unwrap_or_default())?, words.next().ok_or(text)?);
        let mut name = || words.next().map(str::to_owned).ok_or_else(|| format!("no name: {text}"));
        let act = match what {
            "STOR" => Act::Ask(Verb::Stor, name()?),
            "STOU" => Act::Ask(Verb::Stou, name()?),
            "APPE" => Act::Ask(Verb::Appe, name()?),
            "RESUME" => Act::Ask(Verb::Resume, name()?),
            "DELE" => Act::Dele(name()?),
            "RNFR" => Act::Rnfr(name()?),
            "RNTO" => Act::Rnto(name()?),
            "open" => Act::Open,
            "commit" => Act::Commit,
            "break" => Act::Break,
            _ => match (what.strip_prefix("REST"), what.strip_prefix("write")) {
                (Some(offset), _) => Act::Ask(Verb::Rest(number(offset)?), name()?),
                (_, Some(count)) => Act::Write(number(count)?),
                _ => return Err(format!("not known: {text}")),
            },
        };
        Ok(Self { seat, act })
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}
