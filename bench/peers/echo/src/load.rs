//! One thread, non-blocking sockets, one poller: as little work for each message as there can be.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::meter::Meter;

struct Connection {
    socket: TcpStream,
    sent: usize,
    received: usize,
    begun: Instant,
    /// Nothing is to be sent for now.
    rests: bool,
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connect");
    socket.set_nodelay(true).expect("nodelay");
    socket.set_nonblocking(true).expect("nonblocking");
    socket
}

/// Connections to one server, on each of which a message goes to and fro.
struct Client {
    poll: Poll,
    events: Events,
    all: Vec<Connection>,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr, connections: usize, size: usize) -> Self {
        let poll = Poll::new().expect("poll");
        let all = (0..connections)
            .map(|key| {
                let socket = connect(address);
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry()
                    .register(&mut SourceFd(&socket.as_raw_fd()), Token(key), interest)
                    .expect("register");
                Connection { socket, sent: 0, received: 0, begun: Instant::now(), rests: false }
            })
            .collect();
        Client {
            poll,
            events: Events::with_capacity(connections),
            all,
            message: vec![7; size],
            buffer: vec![0; 256 * 1024],
        }
    }

    /// Waits, and does what can be done. `back` is told when a message was sent that has come back, and says whether to send it again.
    fn step(&mut self, back: &mut impl FnMut(Instant, Instant) -> bool) {
        self.poll.poll(&mut self.events, Some(Duration::from_secs(10))).expect("poll");
        assert!(!self.events.is_empty(), "the server says nothing");
        for event in self.events.iter() {
            self.all[event.token().0].turn(&self.message, &mut self.buffer, back);
        }
    }

    /// Echoes for a while, until all have come back. Returns how many came back in a second.
    fn slice(&mut self, span: Duration) -> f64 {
        let (begun, count, resting) = (Instant::now(), Cell::new(0), Cell::new(0));
        let all = self.all.len();
        let mut back = |_, now: Instant| {
            count.set(count.get() + 1);
            let again = now - begun < span;
            resting.set(resting.get() + usize::from(!again));
            again
        };
        for connection in &mut self.all {
            connection.rests = false;
            connection.turn(&self.message, &mut self.buffer, &mut back);
        }
        while resting.get() < all {
            self.step(&mut back);
        }
        f64::from(count.get()) / begun.elapsed().as_secs_f64()
    }
}

impl Connection {
    /// Writes and reads until both would block. What a short read left there is told by the next event, so it is not asked for.
    fn turn(&mut self, message: &[u8], buffer: &mut [u8], back: &mut impl FnMut(Instant, Instant) -> bool) {
        let mut readable = true;
        while !self.rests {
            if self.sent < message.len() {
                match self.socket.write(&message[self.sent..]) {
                    Ok(count) => self.sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("write: {error}"),
                }
            }
            if !readable {
                return;
            }
            // Thrown away by the kernel: what is measured is the server, and that its answers are right is tested elsewhere.
            match recv(&self.socket, &mut *buffer, RecvFlags::TRUNC) {
                Ok((0, _)) => panic!("the server closed"),
                Ok((count, _)) => {
                    self.received += count;
                    readable = count == buffer.len();
                }
                Err(Errno::AGAIN) => return,
                Err(error) => panic!("read: {error}"),
            }
            if self.received == message.len() {
                (self.sent, self.received) = (0, 0);
                let now = Instant::now();
                self.rests = !back(self.begun, now);
                self.begun = now;
            }
        }
    }
}

pub fn echo(address: SocketAddr, connections: usize, size: usize, ms: usize) {
    let mut client = Client::new(address, connections, size);
    let mut meter = Meter::new(ms);
    while !meter.over(Instant::now()) {
        client.step(&mut |begun, now| {
            meter.note(begun, now);
            true
        });
    }
    meter.report();
}

const SLICE: Duration = Duration::from_millis(20);
const WARMUP: usize = 25;

/// Slices of some milliseconds of each server in turn, forwards and backwards: what disturbs one of them disturbs all.
pub fn slices(connections: usize, size: usize, rounds: usize, addresses: &[SocketAddr]) {
    let mut clients: Vec<Client> =
        addresses.iter().map(|&address| Client::new(address, connections, size)).collect();
    for client in &mut clients {
        for _ in 0..WARMUP {
            client.slice(SLICE);
        }
    }
    let mut rates = vec![Vec::new(); clients.len()];
    for round in 0..rounds {
        for step in 0..clients.len() {
            let at = if round % 2 == 0 { step } else { clients.len() - 1 - step };
            rates[at].push(clients[at].slice(SLICE));
        }
    }
    let medians: Vec<String> = rates
        .iter_mut()
        .enumerate()
        .map(|(at, rates)| {
            rates.sort_unstable_by(f64::total_cmp);
            format!("\"{at}\":{:.1}", rates[rates.len() / 2])
        })
        .collect();
    println!("{{{}}}", medians.join(","));
}

pub fn accept(address: SocketAddr, connections: usize, ms: usize) {
    let mut meter = Meter::new(ms);
    loop {
        let mut batch: Vec<(TcpStream, Instant)> = (0..connections)
            .map(|_| {
                let begun = Instant::now();
                let mut socket = TcpStream::connect(address).expect("connect");
                socket.write_all(&[7]).expect("write");
                (socket, begun)
            })
            .collect();
        for (socket, begun) in &mut batch {
            socket.read_exact(&mut [0]).expect("read");
            meter.note(*begun, Instant::now());
            // No TIME_WAIT: there are only so many ports.
            socket2::SockRef::from(&*socket).set_linger(Some(Duration::ZERO)).expect("linger");
        }
        drop(batch);
        if meter.over(Instant::now()) {
            break;
        }
    }
    meter.report();
}
