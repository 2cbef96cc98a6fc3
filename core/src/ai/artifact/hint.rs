//! What a name and first bytes say of a file before it is read.

/// What a file's or member's name says of its format, where the format has no sign of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint {
    None,
    Python,
    Yaml,
    Safetensors,
    Gguf,
    Onnx,
    Saved,
    Pickle,
}

/// Ends of names that models, their archives and their settings have, and no format of which follows.
const OTHERS: &[&str] = &[
    ".bin", ".model", ".dat", ".weights", ".dill", ".npy", ".npz", ".h5", ".hdf5", ".keras", ".nemo",
    ".skops", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".lzma", ".zip", ".zst", ".json",
];

/// Ends of names that only models and their weights have.
const MODELS: &[&str] = &[
    ".safetensors",
    ".gguf",
    ".ggml",
    ".onnx",
    ".ort",
    ".pkl",
    ".pickle",
    ".joblib",
    ".dill",
    ".pt",
    ".pth",
    ".ckpt",
    ".h5",
    ".hdf5",
    ".keras",
    ".nemo",
    ".skops",
    ".npy",
    ".npz",
];

/// Whether a name says that the file is a model, whatever is in it.
#[must_use]
pub fn claims_model(name: &[u8]) -> bool {
    MODELS.iter().any(|e| ends(name, e))
}

impl Hint {
    /// By the end of the name.
    #[must_use]
    pub fn of(name: &[u8]) -> Hint {
        let any = |list: &[&str]| list.iter().any(|e| ends(name, e));
        if ends(name, ".py") {
            Hint::Python
        } else if any(&[".yaml", ".yml"]) {
            Hint::Yaml
        } else if ends(name, ".safetensors") {
            Hint::Safetensors
        } else if any(&[".gguf", ".ggml"]) {
            Hint::Gguf
        } else if any(&[".onnx", ".ort"]) {
            Hint::Onnx
        } else if any(&[".pb"]) {
            Hint::Saved
        } else if any(&[".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".mar"]) {
            Hint::Pickle
        } else {
            Hint::None
        }
    }

    /// The same for names that model files have; `None` for all others.
    #[must_use]
    pub fn of_model(name: &[u8]) -> Option<Hint> {
        match Hint::of(name) {
            Hint::None => OTHERS.iter().any(|e| ends(name, e)).then_some(Hint::None),
            // Programs pass as such, and are no models.
            Hint::Python => None,
            h => Some(h),
        }
    }
}

fn ends(name: &[u8], end: &str) -> bool {
    let from = name.len().checked_sub(end.len());
    from.and_then(|f| name.get(f..)).is_some_and(|t| t.eq_ignore_ascii_case(end.as_bytes()))
}

/// Whether a file that begins so (eight bytes, fewer of a shorter file) may be a model whatever its name is.
#[must_use]
pub fn is_model_head(head: &[u8]) -> bool {
    match head {
        // Pickle; zip; gzip; numpy; HDF5; gguf; bzip2; LZMA.
        [0x80, 0..=5, ..]
        | [b'P', b'K', 3, 4, ..]
        | [0x1f, 0x8b, 8, ..]
        | [0x93, b'N', b'U', b'M', ..]
        | [0x89, b'H', b'D', b'F', ..]
        | [b'G', b'G', b'U', b'F', ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x31, ..]
        | [0x5d, 0, 0, _, _, 0xff, 0xff, ..] => true,
        // Safetensors: a length below 2^40 before an object, whose first byte comes ninth.
        [_, _, _, _, _, 0, 0, 0] => head.iter().any(|b| *b != 0),
        // Zlib.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => true,
        // Pickles of protocol 0: a name that is reached at once, or what collects arguments.
        [b'c', m, ..] => m.is_ascii_lowercase() || *m == b'_',
        [b'(', b'd' | b'l' | b'c' | b'S' | b'V' | b'i' | b't', ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_signs_of_models() {
        for name in ["a.PKL", "x/model.bin", "w.safetensors", "c.json", "a.onnx", ".npy"] {
            assert!(Hint::of_model(name.as_bytes()).is_some(), "{name}");
        }
        for name in ["index.html", "", "a", "x.py", "pkl", "image.png"] {
            assert!(Hint::of_model(name.as_bytes()).is_none(), "{name}");
        }
        for name in MODELS {
            assert!(Hint::of_model(name.as_bytes()).is_some(), "{name}");
        }
        assert!(claims_model(b"/m/a.PT") && !claims_model(b"a.bin") && !claims_model(b"c.json"));
        for head in
            [&b"\x80\x04\x95"[..], b"PK\x03\x04", b"cos\nsyst", b"(dp0", b"\x08\x01\0\0\0\0\0\0", b"GGUF"]
        {
            assert!(is_model_head(head), "{head:?}");
        }
        for head in [
            &b"<html><b"[..],
            b"{\"a\": 1",
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"\0\0\0\0\0\0\0\0",
            b"MZ\x90",
        ] {
            assert!(!is_model_head(head), "{head:?}");
        }
    }
}
