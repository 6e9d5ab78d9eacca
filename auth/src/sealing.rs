//! Secrets that the database holds are encrypted with a key that it does not hold.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::{Error, Result};

/// The installation's secret: 32 bytes, kept outside of the database.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// A new random key.
    pub fn generate() -> Result<Self> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| Error::Crypto("no randomness"))?;
        Ok(Self(key))
    }

    /// Reads a key from base64.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self> {
        let invalid = Error::Invalid("the secret key must be 32 bytes in base64");
        let bytes = BASE64.decode(text.trim()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(invalid)
    }

    /// The key as base64.
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.0)
    }

    fn cipher(&self) -> Result<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0).map_err(|_| Error::Crypto("bad key"))
    }

    /// Encrypts `secret` (AES-256-GCM; nonce, then ciphertext and tag) for the row `context`;
    /// in another row it does not open.
    pub(crate) fn seal(&self, secret: &[u8], context: &str) -> Result<Vec<u8>> {
        let mut text = secret.to_vec();
        let nonce = self
            .cipher()?
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut text)
            .map_err(|_| Error::Crypto("sealing failed"))?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Decrypts what [`Self::seal`] made for the same `context`.
    ///
    /// # Errors
    /// [`Error::WrongSecretKey`].
    pub(crate) fn open(&self, sealed: &[u8], context: &str) -> Result<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Error::WrongSecretKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::WrongSecretKey)?;
        let mut text = text.to_vec();
        let opened = self
            .cipher()?
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut text)
            .map_err(|_| Error::WrongSecretKey)?;
        Ok(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_with_its_key_in_its_row_only() {
        let key = SecretKey::generate().unwrap();
        let sealed = key.seal(b"secret", "signing_key:1").unwrap();
        assert_eq!(key.open(&sealed, "signing_key:1").unwrap(), b"secret");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert!(key.open(&sealed, "signing_key:2").is_err());
        assert!(SecretKey::generate().unwrap().open(&sealed, "signing_key:1").is_err());
        assert!(key.open(&sealed[..5], "signing_key:1").is_err());
        let copy = SecretKey::from_base64(&key.to_base64()).unwrap();
        assert_eq!(copy.open(&sealed, "signing_key:1").unwrap(), b"secret");
        assert!(SecretKey::from_base64("c2hvcnQ=").is_err());
    }
}
