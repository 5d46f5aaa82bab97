//! SHA-256 digests, as the results name the files that they rest on.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

/// The SHA-256 digest of `bytes` as 64 hexadecimal digits, as sha256sum(1) prints it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The same of what is read, without holding all of it.
///
/// # Errors
/// Those of reading.
pub fn sha256_of(reader: impl Read) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut digest = Sha256::new();
    loop {
        let part = reader.fill_buf()?;
        if part.is_empty() {
            return Ok(hexadecimal(&digest.finalize()));
        }
        digest.update(part);
        let length = part.len();
        reader.consume(length);
    }
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_of_fips_180() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        assert_eq!(sha256_of(&b"abc"[..]).unwrap(), abc);
    }
}
