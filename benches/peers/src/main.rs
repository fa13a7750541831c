//! Prints the table of peers: ours and each of them on the same work, measured in turn in one
//! process. `cargo run --release --manifest-path benches/peers/Cargo.toml`.
//!
//! Before two works are measured, both are run and what they decided or booked is compared, where it
//! can be. Where a peer does less, its note says what is left out.

mod limits;
mod saving;
mod seed;
mod table;

#[path = "../../common/cache.rs"]
mod cache;
#[path = "../../common/context.rs"]
mod context;
#[path = "../../common/in_turn.rs"]
mod in_turn;

use table::Table;

fn main() {
    let mut table = Table::new();
    limits::rows(&mut table);
    seed::rows(&mut table);
    saving::rows(&mut table);
    table.print();
}
