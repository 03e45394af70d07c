//! Listings: T58 to T62.
