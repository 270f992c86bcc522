// SPDX-License-Identifier: BSD-3-Clause
//! A sound device of another process, as cloud-hypervisor uses it: by the same crate, and in the
//! order of its vu_common_ctrl.rs. The driver of a guest is played here, too.
//!
//!   front SOCKET FILE    plays that WAV (48 kHz, stereo, S16) twice, each time in a life of the
//!                        device, the first of which is paused half-way; waits for an event
//!                        in between.
use std::sync::atomic::{fence, Ordering::SeqCst};
use std::{env, fs, io::Write, os::unix::net::UnixStream, thread::sleep, time::Duration};
use vhost::vhost_user::message::{
    VhostUserConfigFlags, VhostUserHeaderFlag, VhostUserProtocolFeatures, VhostUserVirtioFeatures,
};
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};
use vm_memory::*; // names of traits differ from version to version
use vmm_sys_util::eventfd::EventFd;

const MEMORY: usize = 4 << 20;
const ENTRIES: u16 = 64;
const QUEUES: usize = 4; // control, event, tx, rx
const PERIOD: usize = 1920; // 10 ms
const AT_ONCE: usize = 8; // periods
const VERSION_1: u64 = 1 << 32;
const OK: u32 = 0x8000;

/// A virtqueue, of chains of one buffer to read and one to write; without the former if there is
/// nothing to read.
struct Ring {
    at: u64,
    put: u16,
    got: u16,
    kick: EventFd,
    call: EventFd,
}

impl Ring {
    const AVAIL: u64 = 0x1000;
    const USED: u64 = 0x2000;
    const BUFFERS: u64 = 0x4000;
    const BYTES: u64 = 0x40000;

    fn buffer(&self, slot: u16) -> u64 {
        self.at + Ring::BUFFERS + u64::from(slot % 32) * 4096
    }

