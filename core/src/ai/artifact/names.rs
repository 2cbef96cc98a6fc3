//! What a callable that a pickle names is worth.
//!
//! In: a module and a qualified name. Out: a [`Class`]. The list of what weights need comes first; the standard library
//! beyond it counts as dangerous, because every bypass of deny lists that was published went through one more of its modules.

/// What is known of a callable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Weights and estimators need it.
    Safe,
    /// Nothing is known of it; it looks like a class.
    Unknown,
    /// Nothing good is known of it; a call is suspicious.
    Suspect,
    /// It runs code, reaches modules, files or the network.
    Danger,
}

/// Words in the order of their bytes.
struct Words {
    /// Between spaces.
    text: &'static [u8],
    /// Where each begins, and its length.
    at: &'static [(u16, u8)],
    /// For each first byte of ASCII the lengths of its words, a bit each, the last for all longer ones.
    lengths: &'static [u32; 128],
}

impl Words {
    fn word(&self, (at, len): (u16, u8)) -> &'static [u8] {
        self.text.get(usize::from(at)..usize::from(at) + usize::from(len)).unwrap_or(&[])
    }
}

/// Bit of a length.
const fn length(n: usize) -> u32 {
    1 << if n < 31 { n } else { 31 }
}

const fn count(text: &[u8]) -> usize {
    let (mut n, mut i) = (0, 1);
    while i < text.len() {
        n += (text[i - 1] == b' ' && text[i] != b' ') as usize;
        i += 1;
    }
    n
}

const fn places<const N: usize>(text: &[u8]) -> [(u16, u8); N] {
    let (mut at, mut n, mut i) = ([(0, 0); N], 0, 1);
    while i < text.len() {
        if text[i - 1] == b' ' && text[i] != b' ' {
            at[n].0 = i as u16;
            n += 1;
        }
        if n > 0 && text[i] != b' ' {
            at[n - 1].1 += 1;
        }
        i += 1;
    }
    at
}

const fn lengths<const N: usize>(text: &[u8], at: &[(u16, u8); N]) -> [u32; 128] {
    let (mut of, mut i) = ([0; 128], 0);
    while i < N {
        of[(text[at[i].0 as usize] & 127) as usize] |= length(at[i].1 as usize);
        i += 1;
    }
    of
}

macro_rules! words {
    ($text:literal) => {{
        const TEXT: &[u8] = $text.as_bytes();
        static AT: [(u16, u8); count(TEXT)] = places(TEXT);
        static LENGTHS: [u32; 128] = lengths(TEXT, &AT);
        Words { text: TEXT, at: &AT, lengths: &LENGTHS }
    }};
}

