//! The protocols on host threads.

mod threads;
