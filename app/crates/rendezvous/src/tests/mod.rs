//! The protocol on real threads, and under the model checker.
//!
//! The checker's tests run with `RUSTFLAGS="--cfg loom"`: they replace the
//! others, since its atomics work inside a model only.

#[cfg(loom)]
mod model;
#[cfg(not(loom))]
mod threads;
