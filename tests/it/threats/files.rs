//! Files: T46 to T57.
