//! The clients that people have, against the server: trees with odd names there and back, resume both ways, active and
//! passive, the small deeds, and what a client says when it is refused. `tests/run` installs them.

mod curl;
mod desk;
mod ftplib;
mod laboratory;
mod lftp;
mod ncftp;
mod rclone;
mod resume;
mod suppaftp;
mod tls;
mod tnftp;
mod tree;
mod wget;
