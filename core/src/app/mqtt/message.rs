//! MQTT control packets (MQTT 3.1, OASIS MQTT 3.1.1 and 5.0): bytes of one go in, its fields come out.
//!
//! Nothing is kept here: fields are found in the bytes again whenever rules or records ask for them.

use crate::app::octets::Octets;

pub const CONNECT: u8 = 1;
pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const SUBSCRIBE: u8 = 8;
pub const SUBACK: u8 = 9;
pub const UNSUBSCRIBE: u8 = 10;
pub const UNSUBACK: u8 = 11;
pub const DISCONNECT: u8 = 14;
pub const AUTH: u8 = 15;

/// Names in rules, by number; in records in lower case.
pub const TYPES: &[(&str, u64)] = &[
    ("unassigned", 0),
    ("connect", 1),
    ("connack", 2),
    ("publish", 3),
    ("puback", 4),
    ("pubrec", 5),
    ("pubrel", 6),
    ("pubcomp", 7),
    ("subscribe", 8),
    ("suback", 9),
    ("unsubscribe", 10),
    ("unsuback", 11),
    ("pingreq", 12),
    ("pingresp", 13),
    ("disconnect", 14),
    ("auth", 15),
];

/// Bits of the flags of a CONNECT (3.1.2.3).
pub const USERNAME: u8 = 0x80;
pub const PASSWORD: u8 = 0x40;
pub const WILL_RETAIN: u8 = 0x20;
pub const WILL: u8 = 4;
pub const CLEAN_SESSION: u8 = 2;

/// The fixed header (2.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    pub kind: u8,
    pub flags: u8,
    /// Remaining length.
    pub len: usize,
    /// Bytes of the header itself.
    pub size: usize,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Short,
    Broken,
}

impl Head {
    pub fn read(b: &[u8]) -> Result<Head, Stop> {
        let first = *b.first().ok_or(Stop::Short)?;
        let (len, n) = varint(b.get(1..).unwrap_or(&[]))?;
        Ok(Head { kind: first >> 4, flags: first & 15, len: len as usize, size: 1 + n })
    }

    pub const fn dup(&self) -> bool {
        self.flags & 8 != 0
    }

    pub const fn qos(&self) -> u8 {
        self.flags >> 1 & 3
    }

    pub const fn retain(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Its name in records.
    pub fn name(&self) -> &'static str {
        TYPES.get(usize::from(self.kind)).map_or("", |t| t.0)
    }
}

/// A variable byte integer (5.0, 1.5.5): value and bytes used.
fn varint(b: &[u8]) -> Result<(u32, usize), Stop> {
    let mut v = 0;
    for i in 0..4 {
        let x = *b.get(i).ok_or(Stop::Short)?;
        v |= u32::from(x & 0x7f) << (7 * i);
        if x & 0x80 == 0 {
            return Ok((v, i + 1));
        }
    }
    Err(Stop::Broken)
}

/// A control packet.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub head: Head,
    /// What follows the fixed header; nothing of a packet that was too long.
    pub body: &'a [u8],
    pub truncated: bool,
    /// Protocol level of the connection: 3, 4 or 5; 0: not known.
    pub version: u8,
}

/// CONNECT (3.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Connect<'a> {
    pub protocol: &'a [u8],
    pub version: u8,
    pub flags: u8,
    pub properties: Properties<'a>,
    pub client_id: &'a [u8],
    pub will_properties: Properties<'a>,
    pub will_topic: Option<&'a [u8]>,
    pub will_message: Option<&'a [u8]>,
    pub username: Option<&'a [u8]>,
    pub password: Option<&'a [u8]>,
}

