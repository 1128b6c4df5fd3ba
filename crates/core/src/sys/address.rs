//! Socket addresses: the kernel's bytes, and what they mean.

use std::ffi::CString;
use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::{Errno, Result};

/// The most bytes an address takes: `sockaddr_storage`.
pub const MAX_BYTES: usize = size_of::<libc::sockaddr_storage>();

const PATH_AT: usize = offset_of!(libc::sockaddr_un, sun_path);
const PATH_ROOM: usize = size_of::<libc::sockaddr_un>() - PATH_AT;

/// What an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Inet(SocketAddr),
    /// The name of a Unix socket: empty if it has none, with a leading NUL if it is abstract.
    Unix(Vec<u8>),
    /// A whole `sockaddr`: of a family that we do not know, or with a Unix name that is no UTF-8.
    Raw(Vec<u8>),
}

/// An address as the kernel takes and gives it.
pub struct RawAddress {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl RawAddress {
    /// Room for the kernel to write an address to.
    pub fn room() -> RawAddress {
        // SAFETY: all zeroes is a valid sockaddr_storage.
        RawAddress { storage: unsafe { std::mem::zeroed() }, len: MAX_BYTES as libc::socklen_t }
    }

    pub fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }

    pub fn size(&self) -> libc::socklen_t {
        self.len
    }

    /// Where the kernel writes how long the address really is.
    pub fn size_mut(&mut self) -> &mut libc::socklen_t {
        &mut self.len
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the storage is initialised throughout and the length is held to its size.
        unsafe {
            std::slice::from_raw_parts((&raw const self.storage).cast(), (self.len as usize).min(MAX_BYTES))
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<RawAddress> {
        if bytes.len() > MAX_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        let mut address = RawAddress::room();
        // SAFETY: the storage has room for MAX_BYTES bytes and cannot overlap the slice.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.as_mut_ptr().cast(), bytes.len()) };
        address.len = bytes.len() as libc::socklen_t;
        Ok(address)
    }

    /// A copy of the storage as one of its variants.
    ///
    /// # Safety
    /// `T` is a sockaddr type: plain integers and no larger than the storage.
    unsafe fn read<T>(&self) -> T {
        // SAFETY: the storage is initialised, aligned for every sockaddr and, by contract, large enough.
        unsafe { (&raw const self.storage).cast::<T>().read() }
    }

    /// # Safety
    /// As for `read`.
    unsafe fn of<T>(value: T) -> RawAddress {
        let mut address = RawAddress::room();
        // SAFETY: the storage is aligned for every sockaddr and, by contract, large enough.
        unsafe { address.as_mut_ptr().cast::<T>().write(value) };
        address.len = size_of::<T>() as libc::socklen_t;
        address
    }

    fn family(&self) -> Option<libc::c_int> {
        let end = offset_of!(libc::sockaddr, sa_family) + size_of::<libc::sa_family_t>();
        (self.len as usize >= end).then_some(libc::c_int::from(self.storage.ss_family))
    }

    /// What the kernel wrote; `None` if it wrote nothing (the peer of a connected stream has no address to give).
    pub fn decode(&self) -> Option<Address> {
        let len = self.len as usize;
        let family = self.family()?;
        if family == libc::AF_INET && len >= size_of::<libc::sockaddr_in>() {
            // SAFETY: sockaddr_in is a sockaddr.
            let raw: libc::sockaddr_in = unsafe { self.read() };
            let ip = Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr));
            return Some(Address::Inet(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into()));
        }
        if family == libc::AF_INET6 && len >= size_of::<libc::sockaddr_in6>() {
            // SAFETY: sockaddr_in6 is a sockaddr.
            let raw: libc::sockaddr_in6 = unsafe { self.read() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            let port = u16::from_be(raw.sin6_port);
            return Some(Address::Inet(
                SocketAddrV6::new(ip, port, u32::from_be(raw.sin6_flowinfo), raw.sin6_scope_id).into(),
            ));
        }
        if family == libc::AF_UNIX && len <= PATH_AT + PATH_ROOM {
            let name = &self.bytes()[PATH_AT.min(len)..];
            let name = match name {
                [] => name,
                [0, ..] if cfg!(target_os = "linux") => name,
                _ => &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())],
            };
            if std::str::from_utf8(name).is_ok() {
                return Some(Address::Unix(name.to_vec()));
            }
        }
        Some(Address::Raw(self.bytes().to_vec()))
    }
}

impl Address {
    /// As the kernel takes it. ENAMETOOLONG for a Unix name that does not fit, EINVAL for one with a NUL inside.
    pub fn encode(&self) -> Result<RawAddress> {
        match self {
            Address::Inet(SocketAddr::V4(address)) => {
                // SAFETY: all zeroes is a valid sockaddr_in.
                let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
                raw.sin_family = libc::AF_INET as libc::sa_family_t;
                raw.sin_port = address.port().to_be();
                raw.sin_addr.s_addr = u32::from(*address.ip()).to_be();
                // SAFETY: sockaddr_in is a sockaddr.
                Ok(with_length(unsafe { RawAddress::of(raw) }))
            }
            Address::Inet(SocketAddr::V6(address)) => {
                // SAFETY: all zeroes is a valid sockaddr_in6.
                let mut raw: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
                raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                raw.sin6_port = address.port().to_be();
                raw.sin6_addr.s6_addr = address.ip().octets();
                raw.sin6_flowinfo = address.flowinfo().to_be();
                raw.sin6_scope_id = address.scope_id();
                // SAFETY: sockaddr_in6 is a sockaddr.
                Ok(with_length(unsafe { RawAddress::of(raw) }))
            }
            Address::Unix(name) => encode_unix(name),
            Address::Raw(bytes) => RawAddress::from_bytes(bytes),
        }
    }

