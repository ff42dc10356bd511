//! Pure: what the cluster is (an image made of records) and who may change it (a controller).
//! May use: `base`, `wire`, `io`, `log`. Never: knows which core it runs on, or of a connection.

pub mod controller;
pub mod image;
pub mod record;
pub mod source;
