//! Floor 2: where a message goes.
