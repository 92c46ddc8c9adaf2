//! ff-cloud

fn main() {}
