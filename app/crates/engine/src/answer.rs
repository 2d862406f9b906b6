//! What a thread does, and what it gets for it.

use core::fmt;

/// What one thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// RDMSR of that register.
    Read(u32),
    /// WRMSR of that register with that value.
    Write(u32, u64),
    /// CPUID, whatever leaf: each latches the revision.
    Cpuid,
}

/// What the thread sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Not the model's register: whatever the machine makes of it.
    Pass,
    /// The value read.
    Value(u64),
    /// The write passed, with or without an effect.
    Done,
    /// A general-protection fault.
    GpFault,
}

/// The whole answer.
#[derive(Clone, Copy, Debug)]
#[must_use = "a load that is never finished keeps its core busy for ever"]
pub struct Answer {
    /// What the thread sees, once the load is over if there is one.
    pub reply: Reply,
    /// What was wrong with doing this now.
    pub misuse: Option<Misuse>,
    /// The write was one of a load register, and this is what comes of it.
    pub load: Option<Load>,
    /// How long a register's access takes, in ns; a load has its own time.
    pub cost_ns: u64,
}

/// A write of a load register. If it is [accepted](Self::is_accepted), whoever
/// stands behind the guest lets [`duration_ns`](Self::duration_ns) pass and
/// then gives it to [`Engine::finish`](crate::Engine::finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which thread wrote.
    pub thread: u32,
    /// The revision that the thread had before.
    pub before: u32,
    /// The revision that it has afterwards, or why nothing came of it.
    pub outcome: Result<u32, Refusal>,
    /// Size of the update in bytes, as far as it was read.
    pub nr_bytes: u32,
    /// How long the write takes, in ns; [`FOREVER`](Self::FOREVER) for one that
    /// hangs.
    pub duration_ns: u64,
}

impl Load {
    /// The duration of a load that never ends.
    pub const FOREVER: u64 = u64::MAX;

    /// Whether its core is busy until it is finished.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        self.outcome.is_ok()
    }

    /// Whether it never ends.
    #[must_use]
    pub const fn hangs(&self) -> bool {
        self.duration_ns == Self::FOREVER
    }
}

/// Declares an enum whose variants have one fixed name.
macro_rules! named {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The variant of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|variant| variant.name() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named! {
    /// Why the CPU did not take an update. What a guest sees of most of them is
    /// that its revision stays.
    pub enum Refusal {
        /// The header is of no known version.
        Header = "header",
        /// Its sizes contradict each other, or are larger than any update.
        Size = "size",
        /// A checksum is wrong.
        Checksum = "checksum",
        /// It is for another signature.
        Signature = "signature",
        /// It is for another platform id.
        Platform = "platform",
        /// It is older than what the CPU runs.
        Older = "older",
        /// Its bytes are not those that were sealed.
        Seal = "seal",
        /// Updates are switched off.
        Disabled = "disabled",
        /// Another thread of the core is inside a load.
        Busy = "busy",
        /// The address is no multiple of 16.
        Misaligned = "misaligned",
        /// The address, or one within the update, cannot be read: #GP.
        Unmapped = "unmapped",
        /// A fault plan: the write raises #GP.
        GpFault = "gp-fault",
        /// A fault plan: the write has no effect.
        NotTaken = "not-taken",
    }
}

impl Refusal {
    /// Whether the write raises #GP instead of passing without an effect.
    #[must_use]
    pub const fn faults(self) -> bool {
        matches!(self, Self::Unmapped | Self::GpFault)
    }
}

named! {
    /// What a loader must not do. The model notices and goes on.
    pub enum Misuse {
        /// A thread begins a load while its sibling is inside one.
        TwoThreads = "two-threads",
        /// A thread executes CPUID or touches a register while its sibling is
        /// inside a load.
        SiblingActivity = "sibling-activity",
        /// The update does not lie on a boundary of 16 bytes.
        Misaligned = "misaligned",
        /// The update lies where the CPU cannot read.
        Unmapped = "unmapped",
    }
}