    /// `'192.0.2.1'`, `'2001:db8::1'` or `'fe80::1%eth0'`, the zone by name or number; a zone wins over `scope_id`.
    pub fn parse_inet(text: &str, port: u16, flow_info: u32, scope_id: u32) -> Result<Address> {
        let (ip, zone) = text.split_once('%').map_or((text, None), |(ip, zone)| (ip, Some(zone)));
        match ip.parse().map_err(|_| Errno::INVAL)? {
            IpAddr::V4(_) if zone.is_some() => Err(Errno::INVAL),
            IpAddr::V4(ip) => Ok(Address::Inet(SocketAddrV4::new(ip, port).into())),
            IpAddr::V6(ip) => {
                let scope_id = zone.map_or(Ok(scope_id), interface_index)?;
                Ok(Address::Inet(SocketAddrV6::new(ip, port, flow_info, scope_id).into()))
            }
        }
    }
}

fn interface_index(zone: &str) -> Result<u32> {
    if let Ok(index) = zone.parse() {
        return Ok(index);
    }
    let name = CString::new(zone).map_err(|_| Errno::INVAL)?;
    // SAFETY: the name is NUL-terminated.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Errno::NODEV),
        index => Ok(index),
    }
}

fn encode_unix(name: &[u8]) -> Result<RawAddress> {
    let is_abstract = cfg!(target_os = "linux") && name.first() == Some(&0);
    if !is_abstract && name.contains(&0) {
        return Err(Errno::INVAL);
    }
    // A path ends with a NUL; an abstract name ends where the length says.
    let len = name.len() + usize::from(!is_abstract && !name.is_empty());
    if len > PATH_ROOM {
        return Err(Errno::NAMETOOLONG);
    }
    let mut bytes = [0u8; PATH_AT + PATH_ROOM];
    bytes[PATH_AT..PATH_AT + name.len()].copy_from_slice(name);
    let mut raw = RawAddress::from_bytes(&bytes[..PATH_AT + len])?;
    raw.storage.ss_family = libc::AF_UNIX as libc::sa_family_t;
    Ok(with_length(raw))
}

/// BSD keeps the length in the address too.
fn with_length(address: RawAddress) -> RawAddress {
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    let address = {
        let mut address = address;
        address.storage.ss_len = address.len as u8;
        address
    };
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(address: Address) {
        assert_eq!(address.encode().unwrap().decode(), Some(address));
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        round_trip(Address::parse_inet("192.0.2.1", 80, 0, 0).unwrap());
        round_trip(Address::parse_inet("2001:db8::1", 443, 7, 3).unwrap());
        round_trip(Address::Unix(b"/run/x.sock".to_vec()));
        round_trip(Address::Unix(Vec::new()));
        #[cfg(target_os = "linux")]
        round_trip(Address::Unix(b"\0abs\0tract".to_vec()));
        round_trip(Address::Raw(vec![40, 0, 1, 2, 3, 4]));
        #[cfg(target_os = "linux")]
        round_trip(Address::Raw(vec![libc::AF_UNIX as u8, 0, b'/', 0xff, 0]));
    }

    #[test]
    fn a_unix_path_that_does_not_fit_is_refused_not_cut() {
        assert!(Address::Unix(vec![b'a'; PATH_ROOM - 1]).encode().is_ok());
        assert_eq!(Address::Unix(vec![b'a'; PATH_ROOM]).encode().err(), Some(Errno::NAMETOOLONG));
        assert_eq!(Address::Unix(b"a\0b".to_vec()).encode().err(), Some(Errno::INVAL));
        assert_eq!(Address::Raw(vec![0; MAX_BYTES + 1]).encode().err(), Some(Errno::NAMETOOLONG));
    }

    #[test]
    fn a_zone_is_a_number_or_the_name_of_an_interface() {
        let Ok(Address::Inet(SocketAddr::V6(address))) = Address::parse_inet("fe80::1%7", 1, 0, 3) else {
            panic!()
        };
        assert_eq!(address.scope_id(), 7);
        assert_eq!(Address::parse_inet("fe80::1%no-such-if", 1, 0, 0), Err(Errno::NODEV));
        assert_eq!(Address::parse_inet("192.0.2.1%7", 1, 0, 0), Err(Errno::INVAL));
    }

    #[test]
    fn nothing_from_the_kernel_is_no_address() {
        let mut address = RawAddress::room();
        *address.size_mut() = 0;
        assert_eq!(address.decode(), None);
    }
}
