//! Socket addresses between JavaScript and the core, as a block of memory that is the same on every platform:
//! five numbers (kind, port, flow info, scope id, length of the text) and the text. An IPv4 address has no text: it is
//! a number itself, in the place of the length. `src/sys/address.ts` has the other half.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use asyncfd_core::sys::address::{Address, MAX_BYTES};
use asyncfd_core::sys::{Errno, Result};

use crate::raw::Bytes;

const HEADER: usize = 5 * 4;
/// The size of a block; a text is never longer than an address.
const BLOCK: usize = HEADER + MAX_BYTES;

/// No address: the peer of a connected stream.
const NONE: u32 = 0;
const UNIX: u32 = 1;
const RAW: u32 = 2;
const IPV4: u32 = 4;
const IPV6: u32 = 6;

/// A block, where it lies until JavaScript runs again.
pub struct Block(*mut u8);

impl Block {
    /// Refuses what is too small for any address, before the call that would yield one.
    #[inline]
    pub fn new(bytes: Bytes) -> Result<Block> {
        Block::nth(bytes, 0)
    }

    /// As `new`, of blocks that lie one behind the other.
    #[inline]
    pub fn nth(bytes: Bytes, index: usize) -> Result<Block> {
        bytes.part(index * BLOCK, BLOCK).map(|part| Block(part.ptr)).ok_or(Errno::RANGE)
    }

    /// EINVAL if there is no address.
    #[inline]
    pub fn read(&self) -> Result<Address> {
        self.read_if_any()?.ok_or(Errno::INVAL)
    }

    #[inline]
    pub fn read_if_any(&self) -> Result<Option<Address>> {
        let mut bytes = [0; BLOCK];
        // SAFETY: the block has this size, and is no longer used when JavaScript runs again.
        unsafe { std::ptr::copy_nonoverlapping(self.0, bytes.as_mut_ptr(), BLOCK) };
        let word = |index: usize| {
            u32::from_ne_bytes([
                bytes[index * 4],
                bytes[index * 4 + 1],
                bytes[index * 4 + 2],
                bytes[index * 4 + 3],
            ])
        };
        let (kind, port, flow_info, scope_id, last) = (word(0), word(1), word(2), word(3), word(4));
        let port = || u16::try_from(port).map_err(|_| Errno::INVAL);
        if kind == IPV4 {
            return Ok(Some(Address::Inet(SocketAddrV4::new(Ipv4Addr::from(last), port()?).into())));
        }
        let text = &bytes[HEADER..].get(..last as usize).ok_or(Errno::RANGE)?;
        Ok(Some(match kind {
            NONE => return Ok(None),
            IPV6 => {
                let text = std::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
                Address::parse_inet(text, port()?, flow_info, scope_id)?
            }
            UNIX => Address::Unix(text.to_vec()),
            RAW => Address::Raw(text.to_vec()),
            _ => return Err(Errno::INVAL),
        }))
    }

    #[inline]
    pub fn write(&self, address: Option<&Address>) -> Result<()> {
        let v6;
        let (words, text) = match address {
            None => ([NONE, 0, 0, 0, 0], &[][..]),
            Some(Address::Inet(SocketAddr::V4(address))) => {
                ([IPV4, address.port().into(), 0, 0, u32::from(*address.ip())], &[][..])
            }
            Some(Address::Inet(SocketAddr::V6(address))) => {
                v6 = address.ip().to_string();
                let len = v6.len() as u32;
                ([IPV6, address.port().into(), address.flowinfo(), address.scope_id(), len], v6.as_bytes())
            }
            Some(Address::Unix(name)) => ([UNIX, 0, 0, 0, name.len() as u32], &name[..]),
            Some(Address::Raw(bytes)) => ([RAW, 0, 0, 0, bytes.len() as u32], &bytes[..]),
        };
        if text.len() > MAX_BYTES {
            return Err(Errno::RANGE);
        }
        // SAFETY: the block has room for the words and for a text of this length, and is no longer used when JavaScript
        // runs again; it overlaps nothing of ours.
        unsafe {
            std::ptr::copy_nonoverlapping(words.as_ptr().cast(), self.0, HEADER);
            std::ptr::copy_nonoverlapping(text.as_ptr(), self.0.wrapping_add(HEADER), text.len());
        }
        Ok(())
    }
}
