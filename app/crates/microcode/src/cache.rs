//! The one store of updates for the whole machine.
//!
//! It replaces a copy for each CPU by one for each kind of CPU, so that a
//! machine of mixed steppings is served and a CPU that comes online later
//! finds what the others run. The rules are those of Xen's
//! `microcode_update_cache` (the "global cache" of the late-load series):
//! an empty place takes an update, a newer one replaces it, anything else is
//! dropped and the caller learns so.
//!
//! A copy is aligned to 16 bytes, which MSR 0x79 demands and files do not
//! promise, and stays where it is for as long as it is cached: its address is
//! what stopped CPUs load from. Allocation is checked, since an update can take
//! megabytes and a guest's heap is small.

use crate::update::Fit;
use crate::{CpuKind, Update, Vendor};
use alloc::boxed::Box;
use core::cmp::Ordering;
use core::fmt;
use hashbrown::HashMap;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// What the CPUs of one kind have in common; their revision is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    vendor: Vendor,
    signature: u32,
    /// Intel's platform id; AMD has none.
    platform_id: u8,
}

impl From<&CpuKind> for Key {
    fn from(cpu: &CpuKind) -> Self {
        Self {
            vendor: cpu.vendor,
            signature: cpu.signature,
            platform_id: match cpu.vendor {
                Vendor::Intel => cpu.platform_id,
                Vendor::Amd => 0,
            },
        }
    }
}

/// What became of an update that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inserted {
    /// There was none for this CPU kind, now there is.
    Stored,
    /// It took the place of an older one.
    Replaced,
    /// A newer one is cached; this one was dropped.
    DroppedOlder,
    /// The same revision is cached; this one was dropped.
    DroppedSame,
}

/// Why an update cannot be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheError {
    /// It is not for this CPU kind.
    Mismatch,
    /// It is not whole, so a CPU would read beyond its end.
    Incomplete,
    /// There is no memory for the copy.
    OutOfMemory,
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mismatch => "the update is for another kind of CPU",
            Self::Incomplete => "the update is not whole; offer only what was judged as chosen",
            Self::OutOfMemory => "no memory for a copy of the update; give the guest more",
        })
    }
}

impl core::error::Error for CacheError {}

/// The newest update seen for each kind of CPU.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<Key, Cached>,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers an update for the CPUs of one kind. `cpu.revision` does not
    /// matter: the cache compares updates with each other.
    ///
    /// # Errors
    /// See [`CacheError`]; the cache is then as it was.
    pub fn insert(&mut self, cpu: &CpuKind, update: &Update<'_>) -> Result<Inserted, CacheError> {
        if update.fit(cpu) != Fit::Fits {
            return Err(CacheError::Mismatch);
        }
        if !update.is_whole() {
            return Err(CacheError::Incomplete);
        }
        let revision = update.revision();
        let order = self
            .lookup(cpu)
            .map(|cached| cpu.vendor.compare_revisions(revision, cached.revision));
        let inserted = match order {
            Some(Ordering::Less) => return Ok(Inserted::DroppedOlder),
            Some(Ordering::Equal) => return Ok(Inserted::DroppedSame),
            Some(Ordering::Greater) => Inserted::Replaced,
            None => Inserted::Stored,
        };
        let cached = Cached::copy(update).ok_or(CacheError::OutOfMemory)?;
        self.entries
            .try_reserve(1)
            .map_err(|_| CacheError::OutOfMemory)?;
        self.entries.insert(cpu.into(), cached);
        Ok(inserted)
    }

    /// The update for the CPUs of one kind, whatever revision they run.
    #[must_use]
    pub fn lookup(&self, cpu: &CpuKind) -> Option<&Cached> {
        self.entries.get(&Key::from(cpu))
    }

    /// For how many kinds of CPU there is an update.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Sixteen bytes, aligned as the load MSR of Intel wants it.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
struct Chunk([u8; 16]);
// The allocator is asked for this alignment, whatever it gives by chance.
const _: () = assert!(align_of::<Chunk>() == 16);

/// An owned, aligned copy of an update.
pub struct Cached {
    vendor: Vendor,
    revision: u32,
    chunks: Box<[Chunk]>,
    size: usize,
}

impl Cached {
    /// `None` if there is no memory.
    fn copy(update: &Update<'_>) -> Option<Self> {
        let bytes = update.bytes();
        let nr_chunks = bytes.len().div_ceil(size_of::<Chunk>());
        let mut chunks = <[Chunk]>::new_box_zeroed_with_elems(nr_chunks).ok()?;
        chunks.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Some(Self {
            vendor: update.vendor(),
            revision: update.revision(),
            chunks,
            size: bytes.len(),
        })
    }

