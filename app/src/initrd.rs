//! The microcode that this image was given.

use alloc::vec::Vec;

use microcode::synth::{self, RaiseError};
use report::InitrdSource;

/// Its bytes.
#[derive(Debug)]
pub(crate) struct Microcode {
    given: &'static [u8],
    /// The same with higher revisions.
    raised: Vec<u8>,
}

impl Microcode {
    /// What was given, and where it is from: a boot module overrides the
    /// embedded initrd. What is to be raised is copied now, so that the heap is
    /// the same before every load.
    pub(crate) fn find(is_raised: bool) -> (Self, InitrdSource) {
        let (given, source) = match muster_boot::module() {
            Some(module) => (module, InitrdSource::Module),
            None => (muster_boot::embedded(), InitrdSource::Embedded),
        };
        let raised = if is_raised { given.into() } else { Vec::new() };
        (Self { given, raised }, source)
    }

    /// What is to be loaded next.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.raised.is_empty() {
            self.given
        } else {
            &self.raised
        }
    }

    /// Gives every update in the copy the next revision; all of them have to be
    /// synthetic.
    pub(crate) fn raise(&mut self) -> Result<(), RaiseError> {
        synth::raise(&mut self.raised, 1)
    }
}
