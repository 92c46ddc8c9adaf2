use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

const DNS_NAMES: [&str; 3] = ["github.com", "api.github.com", "localhost"];

/// A private certificate authority. Clones share the key, so a stand-in can be restarted under the same one.
#[derive(Clone)]
pub struct CertificateAuthority(Arc<CertifiedIssuer<'static, KeyPair>>);

impl CertificateAuthority {
    /// Makes a new one.
    pub fn generate() -> Result<Self> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "ff-testkit CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self(Arc::new(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?)))
    }

    /// The CA's certificate, to be trusted by clients.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A TLS acceptor whose certificate carries GitHub's names, loopback, `ip` and `names`.
    pub(crate) fn acceptor(&self, ip: IpAddr, names: &[String]) -> Result<TlsAcceptor> {
        let mut all: Vec<String> = DNS_NAMES.iter().map(|name| (*name).to_owned()).collect();
        all.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
        all.extend(names.iter().cloned());
        let mut params = CertificateParams::new(all)?;
        if !ip.is_unspecified() {
            params.subject_alt_names.push(SanType::IpAddress(ip));
        }
        params
            .distinguished_name
            .push(DnType::CommonName, "github.com");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &*self.0)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .finish_non_exhaustive()
    }
}
