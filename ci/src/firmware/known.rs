//! What a model of the CPU has to know of its microcode, read from the
//! microcode itself: a virtual CPU has no past and no maker.

use engine::Seal;
use microcode::profile::{MinimumRule, SDM};
use microcode::{CpuKind, Fit, Policy, Reason, Scan, Update, Vendor, amd};

use super::Firmware;
use crate::machine::model::Kind;
use crate::machine::{Cpu, Model};

/// From this family on, a patch id encodes its CPU.
const FAMILY_ZEN: u32 = 0x17;

impl Firmware {
    /// The CPU that a model shall be; `None` where the signature is not known.
    ///
    /// Without a `revision` it starts with the lowest that the newest update
    /// for it declares it may replace on a running machine, else with what a
    /// CPU shows whose firmware has none.
    #[must_use]
    pub fn kind(&self, cpu: &Cpu, revision: Option<u32>, model: &Model) -> Option<Kind> {
        let (vendor, signature) = cpu.target()?;
        let scan = microcode::scan(&self.genuine);
        let kind = CpuKind {
            platform_id: model
                .platform_id
                .unwrap_or_else(|| platform_id(&scan, signature)),
            ..CpuKind::new(vendor, signature)
        };
        Some(Kind {
            vendor,
            signature,
            platform_id: kind.platform_id,
            revision: revision
                .or_else(|| lowest_start(&scan, &kind))
                .unwrap_or_else(|| first_revision(vendor, signature)),
            equivalence_ids: equivalence_ids(&scan, &kind),
            seals: if model.sealed {
                seals(&scan, &kind)
            } else {
                Vec::new()
            },
        })
    }

    /// The revision from which the newest update for the CPU may be loaded on
    /// a running machine, if it declares one.
    #[must_use]
    pub fn lowest_start(&self, cpu: &Cpu) -> Option<u32> {
        let (vendor, signature) = cpu.target()?;
        let scan = microcode::scan(&self.genuine);
        lowest_start(&scan, &CpuKind::new(vendor, signature))
    }
}

/// A platform that has an update: 0 if one is for that, else the first of the
/// newest update for the signature.
fn platform_id(scan: &Scan<'_>, signature: u32) -> u8 {
    let flags = |update: &Update<'_>| {
        let named = update
            .targets()
            .filter(|target| target.signature == signature);
        named
            .filter_map(|target| target.flags)
            .reduce(|all, flags| all | flags)
    };
    let updates = scan.candidates.iter().map(|candidate| &candidate.update);
    let named = || {
        let with_flags = |update| Some((flags(update)?, update));
        updates.clone().filter_map(with_flags)
    };
    if named().any(|(flags, _)| flags == 0 || flags & 1 != 0) {
        return 0;
    }
    let newest = named().max_by(|(_, one), (_, other)| {
        Vendor::Intel.compare_revisions(one.revision(), other.revision())
    });
    let first = newest.map_or(0, |(flags, _)| flags.trailing_zeros());
    u8::try_from(first).ok().filter(|&id| id < 8).unwrap_or(0)
}

fn lowest_start(scan: &Scan<'_>, kind: &CpuKind) -> Option<u32> {
    let policy = Policy {
        minimum: Some(MinimumRule::Ignored),
        ..Policy::default()
    };
    let reasons = microcode::judge(scan, kind, &policy);
    let chosen = reasons.iter().position(|r| *r == Reason::Chosen)?;
    scan.candidates[chosen].update.minimum_revision()
}

/// What a CPU shows that no firmware has updated: revision 1, and on AMD the
/// lowest level that is its family's.
fn first_revision(vendor: Vendor, signature: u32) -> u32 {
    let family = amd::family(signature);
    match vendor {
        Vendor::Intel => 1,
        Vendor::Amd if family >= FAMILY_ZEN => amd::patch_id(signature, 0),
        Vendor::Amd => family.saturating_sub(0xf) << 24,
    }
}

/// The updates that are for this CPU, as they were made.
fn seals(scan: &Scan<'_>, kind: &CpuKind) -> Vec<Seal> {
    scan.candidates
        .iter()
        .map(|candidate| &candidate.update)
        .filter(|update| update.is_whole() && update.fit(kind, &SDM) == Fit::Fits)
        .map(|update| Seal::of(update.revision(), update.bytes()))
        .collect()
}

/// The ids by which the vendor's tables name this CPU.
fn equivalence_ids(scan: &Scan<'_>, kind: &CpuKind) -> Vec<u16> {
    let mut ids: Vec<u16> = scan
        .candidates
        .iter()
        .filter_map(|candidate| match &candidate.update {
            Update::Amd(patch) => Some(patch.table()),
            Update::Intel(_) => None,
        })
        .flatten()
        .filter(|entry| entry.installed_cpu.get() == kind.signature)
        .map(|entry| entry.equivalence_id.get())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: Vec<u8>, cpu: &str, is_sealed: bool) -> Kind {
        let firmware = Firmware::made("a test", bytes);
        firmware
            .kind(
                &cpu.parse().unwrap(),
                None,
                &Model {
                    sealed: is_sealed,
                    ..Model::default()
                },
            )
            .unwrap()
    }

    #[test]
    fn a_virtual_cpu_begins_where_its_update_may_be_loaded() {
        let update = |minimum| {
            let update = microcode::synth::intel(0x0005_0654, 1, 9).minimum_revision(minimum);
            kind(update.build(), "Skylake-Server", false).revision
        };
        assert_eq!(update(0), 1);
        assert_eq!(update(5), 5);
    }

    #[test]
    fn a_virtual_cpu_is_on_a_platform_that_has_an_update() {
        let platform = |updates: &[(u32, u32)]| {
            let update =
                |&(flags, revision)| microcode::synth::intel(0x0005_0654, flags, revision).build();
            let bytes: Vec<u8> = updates.iter().flat_map(update).collect();
            kind(bytes, "Skylake-Server", false).platform_id
        };
        assert_eq!(platform(&[(0x22, 9), (0x01, 1)]), 0);
        assert_eq!(platform(&[(0x40, 1), (0x36, 9)]), 1);
        assert_eq!(platform(&[(0x40, 9), (0x36, 1)]), 6);
        assert_eq!(platform(&[(0, 1)]), 0);
        assert_eq!(platform(&[]), 0);
    }

    #[test]
    fn an_amd_cpu_without_patches_begins_at_the_bottom_of_its_family() {
        assert_eq!(first_revision(Vendor::Amd, 0x00a0_0f11), 0x0a00_1100);
        assert_eq!(first_revision(Vendor::Amd, 0x0010_0f23), 0x0100_0000);
        assert_eq!(first_revision(Vendor::Amd, 0x0060_0f12), 0x0600_0000);
    }

    #[test]
    fn ids_are_the_tables_and_seals_are_of_the_updates_for_the_cpu_alone() {
        let container = microcode::synth::amd(0x0010_0f22, 0x0100_0095)
            .equivalent(0x0010_0f2a)
            .patch(0x0010_0f42, 0x0100_00db)
            .build();
        let kind = kind(container, "0x00100f2a", true);
        assert_eq!(kind.equivalence_ids, [0x1022]);
        let sealed: Vec<_> = kind.seals.iter().map(|seal| seal.revision).collect();
        assert_eq!(sealed, [0x0100_0095]);
    }
}
