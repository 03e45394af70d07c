//! A whole session in this process: control bytes and data connections in, replies and file operations out, held
//! against a small model.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`script`] | what an input means |
//! | [`world`] | the server, the homes, and what lies outside them |
//! | [`files`] | what is in a folder |
//! | [`client`] | who speaks the script and counts replies |
//! | [`data`] | the client's data connections |
//! | [`replies`] | replies out of bytes |
//! | [`model`] | what the homes may hold afterwards |

mod client;
mod data;
mod files;
mod model;
mod replies;
mod script;
mod world;

use std::cell::OnceCell;
use std::time::Duration;

use model::Model;
use script::Script;
use world::World;

/// How long something is waited for that is certain to come.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

pub(super) fn run(input: &[u8]) {
    let Some(script) = Script::read(input) else { return };
    WORLD.with(|world| {
        let world = world.get_or_init(World::new);
        // A fuzzer sees what its input is compared with, and may say it.
        if world.is_told_in(input) {
            return;
        }
        let mut model = Model::new(script.who);
        let output = world.play(&script, &mut model);
        world.check_output(&output);
        world.check_counters();
        world.check_files(&model);
    });
}
