//! Captures in gzip, Zstandard or LZ4 (frames), as they are often kept, and as `pcap-log` writes them.
//!
//! In: a source of bytes. Out: the bytes in the clear, decoded while they are read. The kind is told by the first bytes,
//! not by the name; what is none of the three comes out as it is. Several files or frames one behind the other are one.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

type Bytes = BufReader<Box<dyn Read + Send>>;

/// See the module.
pub(super) fn plain(mut source: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut head)?;
    let magic = head.clone();
    let whole: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(source));
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(Frames::<Zstd>::new(whole)?),
        [0x04, 0x22, 0x4d, 0x18] => Box::new(Frames::<Lz4>::new(whole)?),
        _ => whole,
    })
}

/// A decoder of one frame.
trait Decoder: Read + Sized {
    fn begin(from: Bytes) -> io::Result<Self>;
    /// The source behind the frame.
    fn end(self) -> Bytes;
}

type Zstd = StreamingDecoder<Bytes, FrameDecoder>;

impl Decoder for Zstd {
    fn begin(from: Bytes) -> io::Result<Self> {
        StreamingDecoder::new(from).map_err(io::Error::other)
    }

    fn end(self) -> Bytes {
        self.into_inner()
    }
}

type Lz4 = lz4_flex::frame::FrameDecoder<Bytes>;

impl Decoder for Lz4 {
    fn begin(from: Bytes) -> io::Result<Self> {
        Ok(lz4_flex::frame::FrameDecoder::new(from))
    }

    fn end(self) -> Bytes {
        self.into_inner()
    }
}

/// The bytes of one or more frames.
struct Frames<D> {
    from: Option<Bytes>,
    frame: Option<D>,
}

impl<D: Decoder> Frames<D> {
    fn new(from: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut f = Frames { from: Some(BufReader::new(from)), frame: None };
        f.begin()?;
        Ok(f)
    }

    /// The next frame, if there is one.
    fn begin(&mut self) -> io::Result<()> {
        let Some(mut from) = self.from.take() else { return Ok(()) };
        if !from.fill_buf()?.is_empty() {
            self.frame = Some(D::begin(from)?);
        }
        Ok(())
    }
}

impl<D: Decoder> Read for Frames<D> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let n = frame.read(to)?;
            if n > 0 || to.is_empty() {
                return Ok(n);
            }
            self.from = self.frame.take().map(D::end);
            self.begin()?;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(b: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        w.write_all(b).unwrap();
        w.finish().unwrap()
    }

    fn zstd(b: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(b, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn lz4(b: &[u8]) -> Vec<u8> {
        let mut w = lz4_flex::frame::FrameEncoder::new(Vec::new());
        w.write_all(b).unwrap();
        w.finish().unwrap()
    }

    fn read(packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        plain(Box::new(Cursor::new(packed)))?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn each_kind_comes_out_as_it_went_in() {
        let text: Vec<u8> = (0..300_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for pack in [gzip, zstd, lz4, |b: &[u8]| b.to_vec()] {
            assert!(read(pack(&text)).unwrap() == text);
            assert_eq!(read([pack(b"one "), pack(b"two")].concat()).unwrap(), b"one two");
            assert!(read(pack(b"")).unwrap().is_empty());
        }
        for pack in [gzip, zstd, lz4] {
            let mut cut = pack(&text);
            cut.truncate(cut.len() / 2);
            assert!(read(cut).is_err());
        }
    }
}
