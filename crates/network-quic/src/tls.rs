//! TLS 1.3 between nodes: raw public keys (RFC 7250) on secp256k1 on both sides, no certificates, no names, no resumption.
//!
//! TLS knows no signature scheme for BIP340, so a code point for private use stands for it (RFC 8446, section 4.2.3). What is
//! signed is the tagged hash of the content that RFC 8446, section 4.4.3, prescribes, so that no other signature of a
//! node key can be mistaken for it.

use std::sync::Arc;

use health_chain_data::{Hash, PublicKey, Signature, tagged_hash};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved,
    ServerConfig, SignatureAlgorithm, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, Signer, SigningKey},
    version::TLS13,
};

use crate::identity::{self, Identity, IdentityError};

/// The protocol that both sides must speak (application-layer protocol negotiation, RFC 7301). A change of the wire that old
/// nodes can't read gets another number.
pub const ALPN: &[u8] = b"health-chain/1";

/// The signature scheme: BIP340 over secp256k1.
const SCHEME: SignatureScheme = SignatureScheme::Unknown(0xfe10);

/// What a node's side of a connection that others opened is made with.
pub(crate) fn server(identity: &Arc<Identity>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_client_cert_verifier(Arc::new(PeerVerifier { identity: Arc::clone(identity) }))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(raw_key(identity))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves the keys anew.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

/// What a node's side of a connection that it opens is made with.
pub(crate) fn client(identity: &Arc<Identity>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PeerVerifier { identity: Arc::clone(identity) }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(raw_key(identity))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn raw_key(identity: &Arc<Identity>) -> Arc<CertifiedKey> {
    let key = CertificateDer::from(identity.public_key_info.clone());
    Arc::new(CertifiedKey::new(vec![key], Arc::new(NodeSigner(Arc::clone(identity)))))
}

/// What a node key signs.
fn digest(message: &[u8]) -> Hash {
    tagged_hash("HC/node/v1", &[message])
}

/// Signs with the node key.
#[derive(Debug, Clone)]
struct NodeSigner(Arc<Identity>);

impl SigningKey for NodeSigner {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SCHEME).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.0.public_key_info.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for NodeSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|_| Error::FailedToGetRandomBytes)?;
        Ok(self.0.secret.sign(&digest(message), &entropy).as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

/// Accepts any node that proves its key, but this one itself: who a node is, is all that TLS has to say. Whom to talk to
/// is decided above.
#[derive(Debug)]
struct PeerVerifier {
    identity: Arc<Identity>,
}

impl PeerVerifier {
    fn check_key(&self, key: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(refusal(IdentityError::Chain));
        }
        let key = identity::decode(key).map_err(refusal)?;
        if identity::peer_id(&key) == self.identity.peer {
            return Err(refusal(IdentityError::Own));
        }
        Ok(())
    }
}

fn check_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SCHEME {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    }
    let key: PublicKey = identity::decode(key).map_err(refusal)?;
    let signature = signed.signature().try_into().map_err(|_| CertificateError::BadSignature)?;
    key.verify(&digest(message), &Signature(signature)).map_err(|_| CertificateError::BadSignature)?;
    Ok(HandshakeSignatureValid::assertion())
}

fn refusal(reason: IdentityError) -> Error {
    CertificateError::Other(OtherError(Arc::new(reason))).into()
}

/// No TLS 1.2 is offered, so nothing of it can arrive.
fn old_version() -> Error {
    PeerMisbehaved::SelectedUnofferedCipherSuite.into()
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check_key(key, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SCHEME]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_key(key, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SCHEME]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
