//! The microcode that this image was given.

use report::InitrdSource;

/// The bytes and where they are from: a boot module overrides the embedded
/// initrd.
pub(crate) fn find() -> (&'static [u8], InitrdSource) {
    match muster_boot::module() {
        Some(module) => (module, InitrdSource::Module),
        None => (muster_boot::embedded(), InitrdSource::Embedded),
    }
}
