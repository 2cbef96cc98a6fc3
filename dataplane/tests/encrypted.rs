//! What rules mean on encrypted sessions: which packets are inspected still, and states.

mod common;

use common::alone::alerts;
use common::wire::Wire;

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn hello(kind: u8, rest: &[u8]) -> Vec<u8> {
    let body = [&[3, 3][..], &[9; 32], &[0], rest].concat();
    let len = (body.len() as u32).to_be_bytes();
    record(22, &[&[kind, len[1], len[2], len[3]][..], &body].concat())
}

/// TLS 1.3: the hellos are packets 4 and 6, what is encrypted 6, 8, 10 and 12, each acknowledged by the packet behind it.
fn session() -> Wire {
    let client = hello(1, &[0, 2, 0x13, 1, 1, 0, 0, 7, 0, 43, 0, 3, 2, 3, 4]);
    let server = hello(2, &[0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    let secret = record(23, &[0xaa; 30]);
    let mut wire = Wire::new();
    let mut t = wire.tcp((1, 40_000), (2, 443));
    t.send(0, &client);
    t.send(1, &[&server[..], &record(20, &[1]), &secret].concat());
    t.send(1, &secret);
    t.send(0, &[&record(20, &[1])[..], &secret].concat());
    t.send(1, &secret);
    wire
}

/// The packet with which a session turns out to be encrypted is inspected. Patterns are not searched for behind it; what is
/// asked of packets otherwise ends in each direction when the other has answered.
#[test]
fn payload_of_an_encrypted_session() {
    let wire = session();
    for (rule, want) in [
        ("tcp-pkt any any -> any any (content:\"|17 03 03|\"; sid:1;)", &[6][..]),
        ("tcp any any -> any any (dsize:>0; sid:1;)", &[4, 6, 8]),
        ("tcp-pkt any any -> any any (isdataat:0; sid:1;)", &[4, 6, 8]),
    ] {
        assert_eq!(alerts(&wire, rule), want, "{rule}");
    }
}

/// `ssl_state` is about what was read last, in the direction of the packet at hand.
#[test]
fn states_of_a_session() {
    let wire = session();
    for (rule, want) in [
        ("tls any any -> any any (ssl_state:client_hello; sid:1;)", &[5][..]),
        ("tls any any -> any any (ssl_state:server_hello; sid:1;)", &[7, 8]),
        ("tls any any -> any any (ssl_state:client_hello,server_hello; sid:1;)", &[5, 7]),
        ("tls any any -> any any (ssl_state:!client_hello; sid:1;)", &[7, 8]),
        ("tls any any -> any any (ssl_state:client_keyx; sid:1;)", &[]),
    ] {
        assert_eq!(alerts(&wire, rule), want, "{rule}");
    }
}

/// A session is over when its flow is: on the packet that stands for its end.
#[test]
fn the_last_state() {
    let wire = session();
    for rule in [
        "tls:request_complete any any -> any any (sid:1;)",
        "tls:server_finished any any -> any any (sid:1;)",
    ] {
        assert_eq!(alerts(&wire, rule), [0], "{rule}");
    }
}
