//! What can be chosen of a rendezvous.

use crate::protocols::Name;

/// A closed list whose members have one fixed name each, on the command line
/// and in reports.
pub trait Named: Copy + Default + Eq + Sized + 'static {
    /// All of them.
    const ALL: &'static [Self];

    /// The name.
    #[must_use]
    fn name(self) -> &'static str;

    /// The one of that name.
    #[must_use]
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }
}

macro_rules! named {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $crate::Named for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}
pub(crate) use named;

named! {
    /// How the CPUs announce themselves (`muster`).
    pub enum CallIn {
        /// Along cores, clusters and packages, so that few CPUs share a word.
        #[default]
        Tree = "tree",
        /// All at one word.
        Flat = "flat",
    }
}

named! {
    /// Which thread of a core writes first (`muster`).
    pub enum Election {
        /// The first one through the gate.
        #[default]
        First = "first",
        /// The one with the lowest number.
        Lowest = "lowest",
    }
}

named! {
    /// Which cores write when (`muster`).
    pub enum Order {
        /// All at once.
        #[default]
        Parallel = "parallel",
        /// One after another.
        Serial = "serial",
        /// The control CPU's core alone first; if it fails, nobody else.
        Canary = "canary",
    }
}

named! {
    /// What becomes of an NMI that arrives while CPUs are stopped.
    pub enum Nmi {
        /// Its ordinary handler runs.
        Off = "off",
        /// It is held while its core loads, and no other handler runs while its
        /// CPU is stopped.
        #[default]
        Hold = "hold",
        /// The CPUs are called in by NMI, so that no other can arrive.
        Rendezvous = "rendezvous",
    }
}

named! {
    /// What is done about a soft-offline sibling of a CPU that is to load.
    pub enum Parked {
        /// It is called by NMI and held while its core loads.
        #[default]
        Kick = "kick",
        /// Its core loads nothing.
        Refuse = "refuse",
    }
}

named! {
    /// What becomes of a machine of which a CPU does not come back in time.
    pub enum OnHang {
        /// The others leave, and the report names the one that hangs.
        #[default]
        Leave = "leave",
        /// It panics, as loaders used to.
        Panic = "panic",
    }
}

/// How long the parts may take, in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request to the last call-in. A CPU answers within
    /// microseconds unless it has interrupts off; 30 ms is what Xen gives it
    /// (`MICROCODE_CALLIN_TIMEOUT_US` in `arch/x86/cpu/microcode/core.c`),
    /// Linux 1 s (`load_late_stop_cpus` in
    /// `arch/x86/kernel/cpu/microcode/core.c`).
    pub call_in_us: u64,
    /// For each step of loads: the load itself takes milliseconds; 1 s is
    /// what Xen and Linux give it (`MICROCODE_UPDATE_TIMEOUT_US`, ibid.), and
    /// iPXE's batches have 10 ms.
    pub update_us: u64,
    /// From the kick to the last soft-offline sibling's arrival; Linux waits
    /// for half a second (`kick_offline_cpus`, ibid.).
    pub offline_us: u64,
}

impl Timeouts {
    /// What the protocol's origin gives.
    #[must_use]
    pub const fn of(protocol: Name) -> Self {
        let (call_in_us, update_us) = match protocol {
            Name::Muster | Name::SerialChain | Name::XenV5 | Name::Xen => (30_000, 1_000_000),
            Name::Linux => (1_000_000, 1_000_000),
            Name::Batches => (30_000, 10_000),
        };
        Self {
            call_in_us,
            update_us,
            offline_us: 500_000,
        }
    }
}

/// All that can be chosen but the deadlines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How the CPUs announce themselves.
    pub call_in: CallIn,
    /// Which thread of a core writes first.
    pub election: Election,
    /// Which cores write when.
    pub order: Order,
    /// What becomes of an NMI.
    pub nmi: Nmi,
    /// What becomes of a machine that is held up.
    pub on_hang: OnHang,
}
