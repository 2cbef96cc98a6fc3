//! What a file is by its first bytes, in the words that `libmagic` has for it: for `filemagic` and EVE `fileinfo.magic`.
//!
//! In: the first bytes of a file ([`HEAD`] at most). Out: a description. Owns nothing. The kinds are those that rules and
//! people ask for; of all others it says whether they are text.

use core::fmt::Write;

use super::plain::{be16, be32, le16, le32};
use crate::pool::Scratch;

/// First bytes of a file that are looked at.
pub const HEAD: usize = 512;

/// Bytes at a place, and what they mean.
static KINDS: &[(usize, &[u8], &str)] = &[
    (0, b"\x1f\x8b", "gzip compressed data"),
    (0, b"\x1f\x9d", "compress'd data"),
    (0, b"\xfd7zXZ\x00", "XZ compressed data"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard compressed data"),
    (0, b"\x04\x22\x4d\x18", "LZ4 compressed data"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-zip archive data"),
    (0, b"Rar!\x1a\x07\x01\x00", "RAR archive data, v5"),
    (0, b"Rar!\x1a\x07\x00", "RAR archive data, v4"),
    (0, b"MSCF\0\0\0\0", "Microsoft Cabinet archive data"),
    (0, b"!<arch>\ndebian", "Debian binary package"),
    (0, b"!<arch>\n", "current ar archive"),
    (0, b"\xed\xab\xee\xdb", "RPM v3.0"),
    (257, b"ustar", "POSIX tar archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Composite Document File V2 Document"),
    (0, b"{\\rtf", "Rich Text Format data"),
    (0, b"%!PS", "PostScript document text"),
    (0, b"\xc5\xd0\xd3\xc6", "DOS EPS Binary File"),
    (0, b"FWS", "Macromedia Flash data"),
    (0, b"CWS", "Macromedia Flash data (compressed)"),
    (0, b"ZWS", "Macromedia Flash data (lzma compressed)"),
    (0, b"BM", "PC bitmap"),
    (0, b"II*\0", "TIFF image data, little-endian"),
    (0, b"MM\0*", "TIFF image data, big-endian"),
    (0, b"\0\0\x01\0", "MS Windows icon resource"),
    (0, b"\0\0\x02\0", "MS Windows cursor resource"),
    (8, b"WEBP", "RIFF (little-endian) data, Web/P image"),
    (8, b"WAVE", "RIFF (little-endian) data, WAVE audio"),
    (8, b"AVI ", "RIFF (little-endian) data, AVI"),
    (4, b"ftyp", "ISO Media"),
    (0, b"OggS", "Ogg data"),
    (0, b"ID3", "Audio file with ID3 version 2"),
    (0, b"fLaC", "FLAC audio bitstream data"),
    (0, b"\x1a\x45\xdf\xa3", "EBML file"),
    (0, b"\x00\x00\x01\xba", "MPEG sequence"),
    (0, b"\xff\xfb", "MPEG ADTS, layer III, v1"),
    (0, b"\x00asm", "WebAssembly (wasm) binary module"),
    (0, b"dex\n", "Dalvik dex file"),
    (0, b"\xcf\xfa\xed\xfe", "Mach-O 64-bit executable"),
    (0, b"\xce\xfa\xed\xfe", "Mach-O executable"),
    (0, b"SQLite format 3\0", "SQLite 3.x database"),
    (0, b"wOFF", "Web Open Font Format"),
    (0, b"wOF2", "Web Open Font Format (Version 2)"),
    (0, b"\0\x01\0\0\0", "TrueType Font data"),
    (0, b"OTTO", "OpenType font data"),
    (0, b"L\0\0\0\x01\x14\x02\0", "MS Windows shortcut"),
    (0, b"ITSF\x03\0\0\0", "MS Windows HtmlHelp Data"),
    (0, b"regf", "MS Windows registry file, NT/2000 or above"),
    (0, b"\xd4\xc3\xb2\xa1", "pcap capture file, microsecond ts (little-endian)"),
    (0, b"\x0a\x0d\x0d\x0a", "pcapng capture file"),
    (0, b"-----BEGIN CERTIFICATE-----", "PEM certificate"),
    (0, b"-----BEGIN RSA PRIVATE KEY-----", "PEM RSA private key"),
    (0, b"-----BEGIN PGP MESSAGE-----", "PGP message"),
];

/// Beginnings of texts, in any case, and the words for such a text.
static TEXTS: &[(&[u8], &str)] = &[
    (b"<!doctype html", "HTML document, "),
    (b"<html", "HTML document, "),
    (b"<head", "HTML document, "),
    (b"<body", "HTML document, "),
    (b"<script", "HTML document, "),
    (b"<svg", "SVG Scalable Vector Graphics image, "),
    (b"<?php", "PHP script, "),
    (b"<?xml", "XML 1.0 document, "),
    (b"#!/bin/sh", "POSIX shell script, "),
    (b"#!/bin/bash", "Bourne-Again shell script, "),
    (b"#!/usr/bin/env python", "Python script, "),
    (b"#!/usr/bin/python", "Python script, "),
    (b"#!/usr/bin/perl", "Perl script text executable, "),
];

struct Out<'s>(&'s mut Scratch);

impl Write for Out<'_> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        self.0.extend(s.as_bytes());
        Ok(())
    }
}

