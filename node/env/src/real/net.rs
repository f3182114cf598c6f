//! TCP of the machine, on tokio.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::net::{
    BoxedReader, BoxedStream, BoxedWriter, Detached, Listener, NetFuture, Network, Stream,
};

/// TCP of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpNetwork;

impl Network for TcpNetwork {
    fn listen<'a>(&'a self, address: &'a str) -> NetFuture<'a, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> NetFuture<'a, BoxedStream> {
        Box::pin(async move { boxed(TcpStream::connect(address).await?) })
    }
}

fn boxed(stream: TcpStream) -> io::Result<BoxedStream> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

impl Listener for TcpListener {
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn accept(&self) -> NetFuture<'_, BoxedStream> {
        Box::pin(async move {
            loop {
                let (stream, _) = Self::accept(self).await?;
                // One that is gone already is nobody's.
                if let Ok(stream) = boxed(stream) {
                    return Ok(stream);
                }
            }
        })
    }
}

impl Stream for TcpStream {
    fn peer_address(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn split(self: Box<Self>) -> (BoxedReader, BoxedWriter) {
        let (reader, writer) = self.into_split();
        (Box::new(reader), Box::new(writer))
    }

    fn hold_back(&self) {
        // A connection that is gone has nothing to hold back.
        drop(SockRef::from(self).set_tcp_cork(true));
    }

    fn detach(self: Box<Self>) -> io::Result<Box<dyn Detached>> {
        Ok(Box::new(self.into_std()?))
    }
}

impl Detached for StdStream {
    fn attach(self: Box<Self>) -> io::Result<BoxedStream> {
        Ok(Box::new(TcpStream::from_std(*self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_is_seen() {
        let listener = TcpNetwork.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_address().unwrap().to_string();
        let (client, server) = tokio::join!(TcpNetwork.connect(&address), listener.accept());
        let (mut client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.peer_address().unwrap().to_string(), address);
        let server = server.detach().unwrap().attach().unwrap();
        let (mut reader, mut writer) = server.split();
        client.write_all(b"ask").await.unwrap();
        let mut asked = [0; 3];
        reader.read_exact(&mut asked).await.unwrap();
        writer.write_all(b"answer").await.unwrap();
        drop((reader, writer));
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!((&asked[..], &answer[..]), (&b"ask"[..], &b"answer"[..]));
    }

    #[tokio::test]
    async fn nobody_at_an_address_is_an_error() {
        let listener = TcpNetwork.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_address().unwrap().to_string();
        drop(listener);
        assert!(TcpNetwork.connect(&address).await.is_err());
    }
}
