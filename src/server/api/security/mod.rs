//! Drives: what clients ask about who may do what. There is no authorizer, and they are told so.

pub mod acls;
