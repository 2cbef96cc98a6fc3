//! In the place of `tls` in a program that was built without it: there are none of its files.

use std::io::{Read, Result, Write};

/// The files of it: none can be.
#[derive(Clone, Debug)]
pub enum Files {}

/// See the module.
#[derive(Clone, Debug)]
pub enum Tls {}

impl Tls {
    /// # Errors
    /// None: it is never called.
    pub fn new(files: &Files) -> std::result::Result<Tls, String> {
        match *files {}
    }

    /// # Errors
    /// None: it is never called.
    pub fn greet<S: Read + Write>(&self, _: S) -> Result<S> {
        match *self {}
    }
}
