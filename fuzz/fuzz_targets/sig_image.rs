//! Images: what was written loads and finds the same; changed, cut or made up it is refused or is a database, also
//! when its checksum was put right.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tidegate_core::sig::{Builder, Database, ImageError, Scratch};
use tidegate_fuzz::Input;

/// Loads a copy at a multiple of 8 bytes and scans with it.
fn load(image: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut words = vec![0u64; image.len().div_ceil(8)];
    let bytes = as_bytes(&mut words);
    bytes[..image.len()].copy_from_slice(image);
    let db = Database::from_bytes(&bytes[..image.len()])?;
    let mut n = 0u32;
    db.scan(image, &mut Scratch::for_databases([&db]), |_, end| {
        assert!(end <= image.len());
        n += 1;
        n < 100_000
    });
    Ok(db.to_bytes())
}

/// The bytes of `words`.
fn as_bytes(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: any bytes are bytes.
    unsafe { words.align_to_mut::<u8>().1 }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let how = input.byte();
    if how == 0 {
        // As it is.
        let _ = load(input.0);
        return;
    }
    let pats = input.patterns(60);
    let mut b = Builder::new();
    for &(p, caseless, id) in &pats {
        b.add(p, caseless, id).expect("a pattern of 1 to 319 bytes");
    }
    let mut image = b.build().to_bytes();
    assert_eq!(load(&image).as_ref(), Ok(&image));
    while !input.is_empty() {
        let at = usize::from(input.word()) % image.len();
        let to = input.byte();
        match how & 7 {
            1 => image.truncate(at.max(1)),
            2 => image.insert(at, to),
            _ => image[at] = to,
        }
    }
    if how & 8 != 0 {
        Database::put_checksum(&mut image);
    }
    if let Ok(again) = load(&image) {
        assert_eq!(again, image);
    }
});
