//! One thread, non-blocking sockets, one poller: as little work for each message as there can be.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use polling::{Event, Events, PollMode, Poller};

struct Connection {
    socket: TcpStream,
    sent: usize,
    received: usize,
    begun: Instant,
    /// Nothing is to be sent for now.
    rests: bool,
}

/// Counts between a warm-up and an end.
struct Meter {
    span: Duration,
    begun: Instant,
    warm: bool,
    count: u64,
    micros: Vec<u32>,
}

impl Meter {
    fn new(ms: usize) -> Self {
        Meter {
            span: Duration::from_millis(ms as u64),
            begun: Instant::now(),
            warm: false,
            count: 0,
            micros: Vec::with_capacity(1 << 20),
        }
    }

    fn note(&mut self, since: Instant, now: Instant) {
        self.count += 1;
        if self.micros.len() < self.micros.capacity() {
            self.micros.push(((now - since).as_nanos() / 10).min(u128::from(u32::MAX)) as u32);
        }
    }

    /// True when the time is up.
    fn over(&mut self, now: Instant) -> bool {
        let elapsed = now - self.begun;
        if self.warm {
            return elapsed >= self.span;
        }
        if elapsed >= self.span / 3 {
            (self.warm, self.begun, self.count) = (true, now, 0);
            self.micros.clear();
        }
        false
    }

    fn report(mut self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.micros.sort_unstable();
        let at = |part: f64| f64::from(self.micros[((self.micros.len() - 1) as f64 * part) as usize]) / 100.0;
        println!(
            "{{\"perSecond\":{:.1},\"p50\":{:.2},\"p99\":{:.2}}}",
            self.count as f64 / seconds,
            at(0.5),
            at(0.99)
        );
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connect");
    socket.set_nodelay(true).expect("nodelay");
    socket.set_nonblocking(true).expect("nonblocking");
    socket
}

/// Connections to one server, on each of which a message goes to and fro.
struct Client {
    poller: Poller,
    events: Events,
    all: Vec<Connection>,
    message: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr, connections: usize, size: usize) -> Self {
        let poller = Poller::new().expect("poller");
        let all = (0..connections)
            .map(|key| {
                let socket = connect(address);
                // SAFETY: the poller ends before the sockets do.
                unsafe { poller.add_with_mode(&socket, Event::all(key), PollMode::Edge).expect("add") };
                Connection { socket, sent: 0, received: 0, begun: Instant::now(), rests: false }
            })
            .collect();
        Client { poller, events: Events::new(), all, message: vec![7; size], buffer: vec![0; 256 * 1024] }
    }

    /// Waits, and does what can be done. `back` is told when a message was sent that has come back, and says whether to send it again.
    fn step(&mut self, back: &mut impl FnMut(Instant) -> bool) {
        self.events.clear();
        self.poller.wait(&mut self.events, Some(Duration::from_secs(10))).expect("wait");
        assert!(!self.events.is_empty(), "the server says nothing");
        for event in self.events.iter() {
            self.all[event.key].turn(&self.message, &mut self.buffer, back);
        }
    }

    /// Echoes for a while, until all have come back. Returns how many came back in a second.
    fn slice(&mut self, span: Duration) -> f64 {
        let (begun, count, resting) = (Instant::now(), Cell::new(0), Cell::new(0));
        let all = self.all.len();
        let mut back = |_| {
            count.set(count.get() + 1);
            let again = begun.elapsed() < span;
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
    /// Writes and reads until both would block.
    fn turn(&mut self, message: &[u8], buffer: &mut [u8], back: &mut impl FnMut(Instant) -> bool) {
        while !self.rests {
            let mut moved = false;
            if self.sent < message.len() {
                if self.sent == 0 {
                    self.begun = Instant::now();
                }
                match self.socket.write(&message[self.sent..]) {
                    Ok(count) => {
                        self.sent += count;
                        moved = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("write: {error}"),
                }
            }
            match self.socket.read(buffer) {
                Ok(0) => panic!("the server closed"),
                Ok(count) => {
                    self.received += count;
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("read: {error}"),
            }
            if self.received == message.len() {
                (self.sent, self.received) = (0, 0);
                self.rests = !back(self.begun);
            } else if !moved || self.sent == message.len() && self.received == 0 {
                return;
            }
        }
    }
}

pub fn echo(address: SocketAddr, connections: usize, size: usize, ms: usize) {
    let mut client = Client::new(address, connections, size);
    let mut meter = Meter::new(ms);
    while !meter.over(Instant::now()) {
        client.step(&mut |begun| {
            meter.note(begun, Instant::now());
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

/// Datagrams: so many are on their way at any time. One that is lost would be missed for ever, so a silence sends them anew.
pub fn udp(address: SocketAddr, on_their_way: usize, size: usize, ms: usize) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.connect(address).expect("connect");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("timeout");
    let message = vec![7u8; size];
    let mut buffer = vec![0u8; size + 1];
    let mut meter = Meter::new(ms);
    let send_all = || (0..on_their_way).for_each(|_| assert_eq!(socket.send(&message).expect("send"), size));
    send_all();
    let mut last = Instant::now();
    loop {
        match socket.recv(&mut buffer) {
            Ok(count) => {
                assert_eq!(count, size);
                let now = Instant::now();
                meter.note(last, now);
                last = now;
                socket.send(&message).expect("send");
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => send_all(),
            Err(error) => panic!("recv: {error}"),
        }
        if meter.over(last) {
            break;
        }
    }
    meter.report();
}
