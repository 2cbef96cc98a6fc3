//! DPDK as Tidegate needs it: the functions of a small C shim (`shim/`), bound by bindgen, and offsets of the fields of
//! an mbuf, which are read directly.
//!
//! In: a libdpdk from 21.11 on that pkg-config knows. Out: raw declarations; what is safe is built on them in
//! `tidegate_dataplane::dpdk`. The shim exists because DPDK's fast path is made of static inline functions, and because
//! its structures change from release to release: only C that is compiled with the installed headers knows them.
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
