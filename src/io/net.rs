//! Drives: the network: where connections come from.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use glommio::net::TcpStream;

use super::cores;
use super::listener::{self, Listener, SocketOptions};
#[cfg(any(test, feature = "sim"))]
use super::sim;
use super::stream::Stream;

/// A network as one executor sees it; cheap to clone.
#[derive(Clone)]
pub struct Net(Kind);

#[derive(Clone)]
enum Kind {
    Ring,
    #[cfg(any(test, feature = "sim"))]
    Sim(sim::SimNet),
}

impl Net {
    /// The machine's network; for use on the current executor.
    pub fn ring() -> Net {
        Net(Kind::Ring)
    }

    /// A simulated network.
    #[cfg(any(test, feature = "sim"))]
    pub fn simulated(net: sim::SimNet) -> Net {
        Net(Kind::Sim(net))
    }

    /// Connects to `address`. How long that may take is for the caller to say: see
    /// [`Runtime::within`](super::runtime::Runtime::within).
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        match &self.0 {
            Kind::Ring => {
                let stream = TcpStream::connect(address).await.map_err(io::Error::from)?;
                stream.set_nodelay(true).map_err(io::Error::from)?;
                Ok(Stream::tcp(stream))
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(net) => net.connect(address).await.map(Stream::simulated),
        }
    }

