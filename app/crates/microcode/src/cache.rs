//! The one store of updates for the whole machine.
//!
//! It replaces a copy for each CPU by one for each kind of CPU, so that a
//! machine of mixed steppings is served and a CPU that comes online later
//! finds what the others run. The rules begin with those of Xen's
//! `microcode_update_cache` (the "global cache" of the late-load series): an
//! empty place takes an update, a newer one replaces it, anything else is
//! dropped and the caller learns so.
//!
//! In that series an update was cached only after a load had succeeded, and a
//! load that succeeded on some CPUs alone freed it, so that CPUs onlined later
//! missed it. Here an update is *on trial* until the first CPU took it, and
//! *proven* from then on. One that no CPU took is [rejected](Cache::reject),
//! and what was proven before is there again. CPUs that come online later are
//! served from what is [proven](Cache::proven) alone.
//!
//! A copy is aligned to 16 bytes, which MSR 0x79 demands and files do not
//! promise, and stays where it is for as long as somebody holds it: its
//! address is what stopped CPUs load from. Allocation is checked, since an
//! update can take megabytes and a guest's heap is small.

use crate::bytes::sum_of_dwords;
use crate::profile::{Profile, SDM};
use crate::update::Fit;
use crate::{CpuKind, Update, Vendor};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use hashbrown::HashTable;

/// What the CPUs of one kind have in common; their revision is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    vendor: Vendor,
    signature: u32,
    /// Intel's platform id; AMD has none.
    platform_id: u8,
}

impl Key {
    /// There are as many keys as a machine has kinds of CPU, and nobody chooses
    /// them: Fibonacci hashing of what differs is enough, and needs no seed.
    const fn hash(self) -> u64 {
        let number = (self.signature as u64) << 8 | self.platform_id as u64;
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
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
    /// It took the place of another.
    Replaced,
    /// A newer one is cached; this one was dropped.
    DroppedOlder,
    /// The same revision is cached; this one was dropped.
    DroppedSame,
}

impl Inserted {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Replaced => "replaced",
            Self::DroppedOlder => "dropped-older",
            Self::DroppedSame => "dropped-same",
        }
    }
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

/// What is kept for one kind of CPU.
#[derive(Debug)]
struct Entry {
    key: Key,
    /// A CPU of this kind took it.
    proven: Option<Arc<Cached>>,
    /// Nobody tried it yet. It takes precedence.
    on_trial: Option<Arc<Cached>>,
}

impl Entry {
    fn next(&self) -> Option<&Arc<Cached>> {
        self.on_trial.as_ref().or(self.proven.as_ref())
    }
}

/// The updates for each kind of CPU.
#[derive(Debug)]
pub struct Cache {
    entries: HashTable<Entry>,
    profile: &'static Profile,
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(&SDM)
    }
}

impl Cache {
    /// An empty cache with room for as many kinds of CPU as machines have; the
    /// profile says what is newer and what fits.
    #[must_use]
    pub fn new(profile: &'static Profile) -> Self {
        const USUAL_KINDS: usize = 3;
        Self {
            entries: HashTable::with_capacity(USUAL_KINDS),
            profile,
        }
    }

    /// Offers an update for the CPUs of one kind. `cpu.revision` does not
    /// matter: the cache compares updates with each other. With `force` the
    /// update takes the place of any other.
    ///
    /// # Errors
    /// See [`CacheError`]; the cache is then as it was.
    pub fn insert(
        &mut self,
        cpu: &CpuKind,
        update: &Update<'_>,
        force: bool,
    ) -> Result<Inserted, CacheError> {
        if update.fit(cpu, self.profile) != Fit::Fits {
            return Err(CacheError::Mismatch);
        }
        if !update.is_whole() {
            return Err(CacheError::Incomplete);
        }
        let revision = update.revision();
        let order = self
            .lookup(cpu)
            .map(|cached| self.profile.compare(cpu.vendor, revision, cached.revision));
        let inserted = match order {
            Some(Ordering::Less) if !force => return Ok(Inserted::DroppedOlder),
            Some(Ordering::Equal) if !force => return Ok(Inserted::DroppedSame),
            Some(_) => Inserted::Replaced,
            None => Inserted::Stored,
        };
        let cached = Cached::copy(update).ok_or(CacheError::OutOfMemory)?;
        let key = Key::from(cpu);
        let hash = |entry: &Entry| entry.key.hash();
        self.entries
            .try_reserve(1, hash)
            .map_err(|_| CacheError::OutOfMemory)?;
        let is_same = |entry: &Entry| entry.key == key;
        let mut entry = self
            .entries
            .entry(key.hash(), is_same, hash)
            .or_insert_with(|| Entry {
                key,
                proven: None,
                on_trial: None,
            });
        entry.get_mut().on_trial = Some(Arc::new(cached));
        Ok(inserted)
    }

