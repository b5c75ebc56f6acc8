//! Floor 2: the queue.
