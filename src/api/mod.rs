//! Floor 4½: what users touch.
