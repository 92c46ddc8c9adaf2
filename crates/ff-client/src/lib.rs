//! ff-client