    /// The addresses of `host`, which may be an address itself. A simulated network has no names.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, port).into()]);
        }
        match &self.0 {
            Kind::Ring => {
                let asked = (host.to_owned(), port);
                let found = cores::blocking(move || asked.to_socket_addrs().map(Vec::from_iter));
                found.await
            }
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Listens on `address`, on the current executor; port 0 takes any free port. As
    /// [`listener::bind`], it may block while the port is in use: sockets of a broker are bound
    /// before its executors start.
    pub fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        match &self.0 {
            Kind::Ring => listener::bind(address, SocketOptions::default()).map(|it| it.listen()),
            #[cfg(any(test, feature = "sim"))]
            Kind::Sim(net) => net.listen(address).map(Listener::simulated),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::cores::{self, CoreOptions};
    use crate::io::runtime::Runtime;
    use crate::io::sim::{Weather, World};

    const SECOND: Duration = Duration::from_secs(1);

    /// Runs `test` over both networks.
    fn on_both<F: Future<Output = ()> + 'static>(
        test: impl Fn(Net, Runtime) -> F + Send + 'static,
    ) {
        for seed in 0..10 {
            let world = World::new(seed);
            let net = Net::simulated(world.net().clone());
            world.run(test(net, world.runtime()));
        }
        let options = CoreOptions {
            name: "net".to_owned(),
            cpu: None,
            spin: Duration::ZERO,
            io_memory_bytes: 64 << 10,
        };
        let core = cores::start(options, move || test(Net::ring(), Runtime::ring()));
        core.unwrap().join().unwrap();
    }

    fn any_port() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    /// Both ends of a new connection: the client's, and the listener's.
    async fn connected(net: &Net) -> (Stream, Stream) {
        let listener = net.listen(any_port()).unwrap();
        let address = listener.address().unwrap();
        let client = net.connect(address).await.unwrap();
        let server = listener.accept().await.unwrap();
        assert_eq!(client.peer().unwrap(), address);
        assert_eq!(server.local().unwrap(), address);
        assert_eq!(server.peer().unwrap(), client.local().unwrap());
        (client, server)
    }

    async fn read_to_end(stream: &Stream) -> io::Result<Vec<u8>> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 5_000]);
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok(all),
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn numbered(count: u32) -> Vec<u8> {
        (0..count).flat_map(u32::to_be_bytes).collect()
    }

    #[test]
    fn all_bytes_come_in_order_and_what_one_side_ends_the_other_still_answers() {
        on_both(|net, runtime| async move {
            let (client, server) = connected(&net).await;
            let sent = numbered(100_000);
            let sending = runtime.spawn({
                let (client, sent) = (client.clone(), sent.clone());
                async move {
                    client.write_all(&sent).await.unwrap();
                    client.end_writes().await.unwrap();
                    client.written_bytes()
                }
            });
            assert_eq!(read_to_end(&server).await.unwrap(), sent);
            assert_eq!(sending.join().await, sent.len() as u64);
            let pieces: [&[u8]; 3] = [b"one", b"", b"two"];
            let mut pieces = pieces.map(std::io::IoSlice::new);
            server.write_all_vectored(&mut pieces).await.unwrap();
            drop(server);
            assert_eq!(read_to_end(&client).await.unwrap(), b"onetwo");
        });
    }

    #[test]
    fn a_reader_that_takes_nothing_blocks_its_writer_and_its_end_frees_it() {
        on_both(|net, runtime| async move {
            let (client, server) = connected(&net).await;
            let bytes = vec![7; 64 << 20];
            let (slow, piece) = (client.clone(), bytes.clone());
            let writing = runtime.spawn(async move { slow.write_all(&piece).await });
            while !client.is_write_blocked() {
                runtime.sleep(SECOND / 1_000).await;
            }
            let before = client.written_bytes();
            assert!(before < bytes.len() as u64);
            server.shutdown().await;
            drop(server);
            assert!(writing.join().await.is_err());
        });
    }

    #[test]
    fn without_a_listener_there_is_no_connection() {
        on_both(|net, _| async move {
            let listener = net.listen(any_port()).unwrap();
            let address = listener.address().unwrap();
            drop(listener);
            let error = net.connect(address).await.err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        });
    }

    #[test]
    fn through_a_cut_nothing_comes_until_it_is_healed() {
        for seed in 0..10 {
            let world = World::new(seed);
            let (weather, runtime) = (world.net().clone(), world.runtime());
            let net = Net::simulated(weather.clone());
            world.run(async move {
                let (client, server) = connected(&net).await;
                let address = server.local().unwrap();
                weather.cut(address);
                client.write_all(b"hello").await.unwrap();
                let mut buffer = [0; 5];
                let read = runtime.within(60 * SECOND, server.read(&mut buffer));
                assert!(read.await.is_none());
                let connecting = runtime.within(SECOND, net.connect(address)).await;
                assert!(connecting.is_none());
                weather.heal(address);
                client.end_writes().await.unwrap();
                assert_eq!(read_to_end(&server).await.unwrap(), b"hello");
            });
        }
    }

    #[test]
    fn a_lost_connection_fails_on_both_sides() {
        let world = World::new(1);
        let (weather, runtime) = (world.net().clone(), world.runtime());
        let net = Net::simulated(weather.clone());
        world.run(async move {
            let (client, server) = connected(&net).await;
            let waiting = runtime.spawn(async move { client.read(&mut [0; 8]).await });
            weather.lose(server.local().unwrap());
            let reset = |result: io::Result<usize>| result.unwrap_err().kind();
            assert_eq!(reset(waiting.join().await), io::ErrorKind::ConnectionReset);
            let written = server.write_all(b"x").await.map(|()| 0);
            assert_eq!(reset(written), io::ErrorKind::ConnectionReset);
            // And in bad weather by itself.
            weather.set_weather(Weather {
                lost_one_in: 50,
                ..Weather::default()
            });
            let (client, server) = connected(&net).await;
            let writing = runtime.spawn(async move { client.write_all(&vec![1; 9 << 20]).await });
            assert!(read_to_end(&server).await.is_err());
            assert!(writing.join().await.is_err());
        });
    }

    #[test]
    fn one_seed_gives_the_same_pieces_at_the_same_times() {
        let story = |seed| {
            let world = World::new(seed);
            let net = Net::simulated(world.net().clone());
            let runtime = world.runtime();
            world.run(async move {
                let (client, server) = connected(&net).await;
                runtime.spawn(async move { client.write_all(&numbered(20_000)).await });
                let (mut buffer, mut pieces) = ([0; 4_096], Vec::new());
                while let Ok(count @ 1..) = server.read(&mut buffer).await {
                    pieces.push((runtime.now(), count));
                }
                pieces
            })
        };
        assert_eq!(story(5), story(5));
        assert_ne!(story(5), story(6));
    }
}
