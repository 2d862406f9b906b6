//! Benchmarks of the request: series with all their dimensions, and tables of
//! them. Nothing is asserted here.

pub mod instructions;
