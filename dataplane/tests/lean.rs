//! Without rules most packets are counted by their heads alone; the events are those of the general way, which an
//! engine takes that tells every packet.

mod common;

use common::{config, eve_of, frames, rules, settings, traffic};

#[test]
fn heads_alone_give_the_same_events() {
    let none = rules("", &settings());
    let mut wire = traffic::everything();
    for i in 0..200u16 {
        let client = (1, 45_000 + i % 7);
        wire.udp(client, (2, 9_100), &[i as u8; 30]);
        if i % 3 == 0 {
            wire.udp((2, 9_100), client, b"so it is");
        }
        if i % 50 == 0 {
            wire.udp((1, 46_000), (2, 53), &traffic::dns(i, "between.example", 1, None));
        }
    }
    let frames = frames(&wire.frames);
    let general =
        eve_of(tidegate_core::engine::Config { tell_packets: true, ..config(16 << 20) }, &none, &frames, 32);
    assert!(general.len() > 10_000);
    for batch in [1, 7, 32, 256] {
        let lean = eve_of(config(16 << 20), &none, &frames, batch);
        assert_eq!(
            String::from_utf8_lossy(&lean).lines().collect::<Vec<_>>(),
            String::from_utf8_lossy(&general).lines().collect::<Vec<_>>(),
            "batches of {batch}"
        );
    }
}
