//! What a client says of itself (MS-RDPBCGR 2.2.1.3): blocks of settings in a GCC Conference Create Request, which is
//! user data of an MCS Connect Initial. Slices go in, fields come out.

use crate::app::octets::Octets;

/// The key that stands before the blocks (T.124 8.7, the client's non-standard parameter).
const KEY: &[u8] = b"Duca";
const CORE: u16 = 0xc001;
const NET: u16 = 0xc003;
/// Bytes that are kept: a client has at most 31 channels.
const KEPT: usize = 4096;

/// The blocks of a Connect Initial.
pub(super) fn settings(b: &[u8]) -> &[u8] {
    let Some(at) = b.windows(KEY.len()).position(|w| w == KEY) else { return &[] };
    let mut o = Octets(b.get(at + KEY.len()..).unwrap_or(&[]));
    // A length of one or two bytes (X.691 10.9).
    if o.u8().is_some_and(|n| n & 0x80 != 0) {
        o.u8();
    }
    o.0.get(..KEPT).unwrap_or(o.0)
}

fn block(settings: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut o = Octets(settings);
    loop {
        let (kind, len) = (o.le16()?, o.le16()?);
        // What was cut off at its end is still of use.
        let n = usize::from(len).checked_sub(4)?;
        let body = o.0.get(..n).unwrap_or(o.0);
        o.take(body.len())?;
        if kind == wanted {
            return Some(body);
        }
    }
}

/// Client Core Data (2.2.1.3.2): the fields behind `ime` are there or not, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Core<'a> {
    pub version: u32,
    pub width: u16,
    pub height: u16,
    /// Of the three fields that tell it, the last one that is there.
    pub depth: Option<u16>,
    pub layout: u32,
    pub build: u32,
    pub name: &'a [u8],
    pub keyboard: u32,
    pub function_keys: u32,
    pub product: Option<u16>,
    pub capabilities: Option<u16>,
    pub id: Option<&'a [u8]>,
}

impl<'a> Core<'a> {
    pub(super) fn read(settings: &'a [u8]) -> Option<Core<'a>> {
        let mut o = Octets(block(settings, CORE)?);
        let (version, width, height, depth) = (o.le32()?, o.le16()?, o.le16()?, o.le16()?);
        o.le16()?;
        let (layout, build, name) = (o.le32()?, o.le32()?, o.take(32)?);
        let keyboard = o.le32()?;
        o.le32()?;
        let function_keys = o.le32()?;
        o.take(64)?;
        let of_code = |c: u16| match c {
            0xca00 => Some(4),
            0xca01 => Some(8),
            0xca02 => Some(15),
            0xca03 => Some(16),
            0xca04 => Some(24),
            _ => None,
        };
        let later = o.le16().and_then(of_code);
        let product = o.le16();
        o.le32();
        let high = o.le16().filter(|n| matches!(n, 4 | 8 | 15 | 16 | 24));
        o.le16();
        let capabilities = o.le16();
        let id = o.take(64);
        Some(Core {
            version,
            width,
            height,
            depth: high.or(later).or_else(|| of_code(depth)),
            layout,
            build,
            name,
            keyboard,
            function_keys,
            product,
            capabilities,
            id,
        })
    }
}

/// Names of channels (2.2.1.3.4).
pub(super) fn channels(settings: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut o = Octets(block(settings, NET).unwrap_or(&[]));
    let count = o.le32().unwrap_or(0).min(31);
    (0..count).map_while(move |_| {
        let name = o.take(8)?;
        o.le32()?;
        let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        name.get(..end)
    })
}