impl<'a> Connect<'a> {
    pub fn read(body: &'a [u8]) -> Option<Connect<'a>> {
        let mut o = Octets(body);
        let mut c =
            Connect { protocol: o.sized16()?, version: o.u8()?, flags: o.u8()?, ..Connect::default() };
        o.u16()?; // keep alive
        c.properties = Properties::read(&mut o, c.version)?;
        c.client_id = o.sized16()?;
        if c.flags & WILL != 0 {
            c.will_properties = Properties::read(&mut o, c.version)?;
            c.will_topic = Some(o.sized16()?);
            c.will_message = Some(o.sized16()?);
        }
        if c.flags & USERNAME != 0 {
            c.username = Some(o.sized16()?);
        }
        if c.flags & PASSWORD != 0 {
            c.password = Some(o.sized16()?);
        }
        Some(c)
    }
}

/// What the other packets have, as far as each has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest<'a> {
    pub id: Option<u16>,
    pub topic: Option<&'a [u8]>,
    /// Return or reason code.
    pub code: Option<u8>,
    pub session_present: Option<bool>,
    pub properties: Properties<'a>,
    /// Message of a PUBLISH; list of topics or codes of what is about subscriptions.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The packet at the start of `b`.
    pub fn read(b: &'a [u8], version: u8) -> Option<Message<'a>> {
        let head = Head::read(b).ok()?;
        let body = b.get(head.size..head.size.checked_add(head.len)?)?;
        Some(Message { head, body, truncated: false, version })
    }

    pub fn connect(&self) -> Option<Connect<'a>> {
        if self.head.kind == CONNECT && !self.truncated { Connect::read(self.body) } else { None }
    }

    /// Fields of what is no CONNECT. `None`: malformed.
    pub fn rest(&self) -> Option<Rest<'a>> {
        if self.truncated {
            return Some(Rest::default());
        }
        let five = self.version == 5;
        let mut o = Octets(self.body);
        let mut r = Rest::default();
        match self.head.kind {
            CONNACK => {
                r.session_present = Some(o.u8()? & 1 == 1);
                r.code = Some(o.u8()?);
                r.properties = Properties::read(&mut o, self.version)?;
            }
            PUBLISH => {
                r.topic = Some(o.sized16()?);
                if self.head.qos() > 0 {
                    r.id = Some(o.u16()?);
                }
                r.properties = Properties::read(&mut o, self.version)?;
            }
            PUBACK..=PUBCOMP => {
                r.id = Some(o.u16()?);
                if five {
                    // Left out: success without properties (3.4.2.1).
                    r.code = Some(o.u8().unwrap_or(0));
                    if !o.is_empty() {
                        r.properties = Properties::read(&mut o, self.version)?;
                    }
                }
            }
            SUBSCRIBE | SUBACK | UNSUBSCRIBE => {
                r.id = Some(o.u16()?);
                r.properties = Properties::read(&mut o, self.version)?;
            }
            UNSUBACK => {
                r.id = Some(o.u16()?);
                // Before version 5 it has no payload.
                r.properties = Properties::read(&mut o, self.version)?;
            }
            // One byte alone Suricata takes for no code.
            DISCONNECT if five && o.len() < 2 => r.code = Some(0),
            DISCONNECT | AUTH if five => {
                r.code = Some(o.u8().unwrap_or(0));
                if !o.is_empty() {
                    r.properties = Properties::read(&mut o, self.version)?;
                }
            }
            _ => {}
        }
        r.payload = o.0;
        Some(r)
    }

    /// Whether all of it can be read.
    pub fn is_sound(&self) -> bool {
        match self.head.kind {
            _ if self.truncated => true,
            CONNECT => self.connect().is_some(),
            SUBSCRIBE | UNSUBSCRIBE => self.rest().is_some_and(|r| {
                let mut left = Octets(r.payload);
                while !left.is_empty() {
                    if left.sized16().is_none() || (self.head.kind == SUBSCRIBE && left.u8().is_none()) {
                        return false;
                    }
                }
                true
            }),
            _ => self.rest().is_some(),
        }
    }

    /// Topics of a SUBSCRIBE with the service they are wanted with, or of an UNSUBSCRIBE.
    pub fn topics(&self) -> impl Iterator<Item = (&'a [u8], u8)> + use<'a> {
        let kind = self.head.kind;
        let listed = matches!(kind, SUBSCRIBE | UNSUBSCRIBE);
        let mut left = Octets(self.rest().filter(|_| listed).map_or(&[], |r| r.payload));
        core::iter::from_fn(move || {
            let topic = left.sized16()?;
            let qos = if kind == SUBSCRIBE { left.u8()? & 3 } else { 0 };
            Some((topic, qos))
        })
    }

    /// Return and reason codes.
    pub fn codes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let r = self.rest().unwrap_or_default();
        let listed = matches!(self.head.kind, SUBACK | UNSUBACK);
        let list = if listed { r.payload } else { &[] };
        r.code.into_iter().chain(list.iter().copied())
    }
}

