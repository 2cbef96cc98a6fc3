//! Orders and what becomes of them.

use super::*;
use crate::response::order;

fn caller(role: Role) -> Caller {
    Caller { name: role.name().into(), role }
}

fn block(kind: &str, target: &str, span: &str) -> Order {
    let members =
        [("kind", kind), ("target", target), ("for", span)].map(|(a, b)| (a.to_string(), b.to_string()));
    order::read("block", &members).unwrap()
}

fn desk() -> (Desk, Arc<Mailbox>) {
    let mut never = Never::default();
    never.address("10.0.0.1").unwrap();
    let (desk, mail) = (Desk::new(never, true, 1000 * SECOND), Arc::<Mailbox>::default());
    desk.set_workers(vec![mail.clone()]);
    mail.response.pop();
    (desk, mail)
}

#[test]
fn orders_reach_workers_and_are_undone_by_themselves() {
    let (desk, mail) = desk();
    let who = caller(Role::Responder);
    let now = 1000 * SECOND;
    let done = desk.order(&who, "t", &block("host", "10.0.0.5", "10s"), now).unwrap();
    assert_eq!((done.id, done.until), (1, 1010 * SECOND));
    assert_eq!(mail.response.pop().unwrap().len(), 1);
    // The same once more is the same, for as long as anybody asked.
    let again = desk.order(&who, "t", &block("host", "::ffff:10.0.0.5", "5s"), now + SECOND).unwrap();
    assert_eq!(again, done);
    desk.order(&who, "t", &block("domain", "x.example", "1h"), now).unwrap();
    assert_eq!(mail.response.pop().unwrap().len(), 2, "the newest alone waits");
    desk.tick(1009 * SECOND);
    assert!(mail.response.pop().is_none());
    desk.tick(1010 * SECOND);
    assert_eq!(mail.response.pop().unwrap().len(), 1);
    let undo = Order::Undo(Which::Id(2));
    assert!(matches!(
        desk.order(&Caller { name: "other".into(), ..who.clone() }, "t", &undo, now),
        Err(Refusal::Role(_))
    ));
    desk.order(&who, "t", &undo, now).unwrap();
    assert!(mail.response.pop().unwrap().is_empty());
    let c = desk.counts();
    assert_eq!((c.ordered, c.undone, c.expired, c.refused), (3, 1, 1, 1));
}

#[test]
fn what_may_not_be_changes_nothing() {
    let (desk, mail) = desk();
    let now = 1000 * SECOND;
    let host = block("host", "10.0.0.5", "10s");
    for (role, order, why) in [
        (Role::Viewer, host.clone(), "role"),
        (Role::Responder, block("host", "10.0.0.5", "25h"), "role"),
        (Role::Admin, block("network", "10.0.0.0/24", "1m"), "never"),
        (Role::Admin, Order::Undo(Which::Id(1)), "no_effect"),
    ] {
        let e = desk.order(&caller(role), "t", &order, now).unwrap_err();
        assert_eq!(e.name(), why);
    }
    let once = |nonce: &str, time: u64| desk.order_once(&caller(Role::Admin), "t", (nonce, time), &host, now);
    assert!(once("a", 1000).is_ok() && mail.response.pop().is_some());
    assert_eq!(once("a", 1000).unwrap_err().name(), "replayed");
    assert_eq!(once("b", 1).unwrap_err().name(), "replayed");
    assert!(mail.response.pop().is_none() && desk.entries().len() == 1);
    // Where packets are only watched, blocking has no effect and is refused; marking has.
    let watching = Desk::new(Never::default(), false, 0);
    assert_eq!(watching.order(&caller(Role::Admin), "t", &host, now).unwrap_err().name(), "no_effect");
    let members = [("kind", "host"), ("target", "10.0.0.5"), ("for", "1m")]
        .map(|(a, b)| (a.to_string(), b.to_string()));
    assert!(watching.order(&caller(Role::Admin), "t", &order::read("mark", &members).unwrap(), now).is_ok());
}

#[test]
fn orders_are_bounded_in_number_and_rate() {
    let (desk, _) = desk();
    let who = caller(Role::Responder);
    // Tables for each of them would take long.
    desk.inner().held = true;
    let (mut done, mut at) = (0, 1000 * SECOND);
    for i in 0..MOST as u32 + 100 {
        let order = block("host", &std::net::Ipv4Addr::from(0x0b00_0000 + i).to_string(), "1h");
        done += usize::from(desk.order(&who, "t", &order, at).is_ok());
        at += SECOND / RATE;
    }
    assert_eq!((done, desk.entries().len()), (MOST, MOST));
    let fast = (0..1000).filter(|_| {
        desk.order(&caller(Role::Admin), "t", &Order::Undo(Which::Id(0)), at)
            .is_err_and(|e| e.name() == "no_effect")
    });
    assert_eq!(fast.count(), BURST as usize);
}

/// A flood of strangers is told in a few lines, and so is one of orders that the allow list refuses.
#[test]
fn floods_are_summed_up() {
    let dir = std::env::temp_dir().join(format!("tidegate-desk-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("audit.jsonl");
    let (desk, mail) = desk();
    desk.set_audit(Audit::open(&path).unwrap());
    for i in 0..10_000u64 {
        let now = 1000 * SECOND + i * SECOND / 5000;
        desk.refuse("here", &Refusal::Stranger("no"), now);
        desk.refuse("here", &Refusal::Malformed(format!("{i}")), now);
        let _ = desk.order(&caller(Role::Admin), "t", &block("host", "10.0.0.1", "1m"), now);
    }
    desk.finish(1003 * SECOND);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.len() < 70, "{} lines", lines.len());
    let told: u64 = lines.iter().map(|l| l["count"].as_u64().unwrap_or(1)).sum();
    assert_eq!((told, desk.counts().refused), (30_000, 30_000));
    assert!(mail.response.pop().is_none());
    std::fs::remove_dir_all(&dir).unwrap();
}
