//! Secrets of robots and personal tokens: made here, or chosen by people.
//!
//! A generated secret has so much randomness that a plain hash keeps it; one that a person chose
//! is kept like a password.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::Result;
use crate::passwords;
use crate::randomness;

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// What personal tokens begin with, so that scanners of source code find leaked ones.
pub(crate) const TOKEN_PREFIX: &str = "rspat_";
const LENGTH: usize = 32;

/// 32 random letters and digits with at least one upper-case letter, one lower-case letter and
/// one digit: 190 bits.
pub(crate) fn generate() -> Result<String> {
    loop {
        let mut secret = String::with_capacity(LENGTH);
        while secret.len() < LENGTH {
            let mut byte = [0];
            randomness::fill(&mut byte)?;
            // Bytes beyond the last whole multiple are left out, so that none is favoured.
            let index = usize::from(byte[0]);
            if index < 256 - 256 % ALPHABET.len() {
                secret.push(char::from(ALPHABET[index % ALPHABET.len()]));
            }
        }
        if passwords::has_every_class(&secret) {
            return Ok(secret);
        }
    }
}

/// What is kept of a generated secret.
pub(crate) fn verifier(secret: &str) -> String {
    let hash = digest::digest(&digest::SHA256, secret.as_bytes());
    format!("sha256:{}", BASE64.encode(hash.as_ref()))
}

/// What is kept of a secret that a person chose.
pub(crate) async fn verifier_of_chosen(secret: &str) -> Result<String> {
    passwords::check(secret)?;
    passwords::hash(secret).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_differ_and_satisfy_harbors_rule() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 32 && passwords::check(&one).is_ok());
        assert_ne!(verifier(&one), verifier(&other));
        assert!(!verifier(&one).contains(&one));
    }
}
