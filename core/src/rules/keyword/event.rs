//! Anomalies as conditions: `decode-event`, `stream-event`, `app-layer-event`.

use alloc::format;

use super::{Arg, Keyword};
use crate::app::AppProto;
use crate::app::layer::LAYER_EVENTS;
use crate::rules::build::Builder;
use crate::rules::ir::{PacketMatch, StateMatch};
use crate::rules::refuse::{Fault, RefusalKind, Res, bad};
use crate::rules::{names, notyet};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("decode-event", decode_event),
    Keyword::new("engine-event", decode_event),
    Keyword::new("stream-event", stream_event),
    Keyword::new("app-layer-event", app_layer_event),
];

/// Names events that nothing raises.
fn raised(b: &mut Builder<'_, '_>, of: &str, name: &str) -> Res {
    if notyet::unraised(of, name) { b.not_yet("event") } else { Ok(()) }
}

fn decode_event(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?.to_ascii_lowercase();
    if let Some(s) = t.strip_prefix("stream.") {
        return push_stream(b, s);
    }
    match names::decode_event(t.strip_prefix("decoder.").unwrap_or(&t)) {
        Some(ev) => {
            raised(b, "decoder", t.strip_prefix("decoder.").unwrap_or(&t))?;
            b.rule.packet.push(PacketMatch::DecodeEvent(ev));
        }
        None => return bad(format!("\"{t}\" is not a decode event")),
    }
    Ok(())
}

fn stream_event(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?.to_ascii_lowercase();
    push_stream(b, t.strip_prefix("stream.").unwrap_or(&t))
}

fn push_stream(b: &mut Builder<'_, '_>, name: &str) -> Res {
    match names::stream_event(name) {
        Some(ev) => {
            raised(b, "stream", name)?;
            b.rule.packet.push(PacketMatch::StreamEvent(ev));
        }
        None => return bad(format!("\"{name}\" is not a stream event")),
    }
    Ok(())
}

fn app_layer_event(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?.to_ascii_lowercase();
    let Some((proto, event)) = t.split_once('.') else {
        return match LAYER_EVENTS.iter().position(|e| e.eq_ignore_ascii_case(&t)) {
            Some(n) => {
                b.rule.state.push(StateMatch::AppLayerEvent(n as u8));
                Ok(())
            }
            None => bad(format!("\"{t}\" is not an event")),
        };
    };
    let Some(p) = AppProto::by_name(proto) else {
        return Err(Fault::new(RefusalKind::Protocol, format!("protocol \"{proto}\" is not known")));
    };
    let event_number = match p.def().events.iter().position(|e| *e == event) {
        Some(n) => {
            raised(b, p.name(), event)?;
            n as u8
        }
        None if notyet::unread(p.name(), event) => {
            b.not_yet("event")?;
            notyet::NEVER
        }
        None => return bad(format!("\"{event}\" is not an event of {proto}")),
    };
    b.require_protos(&[p], "the event")?;
    b.rule.state.push(StateMatch::AppEvent { proto: p, event: event_number });
    Ok(())
}