/// Modules with the names that may be called. `*` stands for all names.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "collections",
        &["OrderedDict", "defaultdict", "Counter", "deque", "ChainMap", "UserDict", "UserList", "UserString"],
    ),
    ("_collections", &["OrderedDict", "defaultdict", "deque"]),
    (
        "builtins",
        &[
            "set",
            "frozenset",
            "list",
            "dict",
            "tuple",
            "int",
            "float",
            "complex",
            "bool",
            "str",
            "bytes",
            "bytearray",
            "range",
            "slice",
            "object",
            "type",
            "xrange",
            "long",
            "unicode",
            "basestring",
            "Ellipsis",
            "NotImplemented",
            "None",
            "memoryview",
            "Exception",
            "ValueError",
            "TypeError",
            "KeyError",
            "IndexError",
            "RuntimeError",
            "NotImplementedError",
            "StopIteration",
            "AttributeError",
            "OSError",
            "IOError",
            "UserWarning",
            "DeprecationWarning",
            "FutureWarning",
            "Warning",
            "len",
            "sum",
            "abs",
            "min",
            "max",
            "round",
            "sorted",
            "reversed",
            "enumerate",
            "zip",
            "print",
            "property",
            "iter",
        ],
    ),
    ("copyreg", &["_reconstructor", "__newobj__", "__newobj_ex__"]),
    ("_codecs", &["encode"]),
    ("datetime", &["*"]),
    ("_datetime", &["*"]),
    ("decimal", &["Decimal", "Context"]),
    ("_decimal", &["Decimal"]),
    ("_pydecimal", &["Decimal"]),
    ("fractions", &["Fraction"]),
    ("uuid", &["UUID", "SafeUUID"]),
    ("pathlib", &["PurePath", "PurePosixPath", "PureWindowsPath", "Path", "PosixPath", "WindowsPath"]),
    ("pathlib._local", &["PurePath", "PurePosixPath", "PureWindowsPath", "Path", "PosixPath", "WindowsPath"]),
    ("array", &["array", "_array_reconstructor"]),
    ("re", &["_compile", "compile", "RegexFlag"]),
    ("ipaddress", &["*"]),
    ("numbers", &["*"]),
    ("argparse", &["Namespace"]),
    ("types", &["SimpleNamespace", "NoneType", "MappingProxyType"]),
    ("functools", &["partial"]),
    (
        "typing",
        &[
            "Any",
            "Union",
            "Optional",
            "List",
            "Dict",
            "Tuple",
            "Set",
            "FrozenSet",
            "Type",
            "Callable",
            "Sequence",
            "Mapping",
            "Iterable",
            "Iterator",
        ],
    ),
    ("itertools", &["count", "cycle", "repeat", "chain", "product", "islice"]),
    ("time", &["struct_time"]),
    ("math", &["*"]),
    ("cmath", &["*"]),
    ("zoneinfo", &["ZoneInfo", "ZoneInfo._unpickle"]),
    ("random", &["Random"]),
    ("logging", &["Logger", "getLogger", "Formatter"]),
    ("threading", &["local"]),
    ("io", &["BytesIO", "StringIO"]),
    ("_io", &["BytesIO", "StringIO"]),
    ("enum", &["Enum", "IntEnum", "Flag", "IntFlag"]),
    ("http", &["HTTPStatus"]),
    ("dataclasses", &["_MISSING_TYPE"]),
    (
        "torch",
        &[
            "Size",
            "device",
            "dtype",
            "Tensor",
            "float",
            "float16",
            "float32",
            "float64",
            "double",
            "half",
            "bfloat16",
            "int",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "long",
            "short",
            "bool",
            "complex64",
            "complex128",
            "complex32",
            "qint8",
            "quint8",
            "qint32",
            "quint4x2",
            "quint2x4",
            "per_tensor_affine",
            "per_channel_affine",
            "per_tensor_symmetric",
            "per_channel_symmetric",
            "per_channel_affine_float_qparams",
            "strided",
            "sparse_coo",
            "sparse_csr",
            "layout",
            "memory_format",
            "contiguous_format",
            "channels_last",
            "preserve_format",
            "Generator",
            "FloatTensor",
            "LongTensor",
            "finfo",
            "iinfo",
            "float8_e4m3fn",
            "float8_e5m2",
            "BFloat16Tensor",
            "HalfTensor",
        ],
    ),
    ("torch._tensor", &["_rebuild_from_type_v2", "Tensor"]),
    ("torch.nn.parameter", &["*"]),
    ("torch.storage", &["UntypedStorage", "TypedStorage"]),
    ("torch.serialization", &["_get_layout"]),
    ("torch.jit._pickle", &["*"]),
    ("torch.random", &["set_rng_state"]),
    (
        "numpy",
        &[
            "ndarray",
            "dtype",
            "matrix",
            "recarray",
            "random",
            "nan",
            "inf",
            "ufunc",
            "bool_",
            "datetime64",
            "timedelta64",
        ],
    ),
    ("numpy.core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy._core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy.core.numeric", &["_frombuffer"]),
    ("numpy._core.numeric", &["_frombuffer"]),
    ("numpy.core", &["_ufunc_reconstruct"]),
    ("numpy._core", &["_ufunc_reconstruct"]),
    ("numpy.core._internal", &["_convert_to_stringdtype_kwargs"]),
    ("numpy._core._internal", &["_convert_to_stringdtype_kwargs"]),
    ("numpy.ma.core", &["_mareconstruct", "MaskedArray"]),
    ("numpy.matrixlib.defmatrix", &["matrix"]),
    ("numpy.random._pickle", &["*"]),
    ("joblib.numpy_pickle", &["NumpyArrayWrapper", "NDArrayWrapper", "ZNDArrayWrapper"]),
    ("joblib.numpy_pickle_compat", &["NDArrayWrapper", "ZNDArrayWrapper"]),
    ("pandas._libs.internals", &["*"]),
    ("pandas._libs.tslibs.timestamps", &["*"]),
    ("pandas._libs.tslibs.timedeltas", &["*"]),
    ("pandas._libs.tslibs.period", &["*"]),
    ("pandas._libs.arrays", &["*"]),
    ("sklearn.utils._bunch", &["Bunch"]),
    ("sklearn.metrics._scorer", &["*"]),
    ("sklearn.neighbors._kd_tree", &["*"]),
    ("sklearn.neighbors._ball_tree", &["*"]),
    ("sklearn.neighbors._dist_metrics", &["*"]),
    ("sklearn.metrics._dist_metrics", &["*"]),
];

