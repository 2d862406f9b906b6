//! Writes the seeds of targets below a folder, one subfolder each:
//! `seeds FOLDER TARGET…`.

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(folder) = arguments.next() else {
        return Err(io::Error::other("usage: seeds FOLDER TARGET…"));
    };
    for target in arguments {
        let folder = Path::new(&folder).join(&target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in muster_fuzz::seeds::of(&target).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}
