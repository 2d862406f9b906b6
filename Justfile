# Each recipe is a verb of the host program or a step of development; all pass
# their arguments on. `just` alone lists them.

set positional-arguments := true

muster := "cargo run --quiet --release --package muster --"

_default:
    @just --list --unsorted

# Build, boot, load, judge: the main job
run *ARGS:
    @{{ muster }} run "$@"

# The same under KVM, on CPUs that take updates as well
run-kvm *ARGS:
    @{{ muster }} run --machine kvm "$@"

# Many scenarios, several at a time: [SCENARIO…] [-g GROUP]… [--random N] [-j N] [--list]
suite *ARGS:
    @{{ muster }} suite "$@"

# Install what is needed, after saying what and why
setup *ARGS:
    @{{ muster }} setup "$@"

# Only check what is needed
doctor *ARGS:
    @{{ muster }} doctor "$@"

# Look at, judge, pack and make microcode files: list, explain, verify, pack, synth, diff
blob *ARGS:
    @{{ muster }} blob "$@"

# Boot Debian's Linux or Xen with the same microcode on the same CPU, and compare: linux|xen [CASE…]
peer *ARGS:
    @{{ muster }} peer "$@"

# Measure what a rendezvous costs, part by part: [guest|native|simulated|instructions]…
bench *ARGS:
    @{{ muster }} bench "$@"

# Say what became slower from one measurement or revision to another: A B [--threshold PERCENT] [--runs N]
compare *ARGS:
    @{{ muster }} compare "$@"

# How long a load may hold a machine up, at the worst and as expected: --cpus N
budget *ARGS:
    @{{ muster }} budget "$@"

# Judge a saved console again
replay *ARGS:
    @{{ muster }} replay "$@"

# All tests, with their set-up: lints, libraries, every order of the protocols, fuzzers, whole machines, fault plans by chance
test: (setup "--development") check
    cargo test --quiet
    cargo test --quiet --package muster-fuzz --no-default-features --lib
    @{{ muster }} suite --random 4 -j 2
    @{{ muster }} fuzz --seconds 2

# Fuzz whatever reads foreign bytes, 10 s a target: [TARGET] [--seconds N] [-j N]
fuzz *ARGS:
    @{{ muster }} fuzz "$@"

# Formatting, lints and documentation; warnings are errors
check:
    cargo fmt --all --check
    cargo clippy --quiet --all-targets -- --deny warnings
    cargo clippy --quiet --all-targets --package muster-fuzz --no-default-features -- --deny warnings
    @{{ muster }} lint
    RUSTDOCFLAGS="--deny warnings" cargo doc --quiet --no-deps
