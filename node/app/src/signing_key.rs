//! The key that signs audit heads (AUD-2): drawn once, kept beside the store and not inside it, so
//! that somebody who can write the store cannot sign for it. The public half lies next to it.

use crate::error::NodeError;
use actors_audit::HeadSigner;
use node_env::{Disk, DiskError, OpenMode, Rng};
use std::path::Path;

const SECRET_FILE: &str = "audit-signing.key";
const PUBLIC_FILE: &str = "audit-signing.pub";

/// Loads the signer of a data directory, drawing its key when there is none.
///
/// # Errors
/// [`NodeError::SigningKey`] when the file is not a key, [`NodeError::Disk`] when it cannot be
/// read or written.
pub fn load_or_create(
    disk: &dyn Disk,
    rng: &dyn Rng,
    data: &Path,
) -> Result<HeadSigner, NodeError> {
    let path = data.join(SECRET_FILE);
    if let Some(secret) = read_key(disk, &path)? {
        return Ok(HeadSigner::new(&secret));
    }
    let mut secret = [0; 32];
    rng.fill(&mut secret);
    let signer = HeadSigner::new(&secret);
    write_key(disk, &data.join(PUBLIC_FILE), &signer.public())?;
    write_key(disk, &path, &secret)?;
    disk.sync_dir(data)?;
    Ok(signer)
}

/// The public key of a data directory; `None` when it never had one.
///
/// # Errors
/// Like [`load_or_create`].
pub fn public_key(disk: &dyn Disk, data: &Path) -> Result<Option<[u8; 32]>, NodeError> {
    read_key(disk, &data.join(PUBLIC_FILE))
}

fn read_key(disk: &dyn Disk, path: &Path) -> Result<Option<[u8; 32]>, NodeError> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut key = [0; 32];
    if file.length()? != 32 || file.read_at(0, &mut key)? != 32 {
        return Err(NodeError::SigningKey);
    }
    Ok(Some(key))
}

fn write_key(disk: &dyn Disk, path: &Path, key: &[u8; 32]) -> Result<(), NodeError> {
    let file = disk.open(path, OpenMode::CreateOrOpen)?;
    file.truncate(0)?;
    file.write_at(0, key)?;
    file.sync_data()?;
    Ok(())
}