/// Top modules of the standard library.
static STDLIB: Words = words!(
    " StringIO __builtin__ __future__ abc aifc antigravity argparse array ast asynchat asyncio asyncore atexit audioop \
base64 bdb binascii bisect builtins bz2 cPickle cProfile cStringIO calendar cgi cgitb chunk cmath cmd code codecs \
codeop collections colorsys commands compileall compression concurrent configparser contextlib contextvars copy copyreg \
crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest dummy_thread dummy_threading \
email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools \
gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http httplib idlelib imaplib \
imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma macpath mailbox \
mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path \
numbers opcode operator optparse os os2emxpath ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform \
plistlib popen2 poplib posix posixfile posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data \
pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex \
shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat \
statistics string stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib \
tempfile termios test textwrap this thread threading time timeit tkinter token tokenize tomllib trace traceback \
tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib urllib2 uu uuid venv warnings wave weakref \
webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo "
);

/// Private modules of the standard library that do not follow from the name.
static PRIVATE: Words = words!(
    " _abc _aix_support _android_support _apple_support _ast _asyncio _bisect _blake2 _bootlocale _bootsubprocess _bz2 \
_codecs _collections _collections_abc _colorize _compat_pickle _compression _contextvars _crypt _csv _ctypes \
_ctypes_test _curses _curses_panel _datetime _dbm _decimal _dummy_thread _dummy_threading _elementtree \
_frozen_importlib _frozen_importlib_external _functools _gdbm _hashlib _heapq _imp _interpchannels _interpqueues \
_interpreters _io _ios_support _json _locale _lsprof _lzma _markupbase _md5 _msi _multibytecodec _multiprocessing \
_opcode _opcode_metadata _operator _osx_support _overlapped _pickle _posixshmem _posixsubprocess _py_abc _py_warnings \
_pydatetime _pydecimal _pyio _pylong _pyrepl _queue _random _remote_debugging _scproxy _sha1 _sha2 _sha256 _sha3 \
_sha512 _signal _sitebuiltins _socket _sqlite3 _sre _ssl _stat _statistics _string _strptime _struct _suggestions \
_symtable _sysconfig _sysconfigdata _testbuffer _testcapi _testclinic _testconsole _testexternalinspection \
_testimportmultiple _testinternalcapi _testlimitedcapi _testmultiphase _testsinglephase _thread _threading_local \
_tkinter _tokenize _tracemalloc _types _typing _uuid _warnings _weakref _weakrefset _winapi _wmi _xxinterpchannels \
_xxsubinterpreters _xxtestfuzz _zoneinfo _zstd "
);

/// Packages whose callables load, run, fetch or install something.
static HOSTILE: Words = words!(
    " Cython IPython Pyro4 Pyro5 RestrictedPython _pip _pytest aiohttp airflow ansible apport asteval asyncssh bentoml \
billiard black boto3 botocore buildbot celery cffi click cloudpickle code_interpreter comtypes conda cython dask \
datasets dill distributed django docker easy_install eventlet execjs execnet fabric fickling fire flask fsspec ftputil \
gevent gradio gunicorn hatch httpx huggingface_hub hydra impacket invoke ipykernel jinja2 joblib jpype js2py jsonpickle \
jupyter jupyter_client keyboard kombu kubernetes langchain langchain_core langchain_experimental llama_index loky luigi \
mako mlflow netifaces nmap nose notebook nox numba numexpr paramiko pexpect pip pipx pkg_resources playwright plumbum \
poetry prefect psutil psycopg2 ptyprocess pwn pwntools py pyarrow pyautogui pycurl pymysql pynput pytest pywintypes \
pyximport ray redis requests restrictedpython rpyc ruamel salt scapy selenium setuptools sglang sh shellescape \
simpleeval smart_open sqlalchemy streamlit sympy tornado tox twisted typer urllib3 uv uvicorn virtualenv vllm wandb \
websocket websockets werkzeug wheel win32api win32com wmi yaml zmq "
);

