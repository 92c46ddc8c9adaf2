//! ff-desktop

fn main() {}
