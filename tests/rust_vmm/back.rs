// SPDX-License-Identifier: BSD-3-Clause
//! A sound device with one stream for playback, by the crate that vhost-device-sound is made with,
//! and with the features, the queues and the config space of that.
//!
//!   back SOCKET FILE     writes what is played to that file, as long as it takes to be heard;
//!                        serves one machine
use std::io::{Read, Result, Write};
use std::sync::{Arc, Mutex};
use std::{env, fs::File, thread::sleep, time::Duration};
use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserVirtioFeatures};
use vhost_user_backend::{VhostUserBackend, VhostUserDaemon, VringRwLock, VringT};
use virtio_queue::QueueOwnedT;
use vm_memory::{GuestAddressSpace, GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;

const CONTROL: usize = 0;
const TX: usize = 2;
const ENTRIES: usize = 64;
const BYTES_A_MS: u64 = 192;
const PREPARE: u32 = 0x102;
const START: u32 = 0x104;
const OK: u32 = 0x8000;
const BAD: u32 = 0x8001;
const CONFIG: [u32; 4] = [0, 1, 0, 0]; // jacks, streams, maps of channels, mixer controls

type Memory = GuestMemoryAtomic<GuestMemoryMmap>;

struct Sound {
    mem: Mutex<Memory>,
    event_idx: Mutex<bool>,
    last: Mutex<u32>, // request for the stream
    file: File,
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

impl Sound {
    fn control(&self, request: &[u8]) -> Vec<u8> {
        match word(request, 0) {
            // PCM_INFO: S16 at 48000 Hz, output, two channels
            0x100 => bytes(&[OK, 0, 0, 1 << 5, 0, 1 << 7, 0, 2 << 8 | 2 << 16, 0]),
            request @ 0x101..=0x105 => {
                *self.last.lock().unwrap() = request;
                bytes(&[OK])
            }
            _ => bytes(&[BAD]),
        }
    }

    /// In a thread of its own: what is there before the stream starts waits for that.
    fn play(&self, request: &[u8]) -> Result<Vec<u8>> {
        while *self.last.lock().unwrap() == PREPARE {
            sleep(Duration::from_millis(1));
        }
        (&self.file).write_all(&request[4..])?;
        if *self.last.lock().unwrap() == START {
            sleep(Duration::from_millis(request.len() as u64 / BYTES_A_MS));
        }
        Ok(bytes(&[OK, 0]))
    }
}

impl VhostUserBackend for Sound {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        4
    }

    fn max_queue_size(&self) -> usize {
        ENTRIES
    }

    fn features(&self) -> u64 {
        let (notify_on_empty, indirect, event_idx, version_1) =
            (1 << 24, 1 << 28, 1 << 29, 1 << 32);
        notify_on_empty
            | indirect
            | event_idx
            | version_1
            | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        VhostUserProtocolFeatures::CONFIG | VhostUserProtocolFeatures::MQ
    }

    fn queues_per_thread(&self) -> Vec<u64> {
        vec![1, 2, 4, 8] // each has its own
    }

    fn set_event_idx(&self, enabled: bool) {
        *self.event_idx.lock().unwrap() = enabled;
    }

    fn get_config(&self, offset: u32, size: u32) -> Vec<u8> {
        let config = bytes(&CONFIG);
        config.get(offset as usize..(offset + size) as usize).unwrap_or(&[]).to_vec()
    }

    fn update_memory(&self, mem: Memory) -> Result<()> {
        *self.mem.lock().unwrap() = mem;
        Ok(())
    }

    fn handle_event(
        &self,
        _: u16,
        _: EventSet,
        vrings: &[VringRwLock],
        queue: usize,
    ) -> Result<()> {
        if queue != CONTROL && queue != TX {
            return Ok(()); // what is put there stays there
        }
        let (vring, mem) = (&vrings[0], self.mem.lock().unwrap().memory());
        loop {
            let chains: Vec<_> =
                vring.get_mut().get_queue_mut().iter(mem.clone()).unwrap().collect();
            for chain in chains {
                let mut request = Vec::new();
                chain.clone().reader(&*mem).unwrap().read_to_end(&mut request)?;
                let answer =
                    if queue == TX { self.play(&request)? } else { self.control(&request) };
                chain.clone().writer(&*mem).unwrap().write_all(&answer)?;
                vring.add_used(chain.head_index(), answer.len() as u32).unwrap();
                vring.signal_used_queue()?;
            }
            if !*self.event_idx.lock().unwrap() || !vring.enable_notification().unwrap() {
                return Ok(());
            }
        }
    }
}

fn main() {
    let args: Vec<String> = env::args().collect();
    let mem = Memory::new(GuestMemoryMmap::new());
    let sound = Arc::new(Sound {
        mem: Mutex::new(mem.clone()),
        event_idx: Mutex::new(false),
        last: Mutex::new(0),
        file: File::create(&args[2]).expect("the file"),
    });
    let mut daemon = VhostUserDaemon::new("sound".into(), sound, mem).unwrap();
    daemon.serve(&args[1]).unwrap();
    std::process::exit(0); // its threads wait for more
}
