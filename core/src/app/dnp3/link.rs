//! DNP3's data link and transport (IEEE 1815 8 and 9). In: frames. Out: their parts, without checksums.

/// Bytes of a header with its checksum, and of a block of data without.
pub(super) const HEAD: usize = 10;
const BLOCK: usize = 16;

/// A frame's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) len: u8,
    pub(super) control: u8,
    pub(super) dst: u16,
    pub(super) src: u16,
}

impl Link {
    /// `None`: too short, or not a frame.
    pub(super) fn read(b: &[u8]) -> Option<Link> {
        match *b.first_chunk::<HEAD>()? {
            [0x05, 0x64, len, control, d0, d1, s0, s1, ..] => Some(Link {
                len,
                control,
                dst: u16::from_le_bytes([d0, d1]),
                src: u16::from_le_bytes([s0, s1]),
            }),
            _ => None,
        }
    }

    pub(super) fn function(self) -> u8 {
        self.control & 0x0f
    }

    /// It is sent by the primary station, and carries data of the user.
    pub(super) fn carries_data(self) -> bool {
        self.control & 0x40 != 0 && matches!(self.function(), 3 | 4)
    }

    /// Bytes of the user's data.
    fn data(self) -> usize {
        usize::from(self.len).saturating_sub(5)
    }

    /// Bytes of the whole frame: each block has a checksum of two bytes.
    pub(super) fn whole(self) -> usize {
        HEAD + self.data() + 2 * self.data().div_ceil(BLOCK)
    }
}

/// Checksum of a block (IEEE 1815 9.2.4.3.4).
pub(super) fn crc(b: &[u8]) -> u16 {
    !b.iter().fold(0u16, |c, b| {
        (0..8).fold(c ^ u16::from(*b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xa6bc } else { c >> 1 })
    })
}

/// Whether a block is followed by its checksum.
fn sound(block: &[u8]) -> bool {
    block.len() > 2
        && block.split_last_chunk::<2>().is_some_and(|(data, sum)| crc(data) == u16::from_le_bytes(*sum))
}

/// Whether a header's checksum is right.
pub(super) fn head_is_sound(frame: &[u8]) -> bool {
    frame.get(..HEAD).is_some_and(sound)
}

/// The user's data, block by block, and whether the block's checksum is right.
pub(super) fn blocks(frame: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let data = frame.get(HEAD..).unwrap_or(&[]);
    data.chunks(BLOCK + 2).map(|b| (b.get(..b.len().saturating_sub(2)).unwrap_or(&[]), sound(b)))
}
