//! QEMU's own CPUs.

use microcode::Vendor;

/// QEMU's models of CPUs that take updates, with their signatures, as QEMU 11.1
/// answers `query-cpu-model-expansion`. Older ones lack the newest models.
pub(super) const MODELS: [(&str, Vendor, u32); 34] = [
    ("Broadwell", Vendor::Intel, 0x0003_06d2),
    ("Cascadelake-Server", Vendor::Intel, 0x0005_0656),
    ("ClearwaterForest", Vendor::Intel, 0x000d_06d0),
    ("Conroe", Vendor::Intel, 0x0000_06f3),
    ("Cooperlake", Vendor::Intel, 0x0005_065a),
    ("Denverton", Vendor::Intel, 0x0005_06f1),
    ("EPYC", Vendor::Amd, 0x0080_0f12),
    ("EPYC-Genoa", Vendor::Amd, 0x00a1_0f10),
    ("EPYC-Milan", Vendor::Amd, 0x00a0_0f11),
    ("EPYC-Rome", Vendor::Amd, 0x0083_0f10),
    ("EPYC-Turin", Vendor::Amd, 0x00b0_0f00),
    ("GraniteRapids", Vendor::Intel, 0x000a_06d0),
    ("Haswell", Vendor::Intel, 0x0003_06c4),
    ("Icelake-Server", Vendor::Intel, 0x0008_0660),
    ("IvyBridge", Vendor::Intel, 0x0003_06a9),
    ("KnightsMill", Vendor::Intel, 0x0008_0650),
    ("Nehalem", Vendor::Intel, 0x0001_06a3),
    ("Opteron_G3", Vendor::Amd, 0x0010_0f23),
    ("Opteron_G4", Vendor::Amd, 0x0060_0f12),
    ("Opteron_G5", Vendor::Amd, 0x0060_0f20),
    ("Penryn", Vendor::Intel, 0x0001_0673),
    ("SandyBridge", Vendor::Intel, 0x0002_06a1),
    ("SapphireRapids", Vendor::Intel, 0x0008_06f4),
    ("SierraForest", Vendor::Intel, 0x000a_06f0),
    ("Skylake-Client", Vendor::Intel, 0x0005_06e3),
    ("Skylake-Server", Vendor::Intel, 0x0005_0654),
    ("Snowridge", Vendor::Intel, 0x0008_0661),
    ("Westmere", Vendor::Intel, 0x0002_06c1),
    ("core2duo", Vendor::Intel, 0x0000_06fb),
    ("coreduo", Vendor::Intel, 0x0000_06e8),
    ("n270", Vendor::Intel, 0x0001_06c2),
    ("pentium2", Vendor::Intel, 0x0000_0652),
    ("pentium3", Vendor::Intel, 0x0000_0673),
    ("phenom", Vendor::Amd, 0x0010_0f23),
];
