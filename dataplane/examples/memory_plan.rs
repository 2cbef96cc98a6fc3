//! Prints how the memory of an engine is shared out: `cargo run --example memory_plan 268435456`.

use tidegate_core::engine::MemoryPlan;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bytes = std::env::args().nth(1).map_or(Ok(256 << 20), |a| a.parse())?;
    for p in MemoryPlan::new(bytes)?.parts() {
        println!("| {} | {} | {:.0} |", p.name, p.holds, p.bytes as f64 / f64::from(1 << 20));
    }
    Ok(())
}
