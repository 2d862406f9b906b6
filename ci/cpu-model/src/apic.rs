//! Which CPU runs, where QEMU does not know.
//!
//! Where one host thread runs all CPUs in turns (`thread=single`, `-icount`),
//! QEMU tells every callback the number of the CPU for which the block was
//! translated. But a read of the local APIC's registers is answered by the APIC
//! of the CPU that runs, as long as it is not in x2APIC mode; so the host
//! program leaves x2APIC out of such machines and says how ids are made.

use stand_in::Topology;

use crate::api::Api;

/// The register with the id, in bits 31:24 (Intel SDM volume 3, "Local APIC
/// ID").
const ID_REGISTER: u64 = 0xfee0_0020;
const ID_SHIFT: u32 = 24;

/// The number of the CPU that runs on such a machine; `None` if its APIC cannot be
/// read.
pub(crate) fn running(topology: Topology, api: &Api) -> Option<u32> {
    api.read_physical(ID_REGISTER)
        .map(|register| topology.cpu(register >> ID_SHIFT))
}
