//! Files carried by protocols: bytes of a body or transfer go in, a named file with size, state, hashes and a
//! window of its data comes out. Owns the files of all flows of one engine.

/// All files of one engine.
#[derive(Debug, Default)]
pub struct Files {}

/// A file as outputs see it.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    pub files: &'a Files,
    pub id: u32,
}
