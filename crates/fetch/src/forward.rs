//! Requests to a proxy that names whole URLs, as proxies expect for connections without protection.

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport};

/// Puts the server's scheme, host and port in front of the path of each request. With `None` requests stay as they are.
#[derive(Debug)]
pub struct WholeUrls(pub Option<String>);

impl<In: Transport> Connector<In> for WholeUrls {
    type Out = Either<In, Rewriting<In>>;

    fn connect(
        &self,
        _details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| match &self.0 {
            None => Either::A(inner),
            Some(server) => Either::B(Rewriting { inner, server: Some(server.clone()) }),
        }))
    }
}

/// A connection whose first request is rewritten. Connections are not used for a second request.
#[derive(Debug)]
pub struct Rewriting<In> {
    inner: In,
    server: Option<String>,
}

/// The bytes in front of the path of a request.
const METHOD: &[u8] = b"GET ";

impl<In: Transport> Transport for Rewriting<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let Some(server) = self.server.take() else { return self.inner.transmit_output(amount, timeout) };
        let output = self.inner.buffers().output();
        let (start, more) = (METHOD.len(), server.len());
        if !output.starts_with(METHOD) || amount < start || amount + more > output.len() {
            return Err(ureq::Error::Other("the request is too long for the proxy".into()));
        }
        output.copy_within(start..amount, start + more);
        output[start..start + more].copy_from_slice(server.as_bytes());
        self.inner.transmit_output(amount + more, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
