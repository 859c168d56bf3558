//! Writes the seeds into a folder of its own for each target: `seeds FOLDER`.

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("which folder?")?;
    for (index, seed) in mjpeghttp_fuzz::seeds::all().iter().enumerate() {
        let target = Path::new(&folder).join(seed.target);
        fs::create_dir_all(&target)?;
        fs::write(target.join(format!("seed-{index:03}")), &seed.bytes)?;
    }
    Ok(())
}