/// Libraries of models: classes are expected, functions have to be on the list.
static LIBRARIES: Words = words!(
    " PIL accelerate allennlp apex autogluon catboost category_encoders chainer cv2 deepspeed detectron2 dgl diffusers \
einops espnet fairseq faiss fastai feature_engine flair flax gensim gym gymnasium h5py hdbscan imblearn jax jaxlib \
keras lightgbm lightning lightning_fabric megatron mlxtend mmcv mmdet mmengine mxnet nemo networkx nltk numpy omegaconf \
onnx onnxruntime optax paddle pandas peft pmdarima polars prophet pytorch_lightning safetensors scipy \
sentence_transformers shap skimage sklearn sklearn_crfsuite sklearn_pandas sktime spacy speechbrain stable_baselines3 \
statsmodels tensorflow tf_keras theano thinc timm tokenizers torch torch_geometric torchaudio torchmetrics torchtext \
torchvision tpot transformers triton ultralytics umap xgboost zarr "
);

/// Libraries of estimators: a class of theirs is state and nothing else.
static ESTIMATORS: Words = words!(
    " catboost category_encoders imblearn lightgbm mlxtend pandas scipy sklearn sklearn_pandas statsmodels xgboost "
);

/// Parts of libraries that compile, evaluate, test, fetch or run.
static FORBIDDEN: Words = words!(
    " __config__ _datasource _dynamo _export _functorch _higher_order_ops _inductor _npyio_impl _testing benchmark \
bottleneck builtins cffi cli clipboard collect_env computation conftest cpp_extension ctypeslib data_utils datasets \
debugging distutils download_utils elastic exec_command export externals f2py file_io file_utils fx gen_io_ops gfile \
hub importlib io_ops jit lambda_layer launcher legacy_h5_format lib2to3 model_zoo multiprocessing npyio os package \
python_utils rpc run runpy saving script_ops scripts serving setup subprocess sys system_info tensorboard testdata \
testing tests weave "
);

/// Names that say by themselves what they do.
static DEEDS: Words = words!(
    " Popen ReadFile WriteFile __import__ call check_call check_output compile compile_file connect create_connection \
delattr download download_url download_url_to_file eval evaluate exec exec_ execute from_file from_pretrained fromfile \
full_load genfromtxt get_file getattr getoutput getstatusoutput import_module load load_model load_state_dict_from_url \
load_url loads loadtxt lookfor memmap numpy_function open open_memmap pipeline popen py_func py_function read_csv \
read_excel read_file read_hdf read_html read_json read_parquet read_pickle read_sql read_table read_xml run run_module \
run_path run_string runs runstring safe_eval save savetxt savez savez_compressed setattr shell source spawn spawnv \
system system_call to_pickle tofile unsafe_load urlopen urlretrieve write_file "
);

fn within(list: &Words, word: &str) -> bool {
    let word = word.as_bytes();
    let fits = |b: &u8| list.lengths.get(usize::from(*b)).is_some_and(|l| l & length(word.len()) != 0);
    word.first().is_some_and(fits) && list.at.binary_search_by(|at| list.word(*at).cmp(word)).is_ok()
}

