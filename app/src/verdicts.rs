//! From the libraries' terms to the report's: the libraries do not know each
//! other, so their words meet here, checked by the compiler.

use report::{CandidateVerdict, Outcome, Role};

/// A CPU's vendor as the microcode library calls it.
pub(crate) fn microcode_vendor(vendor: cpu::Vendor) -> microcode::Vendor {
    match vendor {
        cpu::Vendor::Intel => microcode::Vendor::Intel,
        cpu::Vendor::Amd => microcode::Vendor::Amd,
    }
}

/// A format's vendor as the CPU's registers call it.
pub(crate) fn cpu_vendor(vendor: microcode::Vendor) -> cpu::Vendor {
    match vendor {
        microcode::Vendor::Intel => cpu::Vendor::Intel,
        microcode::Vendor::Amd => cpu::Vendor::Amd,
    }
}

/// A format's vendor as the report calls it.
pub(crate) fn reported_vendor(vendor: microcode::Vendor) -> report::Vendor {
    match vendor {
        microcode::Vendor::Intel => report::Vendor::Intel,
        microcode::Vendor::Amd => report::Vendor::Amd,
    }
}

/// A candidate's verdict as the report calls it.
pub(crate) fn reported_verdict(verdict: microcode::Verdict) -> CandidateVerdict {
    use microcode::Verdict;
    match verdict {
        Verdict::Chosen => CandidateVerdict::Chosen,
        Verdict::Superseded => CandidateVerdict::Superseded,
        Verdict::Older => CandidateVerdict::Older,
        Verdict::Same => CandidateVerdict::Same,
        Verdict::Signature => CandidateVerdict::Signature,
        Verdict::Platform => CandidateVerdict::Platform,
        Verdict::MinRevision => CandidateVerdict::MinRevision,
        Verdict::FinalLevel => CandidateVerdict::FinalLevel,
        Verdict::Erratum => CandidateVerdict::Erratum,
        Verdict::Disabled => CandidateVerdict::Disabled,
        Verdict::Size => CandidateVerdict::Size,
        Verdict::Checksum => CandidateVerdict::Checksum,
        Verdict::Malformed => CandidateVerdict::Malformed,
        Verdict::Digest => CandidateVerdict::Digest,
        Verdict::PreProduction => CandidateVerdict::PreProduction,
    }
}

/// A part in the rendezvous as the report calls it.
pub(crate) fn reported_role(role: rendezvous::Role) -> Role {
    match role {
        rendezvous::Role::None => Role::None,
        rendezvous::Role::Leader => Role::Leader,
        rendezvous::Role::Follower => Role::Follower,
    }
}

/// How a CPU ended; `planned` is what the plan says of one that only attended.
pub(crate) fn reported_outcome(outcome: rendezvous::Outcome, planned: Outcome) -> Outcome {
    match outcome {
        rendezvous::Outcome::Attended => planned,
        rendezvous::Outcome::Updated => Outcome::Updated,
        rendezvous::Outcome::Followed => Outcome::Followed,
        rendezvous::Outcome::Late => Outcome::Late,
        rendezvous::Outcome::Aborted => Outcome::Aborted,
        rendezvous::Outcome::GpFault => Outcome::GpFault,
        rendezvous::Outcome::NotTaken => Outcome::NotTaken,
        rendezvous::Outcome::Mismatch => Outcome::Mismatch,
        rendezvous::Outcome::Hung => Outcome::Hung,
        rendezvous::Outcome::Held => Outcome::Parked,
    }
}
