//! Captures made byte by byte, cut anywhere, and every capture beside the checkout.
use super::*;
use proptest::prelude::*;
use std::io::Cursor;

fn open(bytes: &[u8]) -> Result<Capture, CaptureError> {
    Capture::from_reader(Box::new(Cursor::new(bytes.to_vec())))
}

type Seen = (Vec<u8>, u16, u64, u64, u32);

/// All frames, in batches of `max`, and the fault at the end.
fn drain(mut c: Capture, max: usize) -> (Vec<Seen>, Option<CaptureError>) {
    let mut seen = Vec::new();
    loop {
        match c.next_batch(max) {
            Ok(Some(b)) => {
                assert!(b.len() <= max && !b.is_empty());
                seen.extend(b.iter().map(|f| (f.data.to_vec(), f.link, f.ts_ns, f.index, f.wire_len)));
            }
            Ok(None) => return (seen, None),
            Err(e) => {
                assert!(matches!(c.next_batch(max), Ok(None)));
                return (seen, Some(e));
            }
        }
    }
}

/// Writes words in one byte order.
struct Writer {
    big: bool,
    out: Vec<u8>,
}

impl Writer {
    fn w16(&mut self, v: u16) -> &mut Self {
        self.out.extend(if self.big { v.to_be_bytes() } else { v.to_le_bytes() });
        self
    }
    fn w32(&mut self, v: u32) -> &mut Self {
        self.out.extend(if self.big { v.to_be_bytes() } else { v.to_le_bytes() });
        self
    }
    fn bytes(&mut self, b: &[u8]) -> &mut Self {
        self.out.extend(b);
        self
    }
    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Writer)) -> &mut Self {
        let mut inner = Writer { big: self.big, out: Vec::new() };
        body(&mut inner);
        inner.out.resize(inner.out.len().next_multiple_of(4), 0);
        let size = inner.out.len() as u32 + 12;
        self.w32(kind).w32(size).bytes(&inner.out).w32(size)
    }
}

fn pcap(big: bool, magic: u32, frames: &[&[u8]]) -> Vec<u8> {
    let mut w = Writer { big, out: Vec::new() };
    w.w32(magic).w16(2).w16(4).w32(0).w32(0).w32(65535).w32(1);
    for (i, f) in frames.iter().enumerate() {
        w.w32(100 + i as u32).w32(5).w32(f.len() as u32).w32(f.len() as u32 + 1);
        if magic == 0xa1b2_cd34 {
            w.w32(1).w16(0x800).bytes(&[0, 0]);
        }
        w.bytes(f);
    }
    w.out
}

#[test]
fn classic_pcap_in_all_forms() {
    for big in [false, true] {
        for (magic, fraction) in [(0xa1b2_c3d4, 5000), (0xa1b2_3c4d, 5), (0xa1b2_cd34, 5000)] {
            let (seen, fault) = drain(open(&pcap(big, magic, &[b"one", b"", b"three"])).unwrap(), 2);
            assert!(fault.is_none());
            let ts = |s: u64| s * 1_000_000_000 + fraction;
            let want: Vec<Seen> = vec![
                (b"one".to_vec(), 1, ts(100), 1, 4),
                (Vec::new(), 1, ts(101), 2, 1),
                (b"three".to_vec(), 1, ts(102), 3, 6),
            ];
            assert_eq!(seen, want);
        }
    }
}

#[test]
fn truncation_is_reported_after_the_good_frames() {
    let whole = pcap(false, 0xa1b2_c3d4, &[b"one", b"two"]);
    let (seen, fault) = drain(open(&whole[..whole.len() - 1]).unwrap(), 32);
    assert_eq!(seen.len(), 1);
    assert!(
        matches!(fault, Some(CaptureError::Truncated { offset: 43, packet: 2, needs: 19, has: 18 })),
        "{fault:?}"
    );
    assert_eq!(
        fault.unwrap().to_string(),
        "truncated at byte 43, in the record of packet 2: it needs 19 bytes, 18 are there"
    );
    assert!(matches!(open(b""), Err(CaptureError::Empty)));
    assert!(matches!(
        open(&whole[..20]),
        Err(CaptureError::Truncated { offset: 0, packet: 0, needs: 24, has: 20 })
    ));
    assert!(matches!(open(b"PK\x03\x04\0\0\0\0"), Err(CaptureError::NotACapture(_))));
}

#[test]
fn an_impossible_length_is_damage() {
    let mut bytes = pcap(false, 0xa1b2_c3d4, &[b"one", b"two"]);
    bytes[43 + 8..43 + 12].copy_from_slice(&[0, 0, 0, 0x7f]);
    let (seen, fault) = drain(open(&bytes).unwrap(), 32);
    assert_eq!(seen.len(), 1);
    assert!(matches!(fault, Some(CaptureError::Damaged { offset: 43, packet: 2, .. })));
}

