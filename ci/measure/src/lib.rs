//! What a rendezvous costs: measured on host threads, computed in virtual time,
//! and compared.
//!
//! ```text
//!  guest (the unikernel) ─┐
//!  native (host threads) ─┼─▶ Iteration ──▶ Metrics ──▶ compare, page, table
//!  simulated             ─┘
//! ```
//!
//! Every figure is a value of a [series](metrics::Series) with all its
//! [dimensions](metrics::Dimensions), the stage first among them.

#![forbid(unsafe_code)]

pub mod budget;
pub mod compare;
pub mod iteration;
pub mod metrics;
pub mod native;
pub mod page;
pub mod simulated;
pub mod summary;
