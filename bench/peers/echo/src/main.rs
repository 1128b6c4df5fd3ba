//! `load ADDRESS CONNECTIONS SIZE MS`: keeps CONNECTIONS echoes of SIZE bytes going, one at a time on each, for MS milliseconds after a
//! warm-up of a third of that, and prints what came back as one line of JSON.
//!
//! `slices CONNECTIONS SIZE ROUNDS ADDRESS...`: the same on several servers in turn, ROUNDS times, and prints for each of them the median.
//!
//! `accept ADDRESS CONNECTIONS MS`: connects, sends a byte, reads it back, closes, over and over.
//!
//! `udp ADDRESS COUNT SIZE MS`: keeps COUNT datagrams on their way.
//!
//! `tokio`, `tokio-udp` and `async-io`: echo servers. They print their port and serve until standard input ends.

mod datagrams;
mod load;
mod meter;
mod serve;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize| args.get(at).and_then(|arg| arg.parse::<usize>().ok()).unwrap_or_else(|| usage());
    let address = || args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or_else(|| usage());
    match args.first().map(String::as_str) {
        Some("load") => load::echo(address(), number(2), number(3), number(4)),
        Some("slices") => {
            let addresses: Option<Vec<_>> = args.iter().skip(4).map(|address| address.parse().ok()).collect();
            load::slices(number(1), number(2), number(3), &addresses.unwrap_or_else(|| usage()));
        }
        Some("accept") => load::accept(address(), number(2), number(3)),
        Some("udp") => datagrams::udp(address(), number(2), number(3), number(4)),
        Some("tokio") => serve::tokio(),
        Some("tokio-udp") => serve::tokio_udp(),
        Some("async-io") => serve::async_io(),
        _ => usage(),
    }
}

fn usage() -> ! {
    eprintln!(
        "echo load ADDRESS CONNECTIONS SIZE MS | slices CONNECTIONS SIZE ROUNDS ADDRESS... | accept ADDRESS CONNECTIONS MS | udp ADDRESS COUNT SIZE MS | tokio | tokio-udp | async-io"
    );
    std::process::exit(2)
}
