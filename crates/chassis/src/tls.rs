//! Chooses the cryptography of TLS, once per process.

use std::sync::OnceLock;

static CHOSEN: OnceLock<()> = OnceLock::new();

/// Chooses *ring*, unless another part of the process has chosen already. Every HTTP client needs a choice, also a client that
/// uses only plain HTTP.
pub fn choose_provider() {
    CHOSEN.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