    /// Whose update it is.
    #[must_use]
    pub const fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// The revision that a CPU shows once it took the update.
    #[must_use]
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    /// The update from its header on; the first byte is aligned to 16.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.chunks.as_bytes()[..self.size]
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vendor,
            revision,
            size,
            ..
        } = self;
        write!(f, "Cached({vendor:?}, {revision:#010x}, {size} bytes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scan, synth};
    use alloc::vec::Vec;

    const CPU: CpuKind = CpuKind {
        vendor: Vendor::Intel,
        signature: 0x0005_06e3,
        platform_id: 1,
        revision: 0,
    };

    fn intel(revision: u32) -> Vec<u8> {
        synth::intel(CPU.signature, 0x36, revision).build()
    }

    fn insert(cache: &mut Cache, cpu: &CpuKind, bytes: &[u8]) -> Result<Inserted, CacheError> {
        cache.insert(cpu, &scan(bytes).candidates[0].update)
    }

    #[test]
    fn a_newer_update_replaces_and_anything_else_is_dropped() {
        let mut cache = Cache::new();
        assert!(cache.is_empty());
        for (revision, inserted, cached) in [
            (5, Inserted::Stored, 5),
            (4, Inserted::DroppedOlder, 5),
            (5, Inserted::DroppedSame, 5),
            (0x8000_0009, Inserted::DroppedOlder, 5),
            (6, Inserted::Replaced, 6),
        ] {
            assert_eq!(insert(&mut cache, &CPU, &intel(revision)), Ok(inserted));
            let entry = cache.lookup(&CPU).expect("something is cached");
            assert_eq!(entry.revision(), cached);
            assert_eq!(entry.bytes(), intel(cached));
            assert_eq!(cache.len(), 1);
        }
    }

    #[test]
    fn mixed_steppings_and_platforms_have_an_entry_each() {
        let other_stepping = CpuKind {
            signature: 0x0005_06e4,
            ..CPU
        };
        let other_platform = CpuKind {
            platform_id: 2,
            ..CPU
        };
        let mut cache = Cache::new();
        let stepping = synth::intel(other_stepping.signature, 0x36, 7).build();
        assert_eq!(insert(&mut cache, &CPU, &intel(5)), Ok(Inserted::Stored));
        assert_eq!(
            insert(&mut cache, &other_stepping, &stepping),
            Ok(Inserted::Stored)
        );
        assert_eq!(
            insert(&mut cache, &other_platform, &intel(6)),
            Ok(Inserted::Stored)
        );
        let cached = |cpu| cache.lookup(cpu).map(Cached::revision);
        assert_eq!(
            [&CPU, &other_stepping, &other_platform].map(cached),
            [Some(5), Some(7), Some(6)]
        );
    }

    #[test]
    fn cpus_of_one_kind_share_an_entry_whatever_they_run() {
        let mut cache = Cache::new();
        assert_eq!(insert(&mut cache, &CPU, &intel(5)), Ok(Inserted::Stored));
        let later = CpuKind { revision: 5, ..CPU };
        assert_eq!(cache.lookup(&later).map(Cached::revision), Some(5));

        // AMD has no platform id, so none can part its CPUs.
        let amd = |platform_id| CpuKind {
            vendor: Vendor::Amd,
            signature: 0x0080_0f12,
            platform_id,
            revision: 0,
        };
        let patch = synth::amd(0x0080_0f12, 0x0800_126f).build();
        assert_eq!(insert(&mut cache, &amd(0), &patch), Ok(Inserted::Stored));
        assert!(cache.lookup(&amd(3)).is_some());
    }

    #[test]
    fn what_does_not_fit_or_is_not_whole_is_refused() {
        let mut cache = Cache::new();
        let other = synth::intel(1, 0x36, 5).build();
        assert_eq!(insert(&mut cache, &CPU, &other), Err(CacheError::Mismatch));
        for defect in [
            synth::Defect::Cut,
            synth::Defect::DataSize,
            synth::Defect::TotalSize,
        ] {
            let bad = synth::intel(CPU.signature, 0x36, 5).defect(defect).build();
            assert_eq!(insert(&mut cache, &CPU, &bad), Err(CacheError::Incomplete));
        }
        assert!(cache.is_empty());
    }

    #[test]
    fn a_copy_is_aligned_and_as_long_as_the_update() {
        let amd_cpu = CpuKind {
            vendor: Vendor::Amd,
            signature: 0x0070_0f01,
            platform_id: 0,
            revision: 0,
        };
        let mut cache = Cache::new();
        // 3458 bytes, which no multiple of 16 is.
        let amd = synth::amd(amd_cpu.signature, 0x0700_010f).build();
        assert_eq!(insert(&mut cache, &CPU, &intel(5)), Ok(Inserted::Stored));
        assert_eq!(insert(&mut cache, &amd_cpu, &amd), Ok(Inserted::Stored));
        for cpu in [CPU, amd_cpu] {
            let cached = cache.lookup(&cpu).expect("it was stored");
            assert_eq!(cached.vendor(), cpu.vendor);
            assert_eq!(cached.bytes().as_ptr().addr() % 16, 0);
        }
        assert_eq!(
            cache.lookup(&amd_cpu).map(|cached| cached.bytes().len()),
            Some(3458)
        );
    }
}
