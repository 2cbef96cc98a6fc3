//! libtidegate: the C ABI of the engine.
//!
//! In: pointers, sizes and callbacks of C. Out: a status, a fixed number, and results through the last arguments,
//! written only on success. Owns the objects behind handles ([`handle`]), the text of the last error of each thread
//! ([`error`]) and the choice of an allocator ([`alloc`]).
//!
//! One file per group of functions. Every entry that can fail goes through [`error::fence`]: a panic becomes
//! `TG_ERR_PANIC` and spoils the object it happened in, and nothing else. The header is made from these files
//! (`tests/header.rs`); what stands before an item here stands before it there.
#![allow(non_camel_case_types)]
#![deny(missing_docs)]

pub mod alloc;
pub mod args;
pub mod capture;
pub mod classify;
pub mod dataset;
pub mod db;
pub mod decode;
pub mod engine;
pub mod error;
pub mod event;
mod handle;
pub mod log;
pub mod packet;
mod phrases;
mod record;
pub mod rules;
pub mod scanner;
pub mod settings;
pub mod version;
