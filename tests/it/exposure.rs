//! Files that rule the server, and homes in which clients may write: the two never meet.

mod share;
