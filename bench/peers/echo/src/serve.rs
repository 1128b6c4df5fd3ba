//! Echo servers as their users write them: a task for each connection, which reads and writes all of what it read.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

const BUFFER: usize = 64 * 1024;

fn announce(address: SocketAddr) {
    println!("{}", address.port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}

pub fn tokio() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        announce(listener.local_addr().expect("address"));
        loop {
            let (mut socket, _) = listener.accept().await.expect("accept");
            socket.set_nodelay(true).expect("nodelay");
            tokio::task::spawn_local(async move {
                let mut buffer = vec![0; BUFFER];
                while let Ok(count @ 1..) = socket.read(&mut buffer).await {
                    if socket.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
}

pub fn tokio_udp() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("runtime");
    runtime.block_on(async {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        announce(socket.local_addr().expect("address"));
        let mut buffer = vec![0; BUFFER];
        loop {
            let (count, from) = socket.recv_from(&mut buffer).await.expect("recv");
            let _ = socket.send_to(&buffer[..count], from).await;
        }
    });
}

pub fn async_io() {
    use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
    let executor = async_executor::LocalExecutor::new();
    futures_lite::future::block_on(executor.run(async {
        let listener = async_io::Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        announce(listener.get_ref().local_addr().expect("address"));
        loop {
            let (mut socket, _) = listener.accept().await.expect("accept");
            socket.get_ref().set_nodelay(true).expect("nodelay");
            executor
                .spawn(async move {
                    let mut buffer = vec![0; BUFFER];
                    while let Ok(count @ 1..) = socket.read(&mut buffer).await {
                        if socket.write_all(&buffer[..count]).await.is_err() {
                            return;
                        }
                    }
                })
                .detach();
        }
    }));
}
