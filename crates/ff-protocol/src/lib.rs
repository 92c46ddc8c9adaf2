//! ff-protocol
