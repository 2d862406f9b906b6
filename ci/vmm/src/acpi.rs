//! The ACPI tables that a guest finds its CPUs by (ACPI Specification 6.5,
//! sections 5.2.5 to 5.2.12).

use acpi_tables::madt::{
    EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic,
};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::xsdt::XSDT;
use acpi_tables::{Aml, AmlSink};

use stand_in::Topology;

const OEM: [u8; 6] = *b"MUSTER";
const TABLE: [u8; 8] = *b"MUSTERVM";
const LOCAL_APIC: u32 = 0xfee0_0000;
const IO_APIC: u32 = 0xfec0_0000;

/// A table's bytes.
struct Bytes(Vec<u8>);

impl AmlSink for Bytes {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

fn bytes(table: &impl Aml) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    table.to_aml_bytes(&mut bytes);
    bytes.0
}

/// The tables as they lie from `address` on, the root pointer first.
#[must_use]
pub fn tables(address: u64, topology: Topology) -> Vec<u8> {
    let mut madt = MADT::new(OEM, TABLE, 1, LocalInterruptController::Address(LOCAL_APIC));
    for cpu in 0..topology.nr_cpus() {
        // `Topology` has only ids of 8 bits.
        let id = u8::try_from(topology.place(cpu).apic_id).unwrap_or(u8::MAX);
        let uid = u8::try_from(cpu).unwrap_or(u8::MAX);
        madt.add_structure(ProcessorLocalApic::new(uid, id, EnabledStatus::Enabled));
    }
    madt.add_structure(IoApic::new(0, IO_APIC, 0));
    let madt = bytes(&madt);
    let root_bytes = Rsdp::len().next_multiple_of(8) as u64;
    let madt_at = address + root_bytes;
    let xsdt_at = madt_at + madt.len().next_multiple_of(8) as u64;
    let mut xsdt = XSDT::new(OEM, TABLE, 1);
    xsdt.add_entry(madt_at);
    let mut tables = bytes(&Rsdp::new(OEM, xsdt_at));
    for table in [madt, bytes(&xsdt)] {
        tables.resize(tables.len().next_multiple_of(8), 0);
        tables.extend(table);
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_sums_to_zero_and_the_root_leads_to_each_cpu() {
        let at = 0xe_0000_u64;
        let tables = tables(at, Topology::new(6, 2, 1).unwrap());
        let word = |offset: usize| u32::from_le_bytes(tables[offset..][..4].try_into().unwrap());
        let sum = |range: &[u8]| range.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!(&tables[..8], b"RSD PTR ");
        assert_eq!((sum(&tables[..20]), sum(&tables[..36])), (0, 0));
        let xsdt = usize::try_from(u64::from(word(24)) - at).unwrap();
        assert_eq!(&tables[xsdt..][..4], b"XSDT");
        assert_eq!(sum(&tables[xsdt..][..word(xsdt + 4) as usize]), 0);
        let madt = usize::try_from(u64::from(word(xsdt + 36)) - at).unwrap();
        let size = word(madt + 4) as usize;
        assert_eq!(&tables[madt..][..4], b"APIC");
        assert_eq!(sum(&tables[madt..][..size]), 0);
        let ids: Vec<_> = tables[madt + 44..madt + size]
            .chunks(8)
            .take(6)
            .map(|cpu| cpu[3])
            .collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    }
}