fn top(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

/// Whether a module can do more than hold values, whatever is named in it: for texts that name modules.
pub fn hostile_module(module: &str) -> bool {
    let t = top(module);
    (within(&STDLIB, t) || within(&PRIVATE, t) || within(&HOSTILE, t))
        && !ALLOWED.iter().any(|(m, _)| *m == module && *m != "io" && *m != "logging")
}

fn class_like(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.trim_start_matches('_').as_bytes().first().is_some_and(u8::is_ascii_uppercase)
}

fn allowed(module: &str, name: &str) -> bool {
    ALLOWED.iter().any(|(m, names)| {
        *m == module && names.iter().any(|n| *n == name || (*n == "*" && !name.contains('.')))
    })
}

/// The module's name in Python 3.
fn renamed(module: &str) -> &str {
    match module {
        "__builtin__" => "builtins",
        "copy_reg" => "copyreg",
        "UserDict" | "UserList" | "UserString" => "collections",
        "cStringIO" | "StringIO" => "io",
        m => m,
    }
}

/// What [`class`] costs, in bytes of decoding, whatever is asked.
pub const COST: u64 = 512;

/// What `module.name` is worth.
#[must_use]
pub fn class(module: &str, name: &str) -> Class {
    let module = renamed(module);
    if allowed(module, name) {
        return Class::Safe;
    }
    let t = top(module);
    if within(&STDLIB, t) || within(&PRIVATE, t) {
        return Class::Danger;
    }
    // A dotted name walks attributes, of modules too.
    if name.contains('.') {
        let walks = name.split('.').any(|p| within(&STDLIB, p) || within(&PRIVATE, p) || p.starts_with("__"));
        if walks || (within(&LIBRARIES, t) && !class_like(name)) {
            return Class::Danger;
        }
    }
    if t == "__torch__" {
        return Class::Safe;
    }
    if within(&HOSTILE, t) {
        return Class::Danger;
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if within(&LIBRARIES, t) {
        if t == "torch"
            && module != "torch.storage"
            && name.ends_with("Storage")
            && module.matches('.').count() <= 1
        {
            return Class::Safe;
        }
        if module.starts_with("scipy.sparse") && (name.ends_with("_matrix") || name.ends_with("_array")) {
            return Class::Safe;
        }
        if t == "numpy" && (module.starts_with("numpy.dtypes") || (module == "numpy" && numpy_scalar(name))) {
            return Class::Safe;
        }
        if t == "numpy" && module.starts_with("numpy.random") && (class_like(name) || name.starts_with("__"))
        {
            return Class::Safe;
        }
        if within(&DEEDS, last)
            || module.split('.').any(|p| within(&FORBIDDEN, p))
            || name.split('.').any(|p| within(&FORBIDDEN, p))
        {
            return Class::Danger;
        }
        if class_like(name) {
            let plain = within(&ESTIMATORS, t)
                || module.starts_with("torch.nn.")
                || module.starts_with("torch.optim.")
                || module.starts_with("torch.distributions.")
                || module.starts_with("torchvision.models.");
            return if plain { Class::Safe } else { Class::Unknown };
        }
        let rebuilds = ["_rebuild", "_reconstruct", "_unpickle", "__pyx_unpickle", "_frombuffer", "_new_"];
        if rebuilds.iter().any(|p| name.starts_with(p)) {
            return Class::Safe;
        }
        return Class::Suspect;
    }
    if class_like(name) && !within(&DEEDS, last) { Class::Unknown } else { Class::Suspect }
}

fn numpy_scalar(name: &str) -> bool {
    let stem = name.trim_end_matches('_').trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(
        stem,
        "int"
            | "uint"
            | "float"
            | "complex"
            | "bool"
            | "str"
            | "bytes"
            | "void"
            | "object"
            | "longlong"
            | "ulonglong"
            | "longdouble"
            | "intc"
            | "half"
            | "single"
            | "double"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_order_and_each_word_is_found() {
        for list in [&STDLIB, &PRIVATE, &HOSTILE, &LIBRARIES, &ESTIMATORS, &FORBIDDEN, &DEEDS] {
            let text = core::str::from_utf8(list.text).unwrap();
            assert!(text.starts_with(' ') && text.ends_with(' ') && text.len() < 1 << 16);
            let words: alloc::vec::Vec<&str> = text.split_ascii_whitespace().collect();
            assert_eq!(words.len(), list.at.len());
            assert!(words.is_sorted_by(|a, b| a < b));
            for w in &words {
                assert!(within(list, w), "{w}");
                for other in
                    [alloc::format!("{w}x"), w[1..].into(), w[..w.len() - 1].into(), alloc::format!(" {w}")]
                {
                    assert_eq!(within(list, &other), words.contains(&other.as_str()), "{other}");
                }
            }
            assert!(!within(list, "") && !within(list, " ") && !within(list, "~") && !within(list, "!"));
        }
    }

    #[test]
    fn the_list_of_what_weights_need_comes_first() {
        for (m, n) in [
            ("collections", "OrderedDict"),
            ("torch", "FloatStorage"),
            ("torch._utils", "_rebuild_tensor_v2"),
            ("uuid", "UUID"),
            ("__builtin__", "xrange"),
            ("sklearn.svm._classes", "SVC"),
            ("numpy", "float64"),
        ] {
            assert_eq!(class(m, n), Class::Safe, "{m}.{n}");
        }
        for (m, n) in [
            ("uuid", "_get_command_stdout"),
            ("os", "system"),
            ("torch.hub", "load"),
            ("torch.serialization", "os.system"),
            ("numpy.f2py.crackfortran", "_eval_length"),
            ("torch._dynamo.guards", "GuardBuilder.get"),
            ("_pyrepl.pager", "pipe_pager"),
            ("collections", "namedtuple"),
        ] {
            assert_eq!(class(m, n), Class::Danger, "{m}.{n}");
        }
        assert_eq!(class("mycompany.features", "Vocabulary"), Class::Unknown);
        assert_eq!(class("mycompany.features", "build"), Class::Suspect);
        assert_eq!(class("torch.nn.functional", "relu"), Class::Suspect);
    }
}