/// Writes what a file with these first bytes is; `whole`: there are no others.
pub fn describe(head: &[u8], whole: bool, out: &mut Scratch) {
    let mut out = Out(out);
    // Writing to a scratch does not fail: what has no room is left out.
    let _ = match head {
        [] => out.write_str("empty"),
        [_] if whole => out.write_str("very short file (no magic)"),
        _ => known(head, &mut out).unwrap_or_else(|| text(head, &mut out)),
    };
}

/// A kind with more to say than its name, or one of the table.
fn known(head: &[u8], out: &mut Out<'_>) -> Option<core::fmt::Result> {
    let done = match head {
        [b'%', b'P', b'D', b'F', b'-', a, b'.', b, ..] => {
            write!(out, "PDF document, version {}.{}", char::from(*a), char::from(*b))
        }
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => png(head, out),
        [b'G', b'I', b'F', b'8', v @ (b'7' | b'9'), b'a', ..] => {
            let size = (le16(head, 6)?, le16(head, 8)?);
            write!(out, "GIF image data, version 8{}a, {} x {}", char::from(*v), size.0, size.1)
        }
        [0xff, 0xd8, 0xff, rest @ ..] => match (rest.get(3..8), rest.get(8..10)) {
            (Some(b"JFIF\0"), Some([a, b])) => write!(out, "JPEG image data, JFIF standard {a}.{b:02}"),
            (Some(b"Exif\0"), _) => out.write_str("JPEG image data, Exif standard"),
            _ => out.write_str("JPEG image data"),
        },
        [b'M', b'Z', ..] => executable(head, out),
        [0x7f, b'E', b'L', b'F', class, order, ..] => elf(head, *class, *order, out),
        [b'P', b'K', 3, 4, ..] => zip(head, out),
        [b'B', b'Z', b'h', n @ b'1'..=b'9', ..] => {
            write!(out, "bzip2 compressed data, block size = {}00k", char::from(*n))
        }
        [0xca, 0xfe, 0xba, 0xbe, ..] => {
            write!(out, "compiled Java class data, version {}.{}", be16(head, 6)?, be16(head, 4)?)
        }
        _ => {
            let is = |k: &&(usize, &[u8], &str)| head.get(k.0..).is_some_and(|h| h.starts_with(k.1));
            out.write_str(KINDS.iter().find(is)?.2)
        }
    };
    Some(done)
}

