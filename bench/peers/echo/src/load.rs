//! One thread, non-blocking sockets, one poller: as little work for each message as there can be.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use polling::{Event, Events, PollMode, Poller};

struct Connection {
    socket: TcpStream,
    sent: usize,
    received: usize,
    begun: Instant,
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
        Meter { span: Duration::from_millis(ms as u64), begun: Instant::now(), warm: false, count: 0, micros: Vec::with_capacity(1 << 20) }
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
        println!("{{\"perSecond\":{:.1},\"p50\":{:.2},\"p99\":{:.2}}}", self.count as f64 / seconds, at(0.5), at(0.99));
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connect");
    socket.set_nodelay(true).expect("nodelay");
    socket.set_nonblocking(true).expect("nonblocking");
    socket
}

pub fn echo(address: SocketAddr, connections: usize, size: usize, ms: usize) {
    let poller = Poller::new().expect("poller");
    let message = vec![7u8; size];
    let mut buffer = vec![0u8; 256 * 1024];
    let mut all: Vec<Connection> = (0..connections)
        .map(|key| {
            let socket = connect(address);
            // SAFETY: the poller ends before the sockets do.
            unsafe { poller.add_with_mode(&socket, Event::all(key), PollMode::Edge).expect("add") };
            Connection { socket, sent: 0, received: 0, begun: Instant::now() }
        })
        .collect();
    let mut meter = Meter::new(ms);
    let mut events = Events::new();
    loop {
        events.clear();
        poller.wait(&mut events, Some(Duration::from_secs(10))).expect("wait");
        assert!(!events.is_empty(), "the server says nothing");
        for event in events.iter() {
            let connection = &mut all[event.key];
            turn(connection, &message, &mut buffer, &mut meter);
        }
        if meter.over(Instant::now()) {
            break;
        }
    }
    meter.report();
}

/// Writes and reads until both would block.
fn turn(connection: &mut Connection, message: &[u8], buffer: &mut [u8], meter: &mut Meter) {
    loop {
        let mut moved = false;
        if connection.sent < message.len() {
            if connection.sent == 0 {
                connection.begun = Instant::now();
            }
            match connection.socket.write(&message[connection.sent..]) {
                Ok(count) => {
                    connection.sent += count;
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("write: {error}"),
            }
        }
        match connection.socket.read(buffer) {
            Ok(0) => panic!("the server closed"),
            Ok(count) => {
                connection.received += count;
                moved = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("read: {error}"),
        }
        if connection.received == message.len() {
            (connection.sent, connection.received) = (0, 0);
            meter.note(connection.begun, Instant::now());
        } else if !moved || connection.sent == message.len() && connection.received == 0 {
            return;
        }
    }
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
