//! The protocols on host threads.

mod arrivals;
mod choices;
mod loads;
mod machine;
mod nmis;
mod run;
