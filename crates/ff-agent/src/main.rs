//! ff-agent

fn main() {}