fn ng(big: bool) -> Vec<u8> {
    let mut w = Writer { big, out: Vec::new() };
    let section = |w: &mut Writer| {
        w.w32(0x1a2b_3c4d).w16(1).w16(0).w32(u32::MAX).w32(u32::MAX);
    };
    w.block(0x0a0d_0d0a, section);
    w.block(1, |w| {
        w.w16(1).w16(0).w32(0);
    });
    w.block(1, |w| {
        // Nanoseconds, ten seconds later; a comment before.
        w.w16(101).w16(0).w32(4).w16(1).w16(3).bytes(b"hey\0").w16(9).w16(1).bytes(&[9, 0, 0, 0]);
        w.w16(14).w16(8);
        let ten = if w.big { 10i64.to_be_bytes() } else { 10i64.to_le_bytes() };
        w.bytes(&ten).w16(0).w16(0);
    });
    w.block(6, |w| {
        w.w32(0).w32(0).w32(1_000_001).w32(5).w32(9).bytes(b"first");
    });
    w.block(5, |w| {
        w.w32(0).w32(0);
    });
    w.block(6, |w| {
        w.w32(1).w32(1).w32(0).w32(2).w32(2).bytes(b"ip");
    });
    w.block(2, |w| {
        w.w16(1).w16(7).w32(0).w32(3).w32(2).w32(2).bytes(b"ob");
    });
    w.block(0x0a0d_0d0a, section);
    w.block(1, |w| {
        w.w16(113).w16(0).w32(3).w16(9).w16(1).bytes(&[0x80 | 10, 0, 0, 0]).w16(0).w16(0);
    });
    w.block(3, |w| {
        w.w32(9).bytes(b"sim");
    });
    w.block(6, |w| {
        w.w32(0).w32(0).w32(1536).w32(1).w32(1).bytes(b"b");
    });
    w.out
}

#[test]
fn pcapng_with_sections_interfaces_and_all_packet_blocks() {
    for big in [false, true] {
        let (seen, fault) = drain(open(&ng(big)).unwrap(), 3);
        assert!(fault.is_none(), "{fault:?}");
        let want: Vec<Seen> = vec![
            (b"first".to_vec(), 1, 1_000_001_000, 1, 9),
            (b"ip".to_vec(), 101, 10_000_000_000 + (1 << 32), 2, 2),
            (b"ob".to_vec(), 101, 10_000_000_003, 3, 2),
            (b"sim".to_vec(), 113, 0, 4, 9),
            (b"b".to_vec(), 113, 1_500_000_000, 5, 1),
        ];
        assert_eq!(seen, want);
    }
}

#[test]
fn pcapng_damage_has_its_offset() {
    let mut bytes = ng(false);
    let n = bytes.len();
    bytes[n - 1] = 1;
    let (seen, fault) = drain(open(&bytes).unwrap(), 32);
    assert_eq!(seen.len(), 4);
    assert!(matches!(fault, Some(CaptureError::Damaged { .. })));
    let (seen, fault) = drain(open(&bytes[..n - 5]).unwrap(), 32);
    assert_eq!(seen.len(), 4);
    assert!(matches!(fault, Some(CaptureError::Truncated { .. })));
}

#[test]
fn frames_beyond_a_block_and_directories() {
    let big = vec![7u8; 200_000];
    let frames: Vec<&[u8]> = (0..20).map(|_| &big[..]).collect();
    let (seen, fault) = drain(open(&pcap(false, 0xa1b2_c3d4, &frames)).unwrap(), 256);
    assert!(fault.is_none());
    // The file's snapshot length cuts them.
    assert!(seen.len() == 20 && seen.iter().all(|f| f.0.len() == 65535));
    let dir = std::env::temp_dir().join(format!("tidegate-capture-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    for name in ["b.pcap", "a.pcap", "c.pcap"] {
        std::fs::write(dir.join(name), b"").unwrap();
    }
    let names: Vec<_> =
        list(&dir, false).unwrap().iter().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["a.pcap", "b.pcap", "c.pcap"]);
    assert!(matches!(Capture::open(&dir.join("none")), Err(CaptureError::Open { .. })));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Every capture of the shared material is read to its end or to a fault with an offset, the same in every
/// batch size.
#[test]
#[ignore = "needs ../shared"]
fn shared_captures_are_read_to_their_ends() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let (mut files, mut frames, mut faults) = (0, 0u64, 0);
    let mut dirs = vec![shared];
    while let Some(dir) = dirs.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(&dir).unwrap().flatten().map(|e| e.path()).collect();
        entries.sort();
        for path in entries {
            let ext = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            if path.is_dir() {
                dirs.push(path);
            } else if matches!(ext, "pcap" | "pcapng" | "cap" | "dump" | "ntar") {
                let Ok(c) = Capture::open(&path) else { continue };
                let (n, fault) = count(c, 256);
                if n < 2000 {
                    assert_eq!(count(Capture::open(&path).unwrap(), 1).0, n, "{}", path.display());
                }
                files += 1;
                frames += n;
                faults += u32::from(fault);
            }
        }
    }
    eprintln!("{files} captures, {frames} frames, {faults} truncated or damaged");
    assert!(files > 0);
}

fn count(mut c: Capture, max: usize) -> (u64, bool) {
    loop {
        match c.next_batch(max) {
            Ok(Some(_)) => {}
            Ok(None) => return (c.frames(), false),
            Err(_) => return (c.frames(), true),
        }
    }
}

proptest! {
    #[test]
    fn any_cut_gives_a_prefix(cut in 0usize..400, big: bool, n in 1usize..9) {
        for whole in [ng(big), pcap(big, 0xa1b2_3c4d, &[b"one", b"four", b""])] {
            let cut = cut % (whole.len() + 1);
            let (all, _) = drain(open(&whole).unwrap(), 32);
            if let Ok(c) = open(&whole[..cut]) {
                let (seen, _) = drain(c, n);
                prop_assert_eq!(&all[..seen.len()], &seen[..]);
            }
        }
    }

    #[test]
    fn any_damage_ends(flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..8), big: bool) {
        let mut bytes = ng(big);
        for (at, v) in flips {
            let n = bytes.len();
            bytes[at as usize % n] = v;
        }
        if let Ok(c) = open(&bytes) {
            let a = drain(c, 1).0;
            prop_assert_eq!(a, drain(open(&bytes).unwrap(), 64).0);
        }
    }
}
