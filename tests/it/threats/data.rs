//! Data connections: T34 to T45.
