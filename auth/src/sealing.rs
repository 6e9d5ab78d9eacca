//! Secrets that the database holds are encrypted with a key that it does not hold.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::{Error, Result};
use crate::randomness;

/// The installation's secret, kept outside of the database: one key of 32 bytes, or, while one is
/// exchanged for another, several. The first seals; all of them open.
#[derive(Clone)]
pub struct SecretKey(Vec<[u8; 32]>);

impl SecretKey {
    /// A new random key.
    pub fn generate() -> Result<Self> {
        let mut key = [0; 32];
        randomness::fill(&mut key)?;
        Ok(Self(vec![key]))
    }

    /// Reads keys from base64, separated by commas or white space.
    ///
    /// # Errors
    /// [`Error::Invalid`] when one is not base64 of 32 bytes, or there is none.
    pub fn from_base64(text: &str) -> Result<Self> {
        let words = text.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
        let keys: Option<Vec<[u8; 32]>> =
            words.map(|word| BASE64.decode(word).ok()?.try_into().ok()).collect();
        let keys = keys.filter(|keys| !keys.is_empty());
        keys.map(Self).ok_or(Error::Invalid("a secret key must be 32 bytes in base64"))
    }

    /// The keys as base64, separated by commas.
    pub fn to_base64(&self) -> String {
        self.0.iter().map(|key| BASE64.encode(key)).collect::<Vec<_>>().join(",")
    }

    fn cipher(key: &[u8; 32]) -> Result<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Error::Crypto("bad key"))
    }

    /// Encrypts `secret` (AES-256-GCM; nonce, then ciphertext and tag) for the row `context`;
    /// in another row it does not open.
    pub(crate) fn seal(&self, secret: &[u8], context: &str) -> Result<Vec<u8>> {
        let mut text = secret.to_vec();
        let first = self.0.first().ok_or(Error::WrongSecretKey)?;
        let nonce = Self::cipher(first)?
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
        for key in &self.0 {
            let nonce =
                Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::WrongSecretKey)?;
            let mut text = text.to_vec();
            let aad = Aad::from(context.as_bytes());
            if let Ok(opened) = Self::cipher(key)?.open_in_place(nonce, aad, &mut text) {
                return Ok(opened.to_vec());
            }
        }
        Err(Error::WrongSecretKey)
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
        assert!(SecretKey::from_base64(" ,\n").is_err());
        // While keys are exchanged, the first of two seals and both open.
        let next = SecretKey::generate().unwrap();
        let both = format!("{},{}\n", next.to_base64(), key.to_base64());
        let both = SecretKey::from_base64(&both).unwrap();
        assert_eq!(both.open(&sealed, "signing_key:1").unwrap(), b"secret");
        let anew = both.seal(b"secret", "signing_key:1").unwrap();
        assert_eq!(next.open(&anew, "signing_key:1").unwrap(), b"secret");
        assert!(key.open(&anew, "signing_key:1").is_err());
    }
}
