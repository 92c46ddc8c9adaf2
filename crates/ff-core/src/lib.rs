//! ff-core
