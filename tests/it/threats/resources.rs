//! Resources, the process, and its surroundings: T63 to T77.