    /// The update to load on the CPUs of one kind, whatever revision they run:
    /// the one on trial, else the proven one.
    #[must_use]
    pub fn lookup(&self, cpu: &CpuKind) -> Option<&Arc<Cached>> {
        self.entry(cpu)?.next()
    }

    /// The update that a CPU of this kind has taken: what one that comes
    /// online later is to load before it runs anything else.
    #[must_use]
    pub fn proven(&self, cpu: &CpuKind) -> Option<&Arc<Cached>> {
        self.entry(cpu)?.proven.as_ref()
    }

    /// What a CPU that comes online later has to load before it runs anything
    /// else: the proven update of its kind, if that is newer than what it runs.
    /// What forbids an update of a machine at work (a minimum revision, an
    /// erratum) says nothing of a CPU that does nothing yet.
    #[must_use]
    pub fn due(&self, cpu: &CpuKind) -> Option<&Arc<Cached>> {
        let is_newer = |cached: &&Arc<Cached>| {
            self.profile
                .compare(cpu.vendor, cached.revision, cpu.revision)
                .is_gt()
        };
        self.proven(cpu)
            .filter(is_newer)
            .filter(|_| !cpu.loading_disabled)
    }

    /// Notes that a CPU took what was on trial. Whether there was anything.
    pub fn prove(&mut self, cpu: &CpuKind) -> bool {
        let key = Key::from(cpu);
        let entry = self.entries.find_mut(key.hash(), |entry| entry.key == key);
        let Some(entry) = entry else {
            return false;
        };
        let proven = entry.on_trial.take();
        let was_on_trial = proven.is_some();
        entry.proven = proven.or(entry.proven.take());
        was_on_trial
    }

    /// Notes that no CPU took what was on trial, and forgets it. Whether there
    /// was anything.
    pub fn reject(&mut self, cpu: &CpuKind) -> bool {
        let key = Key::from(cpu);
        let entry = self
            .entries
            .find_entry(key.hash(), |entry| entry.key == key);
        let Ok(mut entry) = entry else {
            return false;
        };
        let was_on_trial = entry.get_mut().on_trial.take().is_some();
        if entry.get().proven.is_none() {
            entry.remove();
        }
        was_on_trial
    }

    fn entry(&self, cpu: &CpuKind) -> Option<&Entry> {
        let key = Key::from(cpu);
        self.entries.find(key.hash(), |entry| entry.key == key)
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

/// The alignment of a copy in bytes, which MSR 0x79 demands of the data; the
/// header's 48 bytes keep it.
const ALIGNMENT: usize = 16;

/// An owned, aligned copy of an update.
pub struct Cached {
    vendor: Vendor,
    revision: u32,
    /// Filler up to the first aligned byte, then the update.
    bytes: Vec<u8>,
    start: usize,
}

impl Cached {
    /// `None` if there is no memory. The copy is made in one go, over memory
    /// that nobody cleared before.
    fn copy(update: &Update<'_>) -> Option<Self> {
        let mut bytes: Vec<u8> = Vec::new();
        bytes
            .try_reserve_exact(update.bytes().len().checked_add(ALIGNMENT)?)
            .ok()?;
        let start = bytes.as_ptr().addr().wrapping_neg() % ALIGNMENT;
        bytes.resize(start, 0);
        bytes.extend_from_slice(update.bytes());
        Some(Self {
            vendor: update.vendor(),
            revision: update.revision(),
            bytes,
            start,
        })
    }

    /// The sum of its dwords, which Intel's loaders check (SDM volume 3A,
    /// "Checking the Microcode Update Checksum"): what it takes to look at the
    /// update once more.
    #[must_use]
    pub fn sum(&self) -> u32 {
        sum_of_dwords(self.bytes())
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
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.bytes().len();
        let Self {
            vendor, revision, ..
        } = self;
        write!(f, "Cached({vendor:?}, {revision:#010x}, {size} bytes)")
    }
}

#[cfg(test)]
mod tests;
