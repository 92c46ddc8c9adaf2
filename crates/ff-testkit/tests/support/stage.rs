//! Where the programs and the image are.

use std::path::PathBuf;

use ff_testkit::journey::Options;

/// Options for a whole journey with the programs built beside this test.
pub fn options() -> Options {
    let test = std::env::current_exe().unwrap();
    let programs = test.ancestors().nth(2).map(PathBuf::from).unwrap();
    let image = std::env::var("FF_VM_IMAGE").unwrap_or_else(|_| "ff-vm:latest".to_owned());
    Options {
        programs,
        image,
        keep: false,
        cut: None,
        settings: Vec::new(),
    }
}
