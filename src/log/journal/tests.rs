//! Drives: the journal with logs on a simulated disk.
