//! Floor 2: what a channel remembers.
