//! Small files made by hand.
use super::{Artifact, Judgement};
use alloc::vec::Vec;
use proptest::prelude::*;

fn judge(bytes: &[u8]) -> (Judgement, alloc::string::String) {
    let mut a = Artifact::new();
    a.feed(bytes);
    let v = a.end();
    (v.judgement, alloc::string::String::from(v.why()))
}

fn pickles(b: &[u8]) -> Judgement {
    judge(b).0
}

/// A member of a zip, stored: local header and data, and its entry in the central directory.
fn member(name: &str, central_name: &str, data: &[u8], at: usize) -> (Vec<u8>, Vec<u8>) {
    let mut sum = !0u32;
    for b in data {
        sum ^= u32::from(*b);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    let middle = |name: &str| {
        let mut h = Vec::from([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        h.extend_from_slice(&(!sum).to_le_bytes());
        h.extend_from_slice(&(data.len() as u32).to_le_bytes());
        h.extend_from_slice(&(data.len() as u32).to_le_bytes());
        h.extend_from_slice(&(name.len() as u16).to_le_bytes());
        h.extend_from_slice(&[0, 0]);
        h
    };
    let mut local = Vec::from(*b"PK\x03\x04");
    local.extend_from_slice(&middle(name));
    local.extend_from_slice(name.as_bytes());
    local.extend_from_slice(data);
    let mut central = Vec::from(*b"PK\x01\x02\x14\x00");
    central.extend_from_slice(&middle(central_name));
    central.extend_from_slice(&[0; 10]);
    central.extend_from_slice(&(at as u32).to_le_bytes());
    central.extend_from_slice(central_name.as_bytes());
    (local, central)
}

fn zip(members: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, central_name, data) in members {
        let (l, c) = member(name, central_name, data, out.len());
        out.extend_from_slice(&l);
        directory.extend_from_slice(&c);
    }
    let at = out.len() as u32;
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&(members.len() as u16).to_le_bytes());
    out.extend_from_slice(&(members.len() as u16).to_le_bytes());
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

const EVIL: &[u8] = b"\x80\x02cos\nsystem\nX\x04\0\0\0trueR.";
const WEIGHTS: &[u8] = b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\0\0\0aK\x01sb.";

#[test]
fn a_call_of_what_has_no_place_in_weights_is_malicious() {
    let cases: &[&[u8]] = &[
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x02(cos\nsystem\nX\x04\0\0\0trueo.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x85R.",
        b"\x80\x04\x8c\x02osq\x07\x8c\x06systemq\x0800h\x07h\x08\x93\x8c\x04true\x85R.",
        b"\x80\x04\x8c\x04code2\x93.",
        b"\x80\x02c__builtin__\neval\nX\x01\0\0\0a\x85R.",
        b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93\x8c\x01a\x85R.",
    ];
    for c in cases {
        assert_eq!(pickles(c), Judgement::Malicious, "{:?}", alloc::string::String::from_utf8_lossy(c));
    }
    let (_, why) = judge(cases[1]);
    assert_eq!(why, "pickle reaches posix.system");
}

#[test]
fn a_call_that_was_made_stays_made() {
    assert_eq!(pickles(b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R\xff\xff"), Judgement::Malicious);
    assert_eq!(pickles(b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R"), Judgement::Malicious);
    assert_eq!(pickles(b"\x80\x02N.\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."), Judgement::Malicious);
    assert_eq!(
        pickles(b"\x80\x02N.\0\x01\x02junk\xffcos\nsystem\nX\x04\0\0\0true\x85R."),
        Judgement::Suspicious
    );
}

#[test]
fn what_is_not_known_is_suspicious_when_it_is_called() {
    assert_eq!(pickles(b"\x80\x02cmine\nbuild\n)R."), Judgement::Suspicious);
    assert_eq!(pickles(b"\x80\x02cmine\nBuilt\n)\x81."), Judgement::Unknown);
    assert_eq!(pickles(b"\x80\x02\x82\x07)R."), Judgement::Suspicious);
    assert_eq!(
        pickles(b"\x80\x04\x8c\x04mine\x8c\x08builtins\x8c\x03str\x93\x8c\x01a\x85R\x93)R."),
        Judgement::Suspicious
    );
}

#[test]
fn weights_are_clean_and_what_is_cut_off_is_not() {
    assert_eq!(pickles(WEIGHTS), Judgement::Clean);
    assert_eq!(pickles(&WEIGHTS[..WEIGHTS.len() - 3]), Judgement::Unreadable);
    assert_eq!(pickles(b""), Judgement::Unknown);
    assert_eq!(pickles(b"just some text\nand more\n"), Judgement::Unknown);
    assert_eq!(pickles(b"cos\nsin\ntan\n"), Judgement::Unknown);
}

#[test]
fn pickles_that_exhaust_are_suspicious() {
    let mut deep = Vec::from(*b"\x80\x02");
    deep.extend_from_slice(&[b'('; 2000]);
    deep.extend_from_slice(&[b't'; 2000]);
    deep.push(b'.');
    assert_eq!(pickles(&deep), Judgement::Suspicious);
    let mut wide = Vec::from(*b"\x80\x02]q\x000");
    for level in 1..12u8 {
        wide.push(b'(');
        (0..9).for_each(|_| wide.extend_from_slice(&[b'h', level - 1]));
        wide.extend_from_slice(&[b'l', b'q', level, b'0']);
    }
    wide.extend_from_slice(b"h\x0b.");
    assert_eq!(pickles(&wide), Judgement::Suspicious);
}

#[test]
fn archives_are_read_by_their_local_headers_and_compared() {
    let good = zip(&[("a/data.pkl", "a/data.pkl", WEIGHTS), ("a/version", "a/version", b"3\n")]);
    assert_eq!(judge(&good), (Judgement::Clean, "".into()));
    let (j, why) = judge(&zip(&[("a/data.pkl", "a/data.pkl", EVIL)]));
    assert_eq!((j, why.as_str()), (Judgement::Malicious, "a/data.pkl: pickle reaches os.system"));
    assert_eq!(judge(&zip(&[("a/data.pkl", "readme", WEIGHTS)])).0, Judgement::Suspicious);
    assert_eq!(judge(&zip(&[("../../a", "../../a", b"x")])).0, Judgement::Suspicious);
    // An archive in an archive, with bytes before and a pickle behind.
    let mut outer = Vec::from(*b"GIF89a\x01\0");
    outer.extend_from_slice(&zip(&[("model.pt", "model.pt", &zip(&[("d.pkl", "d.pkl", EVIL)]))]));
    assert_eq!(judge(&outer).0, Judgement::Malicious);
    let mut behind = good.clone();
    behind.extend_from_slice(EVIL);
    assert_eq!(judge(&behind).0, Judgement::Suspicious);
    assert_eq!(judge(&good[..good.len() - 10]).0, Judgement::Unreadable);
    let mut damaged = good;
    if let Some(at) = damaged.windows(2).position(|w| w == b"3\n") {
        damaged[at] = b'4';
    }
    assert_eq!(judge(&damaged).0, Judgement::Suspicious);
}

#[test]
fn both_headers_of_a_member_say_the_same() {
    let good = zip(&[("a/data.pkl", "a/data.pkl", WEIGHTS), ("a/version", "a/version", b"3\n")]);
    let entry = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    // Flags, coding, checksum, both sizes, offset.
    for (at, what) in
        [(8, "flags"), (10, "coding"), (16, "checksum"), (20, "size"), (24, "size"), (42, "offset")]
    {
        let mut f = good.clone();
        f[entry + at] ^= 8;
        let (j, why) = judge(&f);
        assert!(j == Judgement::Suspicious && why.contains(what), "{at}: {why}");
    }
    // Bytes before an archive move all of its offsets.
    assert_eq!(pickles(&[b"GIF89a\x01\0".as_slice(), &good].concat()), Judgement::Clean);
    // The end points elsewhere; a comment holds another end.
    let end = good.len() - 22;
    let mut f = good.clone();
    f[end + 16] ^= 1;
    assert_eq!(pickles(&f), Judgement::Suspicious);
    let mut f = good.clone();
    f[end + 20] = 22;
    f.extend_from_slice(&good[end..]);
    assert_eq!(pickles(&f), Judgement::Suspicious);
    f.truncate(good.len());
    f.extend_from_slice(b"made by hand, no more");
    f.push(b'.');
    assert_eq!(pickles(&f), Judgement::Clean);
    // An entry that points into another member's data.
    let inner = zip(&[("a/data.pkl", "a/data.pkl", EVIL)]);
    let mut f = zip(&[("a/data.pkl", "a/data.pkl", &inner)]);
    let entry = f.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    f[entry + 42] = 40;
    assert!(pickles(&f) >= Judgement::Suspicious);
}

#[test]
fn sizes_behind_and_long_sizes_are_compared_too() {
    // As PyTorch writes them: no sizes before the data, then a signature, checksum and sizes.
    let behind = |data: &[u8], size: u32| {
        let whole = zip(&[("a/data.pkl", "a/data.pkl", data)]);
        let entry = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        let sum = Vec::from(&whole[14..18]);
        let mut f = Vec::from(&whole[..entry]);
        f[6] = 8;
        f[14..26].fill(0);
        f.extend_from_slice(b"PK\x07\x08");
        f.extend_from_slice(&sum);
        f.extend_from_slice(&(data.len() as u32).to_le_bytes());
        f.extend_from_slice(&(data.len() as u32).to_le_bytes());
        let at = f.len();
        f.extend_from_slice(&whole[entry..]);
        f[at + 8] = 8;
        f[at + 24..at + 28].copy_from_slice(&size.to_le_bytes());
        let end = f.len() - 6;
        f[end..end + 4].copy_from_slice(&(at as u32).to_le_bytes());
        judge(&f)
    };
    let n = WEIGHTS.len() as u32;
    assert_eq!(behind(WEIGHTS, n), (Judgement::Clean, "".into()));
    assert_eq!(behind(WEIGHTS, n + 1).0, Judgement::Suspicious);
    assert_eq!(behind(EVIL, EVIL.len() as u32).0, Judgement::Malicious);
    // Long sizes, as NumPy writes them, in the local header alone.
    let whole = zip(&[("a", "a", WEIGHTS)]);
    let mut f = Vec::from(&whole[..30]);
    f[18..26].fill(0xff);
    f[28] = 20;
    f.extend_from_slice(b"a\x01\0\x10\0");
    f.extend_from_slice(&u64::from(n).to_le_bytes());
    f.extend_from_slice(&u64::from(n).to_le_bytes());
    f.extend_from_slice(&whole[31..]);
    let end = f.len() - 6;
    f[end] += 20;
    assert_eq!(judge(&f), (Judgement::Clean, "".into()));
}

#[test]
fn tensor_files_are_held_to_their_headers() {
    let st = |header: &str, data: usize| {
        let mut f = Vec::from((header.len() as u64).to_le_bytes());
        f.extend_from_slice(header.as_bytes());
        f.resize(f.len() + data, 0);
        judge(&f).0
    };
    let one = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    assert_eq!(st(one, 16), Judgement::Clean);
    assert_eq!(st(one, 15), Judgement::Unreadable);
    assert_eq!(st(one, 17), Judgement::Suspicious);
    assert_eq!(st(r#"{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}}"#, 16), Judgement::Suspicious);
    assert_eq!(st(r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#, 8), Judgement::Suspicious);
    assert_eq!(st(r#"{"__metadata__":{"chat_template":"{{ x.__class__ }}"}}"#, 0), Judgement::Malicious);

    // Numbers with a brace as their ninth byte, as storages have them, are no header; with JSON behind it they are one.
    assert_eq!(judge(b"\xff\x12\x99\x08\x07\x34\xaa\xc1{\x01\x02\x03").0, Judgement::Unknown);
    assert_eq!(judge(b"\xff\x12\x99\x08\x07\x34\xaa\xc1{\"a\":{}}").0, Judgement::Suspicious);

    let gguf = |tensors: u64, template: &str| {
        let mut f = Vec::from(*b"GGUF\x03\0\0\0");
        f.extend_from_slice(&tensors.to_le_bytes());
        f.extend_from_slice(&1u64.to_le_bytes());
        let key = b"tokenizer.chat_template";
        f.extend_from_slice(&(key.len() as u64).to_le_bytes());
        f.extend_from_slice(key);
        f.extend_from_slice(&8u32.to_le_bytes());
        f.extend_from_slice(&(template.len() as u64).to_le_bytes());
        f.extend_from_slice(template.as_bytes());
        judge(&f).0
    };
    assert_eq!(gguf(0, "{% for m in messages %}{{ m['content'] }}{% endfor %}"), Judgement::Clean);
    assert_eq!(gguf(0, "{{ x|attr('__glo' ~ 'bals__') }}"), Judgement::Malicious);
    assert_eq!(gguf(1 << 60, "a"), Judgement::Suspicious);
    assert_eq!(gguf(1, "a"), Judgement::Unreadable);
}

#[test]
fn configurations_that_carry_code_are_malicious() {
    for (text, want) in [
        (
            r#"{"class_name": "Sequential", "layers": [{"class_name": "Lambda", "config": {}}]}"#,
            Judgement::Malicious,
        ),
        (r#"{"class_name": "Dense", "name": "Lambda"}"#, Judgement::Clean),
        (r#"{"module": "builtins", "class_name": "exec"}"#, Judgement::Malicious),
        (r#"{"__module__": "os", "__class__": "str"}"#, Judgement::Malicious),
        (r#"{"chat_template": "{{ cycler.__init__ }}", "a": 1}"#, Judgement::Malicious),
        (r#"{"vocab": {"__class__": 1, "os.system": 2}}"#, Judgement::Clean),
        (r#"{"chat_template": "{{ x|attr(['__', 'class', '__']|join) }}"}"#, Judgement::Malicious),
        (r#"{"chat_template": "{{ x|attr('%sclass%s'|format('__', '__')) }}"}"#, Judgement::Malicious),
        (r#"{"chat_template": "{{ messages[::-1][0]['content'] + ', ' }}"}"#, Judgement::Clean),
    ] {
        assert_eq!(judge(text.as_bytes()).0, want, "{text}");
    }
    let named = |name: &str, text: &[u8]| {
        let mut a = Artifact::new();
        a.named(name.as_bytes());
        a.feed(text);
        a.end().judgement
    };
    assert_eq!(named("m.yaml", b"a: 1\nmodel:\n  _target_: os.system\n"), Judgement::Malicious);
    assert_eq!(named("m.yaml", b"model:\n  _target_: nemo.models.Model\n"), Judgement::Clean);
    assert_eq!(named("a.gguf", WEIGHTS), Judgement::Suspicious);
}

#[test]
fn a_reader_serves_one_file_after_another() {
    let mut a = Artifact::new();
    a.feed(EVIL);
    assert_eq!(a.end().judgement, Judgement::Malicious);
    a.reset();
    a.feed(WEIGHTS);
    let v = a.end();
    assert_eq!((v.judgement, v.format, v.risk), (Judgement::Clean, "pickle", 0));
    assert_eq!(v.imports().collect::<Vec<_>>(), ["collections.OrderedDict"]);
}

const BZIP2_EVIL: &[u8] = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xf9\x24\xe1\x51\x00\x00\x0b\xd3\xc0\x54\x10\x00\x01\x10\x40\x0a\x02\x9e\x20\x40\x00\x20\x00\x22\x8d\x06\x9e\xa3\x6a\x6d\x42\x86\x9a\x60\x01\xad\x44\xfc\x23\xa0\x4c\xe0\xb7\x93\x82\x99\x7c\x5d\xc9\x14\xe1\x42\x43\xe4\x93\x85\x44";
const BZIP2_PLAIN: &[u8] = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x27\x5c\x19\x3b\x00\x0b\xc4\xd7\x40\x72\x20\x00\x41\x00\x08\x00\x42\x32\x00\x40\x00\x20\x00\x31\x00\x00\x04\x54\x8c\x8d\x3d\x3d\x29\xde\x7a\x0f\x40\x54\x54\xab\xa9\x89\x73\x88\x2a\x2a\x4d\xb5\xb7\x12\xff\x17\x72\x45\x38\x50\x90\x27\x5c\x19\x3b";
const LZMA_EVIL: &[u8] = b"\x5d\x00\x00\x10\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x40\x00\x88\x03\xbc\x30\xbd\x34\xde\x2f\x5e\x26\xd0\x69\xfb\x36\x17\xfd\x87\x45\x8b\x55\x72\x32\x26\x16\x3d\x2a\xff\xff\x8b\xaa\x00\x00";

#[test]
fn what_joblib_compresses_is_read() {
    assert_eq!(judge(BZIP2_EVIL).0, Judgement::Malicious);
    assert_eq!(judge(BZIP2_PLAIN), (Judgement::Clean, "".into()));
    assert_eq!(judge(LZMA_EVIL).0, Judgement::Malicious);
    assert_eq!(judge(&BZIP2_PLAIN[..BZIP2_PLAIN.len() / 2]).0, Judgement::Unreadable);
    assert_eq!(judge(&miniz_oxide::deflate::compress_to_vec_zlib(EVIL, 6)).0, Judgement::Malicious);
}

#[test]
fn bytes_that_a_pickle_loads_are_judged_as_a_file() {
    let loads = |bytes: &[u8], rest: &[u8]| {
        let mut f = Vec::from(*b"\x80\x03ctorch.storage\n_load_from_bytes\nq\x00B");
        f.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        f.extend_from_slice(bytes);
        f.extend_from_slice(rest);
        f
    };
    let file = |data: &[u8]| zip(&[("a/data.pkl", "a/data.pkl", data)]);
    assert_eq!(judge(&loads(WEIGHTS, b"q\x01\x85q\x02R.")), (Judgement::Clean, "".into()));
    assert_eq!(pickles(&loads(&file(WEIGHTS), b"\x85R.")), Judgement::Clean);
    assert_eq!(pickles(&loads(&file(EVIL), b"\x85R.")), Judgement::Malicious);
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(EVIL, 6);
    assert_eq!(pickles(&loads(&packed, b"\x85R.")), Judgement::Malicious);
    // In a member, whose name is said.
    let (j, why) = judge(&file(&loads(EVIL, b"\x85R.")));
    assert_eq!(j, Judgement::Malicious, "{why}");
    // Bytes that come another way are not judged.
    for f in [
        b"\x80\x04C\x02N.q\x000ctorch.storage\n_load_from_bytes\nh\x00\x85R.".as_slice(),
        b"\x80\x04ctorch.storage\n_load_from_bytes\n(C\x02N.tR.",
        b"\x80\x04(C\x02N.itorch.storage\n_load_from_bytes\n.",
        b"\x80\x04(ctorch.storage\n_load_from_bytes\nC\x02N.o.",
    ] {
        assert_eq!(pickles(f), Judgement::Suspicious, "{:?}", alloc::string::String::from_utf8_lossy(f));
    }
}

#[test]
fn memoize_counts_different_keys() {
    // "collections" is put twice under 1, so "os" is 1 of MEMOIZE in CPython, and "system" 2.
    let f = b"\x80\x04\x8c\x0bcollectionsq\x01q\x010\x8c\x02os\x940\x8c\x0bOrderedDictq\x020\x8c\x06system\x940h\x01h\x02\x93\x8c\x04true\x85R.";
    assert_eq!(pickles(f), Judgement::Malicious);
    // A key far off that is put again: which one is next is not known, and a call is not clean.
    let mut far =
        Vec::from(*b"\x80\x04\x8c\x02osr\0\0\x10\0r\0\0\x10\0\x940\x8c\x06system\x940h\x01h\x02\x93)R.");
    assert!(pickles(&far) > Judgement::Clean);
    far.clear();
    // Ten thousand in order are a list like any other.
    far.extend_from_slice(b"\x80\x04]\x94");
    (0..10_000).for_each(|_| far.extend_from_slice(b"]\x94a"));
    far.push(b'.');
    assert_eq!(pickles(&far), Judgement::Clean);
}

#[test]
fn names_are_read_as_python_reads_them() {
    for f in [
        b"\x80\x04S'o\\x73'\nS'syste\\155'\n\x93\x8c\x04true\x85R.".as_slice(),
        b"\x80\x04S\"\\157s\"\nV\\u0073yste\\U0000006d\n\x93\x8c\x04true\x85R.",
        b"S'o\\x73'\nS'syste\\155'\n\x93(S'true'\ntR.",
    ] {
        assert_eq!(pickles(f), Judgement::Malicious, "{:?}", alloc::string::String::from_utf8_lossy(f));
        assert_eq!(pickles(&[b"\x80\x04N.", f].concat()), Judgement::Malicious);
    }
    assert_eq!(pickles(b"\x80\x04V\\\\u006fs\nS'system'\n\x93)R."), Judgement::Unreadable);
}

#[test]
fn a_second_pickle_that_breaks_off_is_not_clean() {
    assert_eq!(pickles(b"\x80\x02N.\x80\x02NK\x01\xff"), Judgement::Unreadable);
    assert_eq!(pickles(b"\x80\x02N.\x80\x04\x8c\x02os\x8c\x03a b\x93)R."), Judgement::Unreadable);
    assert_eq!(pickles(b"\x80\x02N.cmine\nBuilt\n\xff"), Judgement::Unreadable);
    // Numbers behind a pickle, as PyTorch writes them: 640 of them.
    assert_eq!(pickles(b"\x80\x02N.\x80\x02\0\0\0\0\0\0\x01\x02"), Judgement::Clean);
}

/// A block of tar before a member, with its checksum.
fn block(name: &[u8], size: &str, kind: u8) -> Vec<u8> {
    let mut h = Vec::from([0u8; 512]);
    h[..name.len()].copy_from_slice(name);
    h[100..108].copy_from_slice(b"0000644\0");
    h[124..124 + size.len()].copy_from_slice(size.as_bytes());
    h[156] = kind;
    h[257..265].copy_from_slice(b"ustar\x0000");
    sum(&mut h);
    h
}

fn sum(h: &mut [u8]) {
    h[148..156].fill(b' ');
    let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
    h[148..155].copy_from_slice(alloc::format!("{sum:06o}\0").as_bytes());
}

fn octal(data: &[u8]) -> alloc::string::String {
    alloc::format!("{:011o}", data.len())
}

/// Blocks and the data of members, filled up, and the end.
fn tar(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for p in parts {
        out.extend_from_slice(p);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn tar_is_read_as_python_reads_it() {
    let named = |name: &[u8], kind: u8| block(name, &octal(EVIL), kind);
    assert_eq!(
        judge(&tar(&[&block(b"a.pkl", &octal(WEIGHTS), b'0'), WEIGHTS])),
        (Judgement::Clean, "".into())
    );
    for kind in [b'0', 0, b'7', b'S', b'Z', b'A'] {
        assert_eq!(pickles(&tar(&[&named(b"a.pkl", kind), EVIL])), Judgement::Malicious, "{kind}");
    }
    assert_eq!(pickles(&tar(&[&named(b"\0a.pkl", b'0'), EVIL])), Judgement::Malicious);
    // Sizes: binary, with blanks, in a record.
    let mut h = named(b"a.pkl", b'0');
    h[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, EVIL.len() as u8]);
    sum(&mut h);
    assert_eq!(pickles(&tar(&[&h, EVIL])), Judgement::Malicious);
    assert_eq!(
        pickles(&tar(&[&block(b"a.pkl", &alloc::format!("  {:o} ", EVIL.len()), b'0'), EVIL])),
        Judgement::Malicious
    );
    let record = alloc::format!("11 size={}\n", EVIL.len());
    let pax = block(b"pax", &octal(record.as_bytes()), b'x');
    assert_eq!(record.len(), 11);
    assert_eq!(
        pickles(&tar(&[&pax, record.as_bytes(), &block(b"a.pkl", "0", b'0'), EVIL])),
        Judgement::Malicious
    );
    // Two sizes disagree; all members get one.
    let one = block(b"a.pkl", &octal(WEIGHTS), b'0');
    assert_eq!(pickles(&tar(&[&pax, record.as_bytes(), &one, WEIGHTS])), Judgement::Suspicious);
    let all = block(b"pax", &octal(record.as_bytes()), b'g');
    assert_eq!(pickles(&tar(&[&all, record.as_bytes(), &one, WEIGHTS])), Judgement::Suspicious);
    // A folder has no data, whatever its size: what follows is a header.
    let folder = block(b"a/", &octal(&[0; 512]), b'5');
    assert_eq!(pickles(&tar(&[&folder, &named(b"a.pkl", b'0'), EVIL])), Judgement::Malicious);
    // Names that are long, in both ways.
    let long = block(b"long", &octal(b"../../a\0"), b'L');
    assert_eq!(pickles(&tar(&[&long, b"../../a\0", &one, WEIGHTS])), Judgement::Suspicious);
    let path = block(b"pax", &octal(b"16 path=../../a\n"), b'x');
    assert_eq!(pickles(&tar(&[&path, b"16 path=../../a\n", &one, WEIGHTS])), Judgement::Suspicious);
}

#[test]
fn tar_that_is_cut_off_or_no_tar_is_not_clean() {
    let one = block(b"a.pkl", &octal(WEIGHTS), b'0');
    let whole = tar(&[&one, WEIGHTS]);
    assert_eq!(pickles(&whole[..whole.len() - 1]), Judgement::Unreadable);
    assert_eq!(pickles(&tar(&[&one, WEIGHTS, b"no header"])), Judgement::Unreadable);
    // A word where tar has it does not make a tar of a pickle.
    let mut f = block(b"\x80\x02X\xf9\x01\0\0a", "0", b'0');
    f[148] = b'9';
    f.extend_from_slice(b"0cos\nsystem\nX\x04\0\0\0true\x85R.");
    assert_eq!(pickles(&f), Judgement::Malicious);
    // One that is both.
    for (size, kind) in [("0", b'0'), ("0", b'5'), ("33", b'0'), ("33", b'x'), ("33", b'L')] {
        let mut f = block(b"\x80\x02X\xf9\x01\0\0a", size, kind);
        f.extend_from_slice(b"0cos\nsystem\nX\x04\0\0\0true\x85R.");
        assert_eq!(pickles(&f), Judgement::Malicious, "{size} {kind}");
        assert_eq!(pickles(&tar(&[&f])), Judgement::Malicious, "{size} {kind}");
    }
}

#[test]
fn tensors_that_are_a_pickle_or_an_archive_too() {
    let evil = b"0cos\nsystem\nX\x04\0\0\0true\x85R.";
    assert_eq!(pickles(&[b"GGUF\x03\0\0\0\0".as_slice(), evil].concat()), Judgement::Malicious);
    assert_eq!(pickles(&[b"G\0\0\0\0\0\0\0{".as_slice(), evil].concat()), Judgement::Malicious);
    assert_eq!(pickles(&[b"\x80\x02X\x02\0\0\0a{".as_slice(), evil].concat()), Judgement::Malicious);
    let mut gguf = Vec::from(*b"GGUF\x03\0\0\0");
    gguf.extend_from_slice(&[0; 16]);
    gguf.extend_from_slice(&[7; 600]);
    let plain = gguf.clone();
    assert_eq!(pickles(&plain), Judgement::Clean);
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(EVIL, 6);
    gguf.extend_from_slice(&zip(&[("a/data.pkl", "a/data.pkl", &packed)]));
    assert_eq!(pickles(&gguf), Judgement::Malicious);
    assert_eq!(pickles(&[plain.as_slice(), &zip(&[("a", "a", WEIGHTS)])].concat()), Judgement::Suspicious);
}

/// What a file of pieces like those of real ones may be.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(Vec::from(EVIL)),
        Just(Vec::from(WEIGHTS)),
        Just(zip(&[("d.pkl", "d.pkl", EVIL)])),
        Just(zip(&[("d.npy", "e.npy", b"\x93NUMPY\x01\0\x10\0{'descr':'|O' }\n\x80\x02N.")])),
        Just(Vec::from(*b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0")),
        Just(Vec::from(*b"\x1f\x8b\x08\0\0\0\0\0\0\0")),
        Just(miniz_oxide::deflate::compress_to_vec_zlib(EVIL, 6)),
        Just(Vec::from(BZIP2_EVIL)),
        Just(Vec::from(BZIP2_PLAIN)),
        Just(Vec::from(LZMA_EVIL)),
        Just(Vec::from(*b"\x08\x08\x12\x03abc\x3a\x05\x0a\x03\x22\x01a")),
        Just(Vec::from(
            *b"\x37\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}"
        )),
        Just(tar(&[&block(b"a.pkl", &octal(EVIL), b'0'), EVIL])),
        Just(block(b"\x80\x02X\xf9\x01\0\0a", "33", b'x')),
        Just(Vec::from(*b"\x89HDF\r\n\x1a\n{\"class_name\": \"Lambda\"}")),
        proptest::collection::vec(any::<u8>(), 0..40),
        // Long runs in which nothing begins, alone and with the first bytes of what may.
        (any::<u8>(), 1usize..600, 0usize..4)
            .prop_map(|(b, n, p)| [&vec![b; n][..], &b"PK\x03"[..p.min(3)]].concat()),
        // A string of a pickle with another pickle, or an archive, behind such a run.
        (0usize..300, any::<bool>()).prop_map(|(n, z)| {
            let inner = if z { zip(&[("d.pkl", "d.pkl", EVIL)]) } else { Vec::from(EVIL) };
            let body = [&vec![b'x'; n][..], &inner].concat();
            [&b"\x80\x03B"[..], &(body.len() as u32).to_le_bytes(), &body, b"."].concat()
        }),
        proptest::collection::vec(
            proptest::sample::select(b"(tRcoibu.0123\x80\x02\x93\x94\x85\x81\x92hq)}]\n".to_vec()),
            0..40
        ),
    ];
    proptest::collection::vec(piece, 1..5).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_cut_gives_the_same(file in anything(), cuts in proptest::collection::vec(1usize..50, 1..6)) {
        let mut whole = Artifact::new();
        whole.feed(&file);
        let w = whole.end();
        let mut cut = Artifact::new();
        let (mut rest, mut sizes) = (file.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (a, b) = rest.split_at(rest.len().min(*sizes.next().unwrap_or(&1)));
            cut.feed(a);
            rest = b;
        }
        let c = cut.end();
        prop_assert_eq!((w.judgement, w.format, w.why()), (c.judgement, c.format, c.why()));
        prop_assert_eq!(w.imports().collect::<Vec<_>>(), c.imports().collect::<Vec<_>>());
    }
}

/// Names that other hashes take for one, that differ where nothing is kept, and members beyond those that are compared.
#[test]
fn what_is_not_compared_is_not_clean() {
    // One number under FNV-1a of 32 bits.
    let twins = zip(&[("m/data/3LdgZN", "m/code/handler.py", WEIGHTS)]);
    assert_eq!(pickles(&twins), Judgement::Suspicious);
    let long = "n".repeat(256);
    let (bin, py) = (alloc::format!("{long}.bin"), alloc::format!("{long}.py"));
    assert_eq!(judge(&zip(&[(&bin, &py, WEIGHTS)])).0, Judgement::Unreadable);
    assert_eq!(pickles(&zip(&[(&long, &long, WEIGHTS)])), Judgement::Clean);
    let names: Vec<_> = (0..1100).map(|i| alloc::format!("m/data/{i}")).collect();
    let all =
        |n: usize| zip(&names.iter().take(n).map(|n| (n.as_str(), n.as_str(), WEIGHTS)).collect::<Vec<_>>());
    assert_eq!((pickles(&all(1024)), pickles(&all(1025))), (Judgement::Clean, Judgement::Unreadable));
}

/// Keys that share a place of the memo cost a few looks each, and what finds no place is not taken for harmless.
#[test]
fn keys_of_one_place_are_not_walked() {
    let mut p = Vec::from(*b"\x80\x02");
    for n in 1..20u32 {
        p.extend_from_slice(b"]r");
        p.extend_from_slice(&(5 + 4096 * n).to_le_bytes());
        p.push(b'0');
    }
    // A class that nobody knows, kept under a key of that place; got back, it is called.
    p.extend_from_slice(b"cmycompany.features\nVocabulary\nr");
    p.extend_from_slice(&(5 + 4096 * 20u32).to_le_bytes());
    p.extend_from_slice(b"0j");
    p.extend_from_slice(&(5 + 4096 * 20u32).to_le_bytes());
    p.extend_from_slice(b")R.");
    assert!(pickles(&p) > Judgement::Clean, "{:?}", judge(&p));
}

/// Names are looked up at a price, and beyond what its sender may spend a file is not read on.
#[test]
fn reading_is_paid_for() {
    let mut pool = crate::pool::BytePool::new(0);
    let mut a = Artifact::new();
    let names = b"ca\nb\n0".repeat(1000);
    let mut read = 0;
    a.feed(b"\x80\x02");
    while !a.report().stopped {
        a.within(pool.growth(), names.len(), |a| a.feed(&names));
        read += 1000;
        assert!(read < 100_000);
    }
    // The stock of a client, at what a name of six bytes costs.
    let stock = crate::pool::STOCK as usize;
    assert!(read >= stock / (super::names::COST as usize + 7 * 7) / 2);
    a.feed(EVIL);
    assert!((Judgement::Unreadable..Judgement::Malicious).contains(&a.end().judgement));
}

/// However much comes at once, in a file or in an archive in it, no more than what is left is spent, but for one name.
#[test]
fn reading_ends_where_the_money_does() {
    let names = [b"\x80\x02", b"ca\nb\n0".repeat(100_000).as_slice()].concat();
    for file in
        [names.clone(), miniz_oxide::deflate::compress_to_vec_zlib(&names, 6), zip(&[("a", "a", &names)])]
    {
        let mut pool = crate::pool::BytePool::new(0);
        let mut a = Artifact::new();
        a.within(pool.growth(), file.len(), |a| a.feed(&file));
        a.within(pool.growth(), 0, |a| _ = a.end());
        let r = a.report();
        assert!(r.stopped && r.cost <= u64::from(crate::pool::STOCK) + super::names::COST, "{}", r.cost);
        assert!((Judgement::Unreadable..Judgement::Malicious).contains(&r.worst()));
    }
}

#[test]
fn what_expands_without_measure() {
    let of = |bytes, expanded| {
        let mut r = super::report::Report::new();
        (r.bytes, r.expanded) = (bytes, expanded);
        r.expands_without_measure()
    };
    // A tiny file, one of zeros, a large archive, and one that only looks like it.
    assert!(!of(81, 8 << 20) && of(81, 9 << 20));
    assert!(!of(1 << 20, 1000 << 20) && of(1 << 20, 1100 << 20));
    assert!(!of(1 << 30, 20 << 30) && of(1 << 30, 65 << 30));
}
