//! A socket to Asterisk, with or without TLS.

use std::{io, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    error::AmiError,
    options::{Options, Tls},
};

/// Either kind of socket.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(super) async fn connect(options: &Options) -> Result<Box<dyn Stream>, AmiError> {
    let tls = options.tls.as_ref().map(|tls| prepare(options, tls)).transpose()?;
    let unreachable =
        |source: io::Error| AmiError::Unreachable { addr: options.addr.clone(), source: Arc::new(source) };
    let tcp = TcpStream::connect(&options.addr).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    if let Err(error) = guard(&tcp, options.dead_after) {
        tracing::debug!(%error, "the system does not take our keep-alive settings");
    }
    let Some((connector, name)) = tls else { return Ok(Box::new(tcp)) };
    let stream = connector.connect(name, tcp).await.map_err(|error| failed(options, &error))?;
    Ok(Box::new(stream))
}

/// Lets the system notice a peer that is gone even while Asterisk is allowed to be silent because it works for us: a
/// machine that lost its network does not acknowledge, a busy Asterisk does.
fn guard(tcp: &TcpStream, dead_after: Duration) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, (dead_after / 2).max(Duration::from_secs(1)))?;
    sockopt::set_tcp_keepintvl(tcp, (dead_after / 5).max(Duration::from_secs(1)))?;
    sockopt::set_tcp_keepcnt(tcp, 3)?;
    sockopt::set_tcp_user_timeout(tcp, u32::try_from(dead_after.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

fn failed(options: &Options, reason: &dyn std::fmt::Display) -> AmiError {
    AmiError::Tls { addr: options.addr.clone(), reason: reason.to_string() }
}

fn prepare(options: &Options, tls: &Tls) -> Result<(TlsConnector, ServerName<'static>), AmiError> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let pem = fs_err::read(path).map_err(|error| failed(options, &error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate =
                    certificate.map_err(|error| failed(options, &format!("{}: {error}", path.display())))?;
                roots.add(certificate).map_err(|error| failed(options, &format!("{}: {error}", path.display())))?;
            }
            if roots.is_empty() {
                return Err(failed(options, &format!("{}: no certificate in it", path.display())));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(options, &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = tls.server_name.as_deref().unwrap_or_else(|| options.host());
    let name =
        ServerName::try_from(name.to_owned()).map_err(|_| failed(options, &format!("{name:?} is no host name")))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
