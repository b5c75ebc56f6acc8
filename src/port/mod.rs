//! Floor 3: ports.
