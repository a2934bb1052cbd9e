//! End to end, against real Asterisk in the lab.