/// Properties of version 5 (2.2.2), without their length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Properties<'a>(pub &'a [u8]);

/// A property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u32),
    Text(&'a [u8]),
    /// A name and a value of the user's.
    Pair(&'a [u8], &'a [u8]),
}

impl<'a> Properties<'a> {
    /// Nothing before version 5. `None`: they are longer than the packet, or one is unknown.
    fn read(o: &mut Octets<'a>, version: u8) -> Option<Properties<'a>> {
        if version != 5 {
            return Some(Properties::default());
        }
        let (len, n) = varint(o.0).ok()?;
        o.take(n)?;
        let all = Properties(o.take(len as usize)?);
        let mut left = Octets(all.0);
        while !left.is_empty() {
            property(&mut left)?;
        }
        Some(all)
    }

    /// Names and values.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Value<'a>)> + use<'a> {
        let mut left = Octets(self.0);
        core::iter::from_fn(move || property(&mut left))
    }
}

/// The next property (2.2.2.2).
fn property<'a>(o: &mut Octets<'a>) -> Option<(&'static str, Value<'a>)> {
    const BYTE: u8 = 1;
    const TWO: u8 = 2;
    const FOUR: u8 = 4;
    const VAR: u8 = 5;
    const TEXT: u8 = 6;
    const PAIR: u8 = 7;
    let (name, kind) = match o.u8()? {
        1 => ("payload_format_indicator", BYTE),
        2 => ("message_expiry_interval", FOUR),
        3 => ("content_type", TEXT),
        8 => ("response_topic", TEXT),
        9 => ("correlation_data", TEXT),
        11 => ("subscription_identifier", VAR),
        17 => ("session_expiry_interval", FOUR),
        18 => ("assigned_client_identifier", TEXT),
        19 => ("server_keep_alive", TWO),
        21 => ("authentication_method", TEXT),
        22 => ("authentication_data", TEXT),
        23 => ("request_problem_information", BYTE),
        24 => ("will_delay_interval", FOUR),
        25 => ("request_response_information", BYTE),
        26 => ("response_information", TEXT),
        28 => ("server_reference", TEXT),
        31 => ("reason_string", TEXT),
        33 => ("receive_maximum", TWO),
        34 => ("topic_alias_maximum", TWO),
        35 => ("topic_alias", TWO),
        36 => ("maximum_qos", BYTE),
        37 => ("retain_available", BYTE),
        38 => ("user_property", PAIR),
        39 => ("maximum_packet_size", FOUR),
        40 => ("wildcard_subscription_available", BYTE),
        41 => ("subscription_identifiers_available", BYTE),
        42 => ("shared_subscription_available", BYTE),
        _ => return None,
    };
    let value = match kind {
        BYTE => Value::Number(u32::from(o.u8()?)),
        TWO => Value::Number(u32::from(o.u16()?)),
        FOUR => Value::Number(o.u32()?),
        VAR => {
            let (v, n) = varint(o.0).ok()?;
            o.take(n)?;
            Value::Number(v)
        }
        TEXT => Value::Text(o.sized16()?),
        _ => Value::Pair(o.sized16()?, o.sized16()?),
    };
    Some((name, value))
}