fn png(head: &[u8], out: &mut Out<'_>) -> core::fmt::Result {
    let (Some(w), Some(h)) = (be32(head, 16), be32(head, 20)) else { return out.write_str("PNG image data") };
    write!(out, "PNG image data, {w} x {h}")?;
    let Some(&[depth, color, _, _, lace]) = head.get(24..29) else { return Ok(()) };
    let color = match color {
        0 => " grayscale",
        2 => "/color RGB",
        3 => " colormap",
        4 => " gray+alpha",
        6 => "/color RGBA",
        _ => "",
    };
    let lace = if lace == 0 { "non-interlaced" } else { "interlaced" };
    write!(out, ", {depth}-bit{color}, {lace}")
}

/// A program for DOS or Windows (PE format, 3 and 4).
fn executable(head: &[u8], out: &mut Out<'_>) -> core::fmt::Result {
    let at = le32(head, 0x3c).map_or(usize::MAX, |n| n as usize);
    let pe = head.get(at..).unwrap_or(&[]);
    match pe {
        [b'P', b'E', 0, 0, ..] => {}
        [b'N', b'E', ..] => return out.write_str("MS-DOS executable, NE for MS Windows 3.x"),
        // Where its header lies too far behind, it is most likely a program for Windows all the same.
        [] if (HEAD..1 << 16).contains(&at) => return out.write_str("PE32 executable for MS Windows"),
        _ => return out.write_str("MS-DOS executable"),
    }
    let wide = le16(pe, 24) == Some(0x20b);
    let library = le16(pe, 22).is_some_and(|c| c & 0x2000 != 0);
    let machine = match le16(pe, 4) {
        Some(0x14c) => "Intel 80386",
        Some(0x8664) => "x86-64",
        Some(0x1c0 | 0x1c4) => "ARM",
        Some(0xaa64) => "Aarch64",
        _ => "unknown processor",
    };
    let subsystem = match le16(pe, 24 + 68) {
        Some(1) => " (native)",
        Some(2) => " (GUI)",
        Some(3) => " (console)",
        _ => "",
    };
    let (wide, library) = (if wide { "+" } else { "" }, if library { " (DLL)" } else { "" });
    write!(out, "PE32{wide} executable{library}{subsystem} {machine}, for MS Windows")
}

fn elf(head: &[u8], class: u8, order: u8, out: &mut Out<'_>) -> core::fmt::Result {
    let word = if order == 2 { be16 } else { le16 };
    let bits = if class == 2 { 64 } else { 32 };
    let order = if order == 2 { "MSB" } else { "LSB" };
    let kind = match word(head, 16) {
        Some(1) => "relocatable",
        Some(3) => "shared object",
        Some(4) => "core file",
        _ => "executable",
    };
    let machine = match word(head, 18) {
        Some(3) => "Intel 80386",
        Some(8) => "MIPS",
        Some(0x28) => "ARM",
        Some(0x3e) => "x86-64",
        Some(0xb7) => "ARM aarch64",
        _ => "unknown processor",
    };
    write!(out, "ELF {bits}-bit {order} {kind}, {machine}, version 1")
}

/// An archive of PKWARE, or a document in one, by the name of its first member.
fn zip(head: &[u8], out: &mut Out<'_>) -> core::fmt::Result {
    let len = le16(head, 26).map_or(0, usize::from);
    let name = head.get(30..).map_or(&[][..], |n| n.get(..len).unwrap_or(n));
    match name {
        b"[Content_Types].xml" | b"_rels/.rels" => out.write_str("Microsoft OOXML"),
        b"META-INF/" | b"META-INF/MANIFEST.MF" => out.write_str("Java archive data (JAR)"),
        b"mimetype" => out.write_str("OpenDocument Text"),
        _ => {
            let v = head.get(4).copied().unwrap_or(0);
            write!(out, "Zip archive data, at least v{}.{} to extract", v / 10, v % 10)
        }
    }
}

