//! The TLS hello in the handshake (RFC 9001 4): its extensions, and what its fingerprints count. In: the message without its
//! header. Out: places in it.

use crate::Dir;
use crate::app::tls::prints::{MAX_LIST, Seen, grease};

/// The front of a hello.
#[derive(Clone, Copy)]
pub(super) struct Hello<'a> {
    version: u16,
    ciphers: &'a [u8],
    extensions: &'a [u8],
}

fn word(b: &[u8]) -> Option<(u16, &[u8])> {
    let (n, rest) = b.split_at_checked(2)?;
    Some((u16::from_be_bytes(n.try_into().ok()?), rest))
}

/// A list behind a length of `width` bytes, and what follows it.
fn list(b: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (n, rest) = b.split_at_checked(width)?;
    rest.split_at_checked(n.iter().fold(0, |v, b| v << 8 | usize::from(*b)))
}

impl<'a> Hello<'a> {
    /// The hello that the message of that type (1: the client's, 2: the server's) is.
    pub(super) fn read(message: &'a [u8], dir: Dir) -> Option<Self> {
        let client = dir == Dir::ToServer;
        let (kind, rest) = message.split_first()?;
        let (body, _) = list(rest, 3)?;
        if *kind != if client { 1 } else { 2 } {
            return None;
        }
        let (version, rest) = word(body)?;
        let (_session, rest) = list(rest.get(32..)?, 1)?;
        let (ciphers, rest) = if client { list(rest, 2)? } else { rest.split_at_checked(2)? };
        let rest = if client { list(rest, 1)?.1 } else { rest.get(1..)? };
        let extensions = if rest.is_empty() { rest } else { list(rest, 2)?.0 };
        Some(Hello { version, ciphers, extensions })
    }

    /// Numbers and contents of the extensions, in order.
    pub(super) fn extensions(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.extensions;
        core::iter::from_fn(move || {
            let (kind, after) = word(rest)?;
            let (body, after) = list(after, 2)?;
            rest = after;
            Some((kind, body))
        })
    }

    fn extension(self, wanted: u16) -> Option<&'a [u8]> {
        self.extensions().find(|(kind, _)| *kind == wanted).map(|e| e.1)
    }

    /// The name of the server that the client asks for (RFC 6066 3).
    pub(super) fn sni(self) -> Option<&'a [u8]> {
        let (names, _) = list(self.extension(0)?, 2)?;
        let (kind, rest) = names.split_first()?;
        list(rest, 2).filter(|_| *kind == 0).map(|n| n.0)
    }

    /// What fingerprints count.
    pub(super) fn seen(self) -> Seen<'a> {
        let mut seen = Seen::new(self.version, self.ciphers);
        for (kind, body) in self.extensions() {
            match kind {
                10 => seen.curves = list(body, 2).map_or(&[], |l| l.0),
                11 => seen.formats = list(body, 1).map_or(&[], |l| l.0),
                13 => seen.algorithms = list(body, 2).map_or(&[], |l| l.0),
                16 => seen.first_alpn = names(body).next(),
                43 => {
                    let versions = list(body, 1).map_or(&[][..], |l| l.0);
                    let mut known = versions.chunks_exact(2).filter_map(|v| Some(word(v)?.0));
                    seen.preferred = known.find(|v| !grease(*v)).unwrap_or(seen.preferred);
                }
                _ => {}
            }
            if !grease(kind) && seen.extension_count < MAX_LIST {
                seen.extensions[seen.extension_count] = kind;
                seen.extension_count += 1;
            }
        }
        seen
    }
}

/// Protocol names (RFC 7301).
pub(super) fn names(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list(body, 2).map_or(&[][..], |l| l.0);
    core::iter::from_fn(move || {
        let (name, after) = list(rest, 1)?;
        rest = after;
        Some(name)
    })
}
