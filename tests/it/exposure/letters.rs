//! Every letter with every kind of file: who may change anything must not have one in the home, who may read no secret.

use super::{Ground, Kind, Trial, expect};

#[test]
fn a_letter_that_changes_anything_or_reads_a_secret_is_too_much() {
    let mut ground = Ground::new();
    let [file, home] = ["home/in/file", "home"].map(|name| ground.text(name));
    let each = ["e", "l", "a", "d", "f", "m", "w", "M", "T", "elr"];
    for kind in Kind::ALL {
        // One letter is as good as another, whatever kind of file it is.
        let one_by_one = each.iter().filter(|_| matches!(kind, Kind::Users | Kind::Log));
        for &letters in ["-", "r", "elradfmwMT"].iter().chain(one_by_one) {
            let trial = Trial { kind, file: &file, home: &home, letters };
            ground.put(kind, &ground.path("home/in/file"), &format!("bob secret {letters} {home}\n"));
            let (back, output) = ground.check(&trial);
            ground = back;
            let writes = letters.contains(['a', 'd', 'f', 'm', 'w', 'M', 'T']);
            let reads = letters.contains('r') && kind.is_secret();
            expect(&output, writes || reads || kind == Kind::Spool, &trial, &home, "in the home");
            std::fs::remove_file(ground.path("home/in/file")).ok();
        }
    }
}