/// A text, or anything.
fn text(head: &[u8], out: &mut Out<'_>) -> core::fmt::Result {
    let plain = |b: &u8| matches!(b, 7..=13 | 27 | 32..=126);
    let start = head.trim_ascii_start();
    let kind = TEXTS.iter().find(|t| start.get(..t.0.len()).is_some_and(|s| s.eq_ignore_ascii_case(t.0)));
    let utf8 = match core::str::from_utf8(head) {
        Ok(_) => true,
        // The last character may be cut.
        Err(e) => e.error_len().is_none() && head.len() == HEAD,
    };
    let code = match head {
        _ if head.iter().all(plain) => "ASCII text",
        [0xff, 0xfe, ..] => "Unicode text, UTF-16, little-endian text",
        [0xfe, 0xff, ..] => "Unicode text, UTF-16, big-endian text",
        _ if utf8 && head.iter().all(|b| *b > 127 || plain(b)) => "Unicode text, UTF-8 text",
        _ if kind.is_some() => "ISO-8859 text",
        _ => return out.write_str("data"),
    };
    write!(out, "{}{code}", kind.map_or("", |k| k.1))?;
    if memchr::memmem::find(head, b"\r\n").is_some() {
        out.write_str(", with CRLF line terminators")?;
    } else if !head.contains(&b'\n') {
        out.write_str(", with no line terminators")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::*;

    fn of(head: &[u8]) -> String {
        let mut out = Scratch::new(1024);
        describe(head, true, &mut out);
        String::from_utf8(out.as_slice().to_vec()).unwrap()
    }

    #[test]
    fn kinds_by_their_first_bytes() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 2, 0, 0, 0, 1, 0, 8, 6, 0, 0, 0]);
        let mut pe = alloc::vec![0u8; 400];
        pe[..2].copy_from_slice(b"MZ");
        pe[0x3c] = 0x80;
        pe[0x80..0x86].copy_from_slice(b"PE\0\0\x64\x86");
        pe[0x98..0x9a].copy_from_slice(&[0x0b, 2]);
        pe[0x80 + 92] = 3;
        let mut jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0".to_vec();
        jpeg.extend([0; 20]);
        let table: &[(&[u8], &str)] = &[
            (b"", "empty"),
            (b"a", "very short file (no magic)"),
            (b"%PDF-1.7\n%", "PDF document, version 1.7"),
            (&png, "PNG image data, 512 x 256, 8-bit/color RGBA, non-interlaced"),
            (b"GIF89a\x01\0\x02\0", "GIF image data, version 89a, 1 x 2"),
            (&jpeg, "JPEG image data, JFIF standard 1.01"),
            (&pe, "PE32+ executable (console) x86-64, for MS Windows"),
            (b"MZ\x90\0", "MS-DOS executable"),
            (b"PK\x03\x04\x14\0", "Zip archive data, at least v2.0 to extract"),
            (b"\x1f\x8b\x08", "gzip compressed data"),
            (b" <!DOCTYPE html>\n<p>", "HTML document, ASCII text"),
            (b"hello\r\n", "ASCII text, with CRLF line terminators"),
            (b"gr\xc3\xbc\xc3\x9fe\n", "Unicode text, UTF-8 text"),
            (b"\x01\x02\x03\x04", "data"),
        ];
        let wrong: Vec<_> = table.iter().filter(|t| of(t.0) != t.1).map(|t| (t.1, of(t.0))).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    proptest! {
        #[test]
        fn never_panics(kind in 0usize..70, rest in proptest::collection::vec(any::<u8>(), 0..600)) {
            let starts: [&[u8]; 6] = [b"MZ", b"\x7fELF", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%PDF-"];
            let mut b = starts.get(kind).or(KINDS.get(kind).map(|k| &k.1)).map_or(Vec::new(), |s| s.to_vec());
            b.extend(rest);
            prop_assert!(!of(&b).is_empty());
        }
    }
}
