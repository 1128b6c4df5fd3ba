//! Socket addresses between JavaScript and the core, as a block of memory that is the same on every platform:
//! five numbers (kind, port, flow info, scope id, length of the text) and the text. `src/sys/address.ts` has the
//! other half.

use std::net::SocketAddr;

use asyncfd_core::sys::address::{Address, MAX_BYTES};
use asyncfd_core::sys::{Errno, Result};

use super::view::View;

const HEADER: usize = 5 * 4;
/// The size of a block; a text is never longer than an address.
const BLOCK: usize = HEADER + MAX_BYTES;

/// No address: the peer of a connected stream.
const NONE: u32 = 0;
const UNIX: u32 = 1;
const RAW: u32 = 2;
const IPV4: u32 = 4;
const IPV6: u32 = 6;

/// Refuses a block that an address could not be written to, before the call that would yield one.
pub fn check_room(block: &View) -> Result<()> {
    if block.bytes()?.len < BLOCK { Err(Errno::RANGE) } else { Ok(()) }
}

pub fn read(block: &View) -> Result<Address> {
    let bytes = block.copy()?;
    let word = |index: usize| -> Result<u32> {
        let word = bytes.get(index * 4..index * 4 + 4).ok_or(Errno::RANGE)?;
        Ok(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
    };
    let (kind, port, flow_info, scope_id, len) = (word(0)?, word(1)?, word(2)?, word(3)?, word(4)? as usize);
    let text = HEADER.checked_add(len).and_then(|end| bytes.get(HEADER..end)).ok_or(Errno::RANGE)?;
    match kind {
        IPV4 | IPV6 => {
            let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
            let port = u16::try_from(port).map_err(|_| Errno::INVAL)?;
            Address::parse_inet(text, port, flow_info, scope_id)
        }
        UNIX => Ok(Address::Unix(text.to_vec())),
        RAW => Ok(Address::Raw(text.to_vec())),
        _ => Err(Errno::INVAL),
    }
}

pub fn write(block: &View, address: Option<&Address>) -> Result<()> {
    let (kind, port, flow_info, scope_id, text) = match address {
        None => (NONE, 0, 0, 0, Vec::new()),
        Some(Address::Inet(SocketAddr::V4(address))) => {
            (IPV4, address.port(), 0, 0, address.ip().to_string().into_bytes())
        }
        Some(Address::Inet(SocketAddr::V6(address))) => {
            let text = address.ip().to_string().into_bytes();
            (IPV6, address.port(), address.flowinfo(), address.scope_id(), text)
        }
        Some(Address::Unix(name)) => (UNIX, 0, 0, 0, name.clone()),
        Some(Address::Raw(bytes)) => (RAW, 0, 0, 0, bytes.clone()),
    };
    let words = [kind, u32::from(port), flow_info, scope_id, text.len() as u32];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    bytes.extend_from_slice(&text);
    block.write(&bytes)
}