    /// A chain, and a kick.
    fn put(&mut self, mem: &GuestMemoryMmap, out: &[u8], answer: u32) {
        let (buffer, first) = (self.buffer(self.put), self.put % 32 * 2);
        let desc = |i: u16, addr: u64, len: u32, flags: u16| {
            let mut bytes = addr.to_le_bytes().to_vec();
            bytes.extend(len.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            bytes.extend((i + 1).to_le_bytes());
            mem.write_slice(&bytes, GuestAddress(self.at + u64::from(i) * 16)).unwrap();
        };
        mem.write_slice(out, GuestAddress(buffer + 64)).unwrap();
        let head = first + u16::from(out.is_empty());
        desc(first, buffer + 64, out.len() as u32, 1); // next
        desc(first + 1, buffer, answer, 2); // write
        let entry = self.at + Ring::AVAIL + 4 + u64::from(self.put % ENTRIES) * 2;
        mem.write_obj(head, GuestAddress(entry)).unwrap();
        self.put = self.put.wrapping_add(1);
        fence(SeqCst);
        mem.write_obj(self.put, GuestAddress(self.at + Ring::AVAIL + 2)).unwrap();
        fence(SeqCst);
        self.kick.write(1).unwrap();
    }

    /// Waits for the next one that comes back: the first two words of its answer.
    fn get(&mut self, mem: &GuestMemoryMmap) -> (u32, u32) {
        while mem.read_obj::<u16>(GuestAddress(self.at + Ring::USED + 2)).unwrap() == self.got {
            self.call.read().unwrap();
        }
        fence(SeqCst);
        let entry = self.at + Ring::USED + 4 + u64::from(self.got % ENTRIES) * 8;
        let head: u32 = mem.read_obj(GuestAddress(entry)).unwrap();
        self.got = self.got.wrapping_add(1);
        let answer = self.buffer(head as u16 / 2);
        (
            mem.read_obj(GuestAddress(answer)).unwrap(),
            mem.read_obj(GuestAddress(answer + 4)).unwrap(),
        )
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn enable(vu: &mut Frontend, on: bool) {
    (0..QUEUES).for_each(|i| vu.set_vring_enable(i, on).expect("SET_VRING_ENABLE"));
}

fn set_up(vu: &mut Frontend, mem: &GuestMemoryMmap, features: u64, rings: &[Ring]) {
    vu.set_features(features).expect("SET_FEATURES");
    let regions: Vec<_> = mem
        .iter()
        .map(|region| VhostUserMemoryRegionInfo::from_guest_region(region).unwrap())
        .collect();
    vu.set_mem_table(&regions).expect("SET_MEM_TABLE");
    (0..QUEUES).for_each(|i| vu.set_vring_num(i, ENTRIES).expect("SET_VRING_NUM"));
    for (i, ring) in rings.iter().enumerate() {
        let host = |at: u64| mem.get_host_address(GuestAddress(at)).unwrap() as u64;
        let config = VringConfigData {
            queue_max_size: ENTRIES,
            queue_size: ENTRIES,
            flags: 0,
            desc_table_addr: host(ring.at),
            used_ring_addr: host(ring.at + Ring::USED),
            avail_ring_addr: host(ring.at + Ring::AVAIL),
            log_addr: None,
        };
        vu.set_vring_addr(i, &config).expect("SET_VRING_ADDR");
        vu.set_vring_base(i, ring.put).expect("SET_VRING_BASE");
        vu.set_vring_call(i, &ring.call).expect("SET_VRING_CALL");
        vu.set_vring_kick(i, &ring.kick).expect("SET_VRING_KICK");
    }
    enable(vu, true);
    let (_, theirs) = UnixStream::pair().unwrap(); // it has nothing to say unasked
    vu.set_backend_request_fd(&theirs).expect("SET_BACKEND_REQ_FD");
}

fn reset(vu: &mut Frontend) {
    for i in 0..QUEUES {
        vu.set_vring_enable(i, false).expect("SET_VRING_ENABLE");
        vu.get_vring_base(i).expect("GET_VRING_BASE");
    }
}

fn play(vu: &mut Frontend, mem: &GuestMemoryMmap, rings: &mut [Ring], sound: &[u8], pause: bool) {
    let ask = |rings: &mut [Ring], request: &[u32]| {
        rings[0].put(mem, &words(request), 4);
        assert_eq!(rings[0].get(mem).0, OK, "answer to {request:x?}");
    };
    let stereo_s16_48000 = 2 | 5 << 8 | 7 << 16;
    ask(rings, &[0x101, 0, (AT_ONCE * PERIOD) as u32, PERIOD as u32, 0, stereo_s16_48000]);
    ask(rings, &[0x102, 0]); // prepare
    for (i, period) in sound.chunks(PERIOD).enumerate() {
        if i == AT_ONCE {
            ask(rings, &[0x104, 0]); // start
        }
        if i >= AT_ONCE {
            assert_eq!(rings[2].get(mem).0, OK, "period {i}");
        }
        if pause && i == 100 {
            enable(vu, false);
            sleep(Duration::from_secs(1));
            enable(vu, true);
        }
        rings[2].put(mem, &[&[0; 4], period].concat(), 8);
    }
    (0..AT_ONCE).for_each(|_| assert_eq!(rings[2].get(mem).0, OK));
    ask(rings, &[0x105, 0]); // stop
    ask(rings, &[0x103, 0]); // release
}

fn main() {
    let args: Vec<String> = env::args().collect();
    let sound = &fs::read(&args[2]).expect("the file")[44..];
    let memfd = vmm_sys_util::tempfile::TempFile::new_in(std::path::Path::new("/dev/shm"))
        .unwrap()
        .into_file();
    memfd.set_len(MEMORY as u64).unwrap();
    let range = (GuestAddress(0), MEMORY, Some(FileOffset::new(memfd, 0)));
    let mem = GuestMemoryMmap::from_ranges_with_files([range]).unwrap();

    let mut vu = Frontend::connect(&args[1], QUEUES as u64).expect("connect");
    vu.set_owner().expect("SET_OWNER");
    let offered = vu.get_features().expect("GET_FEATURES");
    let features = offered & (VERSION_1 | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits());
    assert_eq!(features.count_ones(), 2, "offered are {offered:x}");
    let wanted = VhostUserProtocolFeatures::MQ
        | VhostUserProtocolFeatures::CONFIG
        | VhostUserProtocolFeatures::REPLY_ACK
        | VhostUserProtocolFeatures::INFLIGHT_SHMFD
        | VhostUserProtocolFeatures::LOG_SHMFD
        | VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS
        | VhostUserProtocolFeatures::BACKEND_REQ;
    let agreed = wanted & vu.get_protocol_features().expect("GET_PROTOCOL_FEATURES");
    vu.set_protocol_features(agreed).expect("SET_PROTOCOL_FEATURES");
    assert!(agreed.contains(VhostUserProtocolFeatures::REPLY_ACK));
    vu.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
    assert_eq!(vu.get_queue_num().expect("GET_QUEUE_NUM"), QUEUES as u64);
    println!("agreed upon: {features:x}, {agreed:?}");

    for life in 0..2 {
        mem.write_slice(&[0; QUEUES * Ring::BYTES as usize], GuestAddress(0)).unwrap();
        let event = || EventFd::new(0).unwrap();
        let ring = |i| Ring { at: i * Ring::BYTES, put: 0, got: 0, kick: event(), call: event() };
        let mut rings: Vec<_> = (0..QUEUES as u64).map(ring).collect();
        (0..4).for_each(|_| rings[1].put(&mem, &[], 8)); // before DRIVER_OK, as Linux does
        set_up(&mut vu, &mem, features, &rings);
        let config = vu.get_config(0, 4, VhostUserConfigFlags::WRITABLE, &[0; 4]);
        assert_eq!(config.expect("GET_CONFIG").1, [1, 0, 0, 0], "one jack");
        play(&mut vu, &mem, &mut rings, sound, life == 0);
        println!("played {life}");
        std::io::stdout().flush().unwrap();
        if life == 0 {
            println!("event {:x?}", rings[1].get(&mem));
        }
        reset(&mut vu);
    }
}
