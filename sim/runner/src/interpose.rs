//! The net under closed determinism: in a simulated run the C library's entropy and clocks answer
//! from the seed and the simulated time, whoever calls them, and a thread or a socket ends the run.
//! The contract is `node_env`; this catches what goes around it. The one place with unsafe code:
//! there is no safe way to define a function of the C library or to fork.
//!
//! Std's hash maps, tokio and rand reach entropy and clocks through these functions. A raw system
//! call would go past them; no dependency of the simulated code makes one for these purposes.
#![expect(unsafe_code, reason = "functions of the C library are defined and called here")]
#![expect(unreachable_pub, reason = "the linker reaches them")]

use std::collections::hash_map::RandomState;
use std::ffi::{c_char, c_int, c_long, c_uint, c_void};
use std::io::Read;
use std::os::fd::FromRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sim_world::time::WORLD_BEGINS_UNIX_MICROS;

static IS_SIMULATED: AtomicBool = AtomicBool::new(false);
static ENTROPY: AtomicU64 = AtomicU64::new(0);
static NOW_MICROS: AtomicU64 = AtomicU64::new(0);
static ENTROPY_CALLS: AtomicU64 = AtomicU64::new(0);

/// From now on this process is a simulated world with this seed. Must come before the first hash
/// map of the process: std asks for the keys of all maps of a thread once, so later it would be
/// the kernel's entropy that orders them.
pub(crate) fn begin(seed: u64) {
    ENTROPY.store(seed, Ordering::SeqCst);
    IS_SIMULATED.store(true, Ordering::SeqCst);
    drop(RandomState::new());
    if entropy_calls() == 0 {
        alarm("the keys of hash maps");
    }
}

/// What clocks answer from now on.
pub(crate) fn set_now_micros(micros: u64) {
    NOW_MICROS.store(micros, Ordering::SeqCst);
}

/// How often entropy was asked for around `node_env::Rng`.
pub(crate) fn entropy_calls() -> u64 {
    ENTROPY_CALLS.load(Ordering::SeqCst)
}

/// Processor time of this process so far, microseconds.
pub(crate) fn cpu_micros() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills the struct that the pointer names.
    unsafe {
        libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time)
    };
    let (seconds, nanos) = (time.tv_sec, time.tv_nsec / 1_000);
    u64::try_from(seconds * 1_000_000 + nanos).unwrap_or(0)
}

/// A child process that runs a closure and leaves its answer.
pub(crate) struct Child {
    pid: c_int,
    answer: std::fs::File,
}

impl Child {
    /// Forks. The caller must have one thread only. The child ends when the closure does; more
    /// than `cpu_seconds_max` of processor time ends it before.
    pub(crate) fn start(
        cpu_seconds_max: u64,
        body: impl FnOnce() -> Vec<u8>,
    ) -> std::io::Result<Self> {
        let mut ends: [c_int; 2] = [0; 2];
        // SAFETY: the kernel fills the two numbers.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: this process has one thread, so the child inherits no lock that is held.
        match unsafe { libc::fork() } {
            -1 => Err(std::io::Error::last_os_error()),
            0 => {
                let limit = libc::rlimit { rlim_cur: cpu_seconds_max, rlim_max: cpu_seconds_max };
                // SAFETY: plain system calls on numbers that this process owns.
                unsafe {
                    libc::close(ends[0]);
                    libc::setrlimit(libc::RLIMIT_CPU, &raw const limit);
                }
                let answer = body();
                write_all(ends[1], &answer);
                // SAFETY: ends the process without running what the parent registered.
                unsafe { libc::_exit(0) }
            }
            pid => {
                // SAFETY: the descriptor is fresh from the kernel and owned by nobody else.
                let answer = unsafe {
                    libc::close(ends[1]);
                    std::fs::File::from_raw_fd(ends[0])
                };
                Ok(Self { pid, answer })
            }
        }
    }

    /// Waits for the answer; empty with a reason when the child died without one.
    pub(crate) fn wait(mut self) -> (Vec<u8>, Option<String>) {
        let mut answer = Vec::new();
        let read = self.answer.read_to_end(&mut answer);
        let mut status: c_int = 0;
        // SAFETY: waits for a child of this process; the kernel fills the number.
        unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
        let died = (status != 0).then(|| match status & 0x7F {
            0 => format!("the process ended with code {}", (status >> 8) & 0xFF),
            libc::SIGXCPU | libc::SIGKILL => "the run used too much processor time".to_owned(),
            signal => format!("the process died of signal {signal}"),
        });
        (answer, died.or(read.err().map(|error| error.to_string())))
    }
}

fn write_all(descriptor: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a living slice.
        let written =
            unsafe { libc::write(descriptor, bytes.as_ptr().cast::<c_void>(), bytes.len()) };
        let Ok(written) = usize::try_from(written) else { return };
        bytes = bytes.get(written..).unwrap_or_default();
    }
}

fn is_simulated() -> bool {
    IS_SIMULATED.load(Ordering::SeqCst)
}

/// Ends a run that reaches for the real world.
fn alarm(what: &str) -> ! {
    write_all(2, format!("simulated code reached for {what} outside node_env\n").as_bytes());
    // SAFETY: ends the process.
    unsafe { libc::_exit(86) }
}

fn next_entropy() -> u64 {
    let next = ENTROPY.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
    let mixed = (next ^ (next >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Entropy of the kernel, or of the seed.
///
/// # Safety
/// As getrandom(2): `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    if !is_simulated() {
        // SAFETY: handed through as it came.
        let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return isize::try_from(got).unwrap_or(-1);
    }
    ENTROPY_CALLS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the caller owns so many bytes there.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&next_entropy().to_le_bytes()[..chunk.len()]);
    }
    isize::try_from(length).unwrap_or(-1)
}

/// As [`getrandom`].
///
/// # Safety
/// As getentropy(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    // SAFETY: as the caller promises.
    if unsafe { getrandom(buffer, length, 0) } < 0 { -1 } else { 0 }
}

/// The kernel's clocks, or the simulated one.
///
/// # Safety
/// As clock_gettime(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if !is_simulated() {
        // SAFETY: handed through as it came.
        let status = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return c_int::try_from(status).unwrap_or(-1);
    }
    let now = i64::try_from(NOW_MICROS.load(Ordering::SeqCst)).unwrap_or(i64::MAX);
    let is_wall = clock == libc::CLOCK_REALTIME || clock == libc::CLOCK_REALTIME_COARSE;
    let micros = if is_wall { WORLD_BEGINS_UNIX_MICROS + now } else { now };
    let (tv_sec, tv_nsec) = (micros / 1_000_000, (micros % 1_000_000) * 1_000);
    // SAFETY: the caller gives room for one.
    unsafe { *time = libc::timespec { tv_sec, tv_nsec } };
    0
}

/// The next definition of a function, behind this one.
fn behind(name: &std::ffi::CStr) -> *mut c_void {
    // SAFETY: a constant name, looked up in what is loaded.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast::<c_char>()) }
}

type PthreadCreate = unsafe extern "C" fn(
    *mut libc::pthread_t,
    *const libc::pthread_attr_t,
    extern "C" fn(*mut c_void) -> *mut c_void,
    *mut c_void,
) -> c_int;

/// A thread; in a simulated world the end of it.
///
/// # Safety
/// As pthread_create(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    body: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> c_int {
    if is_simulated() {
        alarm("a thread");
    }
    // SAFETY: the C library's function has this signature, and the arguments are handed through.
    unsafe {
        let real: PthreadCreate = std::mem::transmute(behind(c"pthread_create"));
        real(thread, attributes, body, argument)
    }
}

/// A socket; in a simulated world the end of it.
///
/// # Safety
/// As socket(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if is_simulated() {
        alarm("a socket");
    }
    let arguments = (c_long::from(domain), c_long::from(kind), c_long::from(protocol));
    // SAFETY: handed through as it came.
    let got = unsafe { libc::syscall(libc::SYS_socket, arguments.0, arguments.1, arguments.2) };
    c_int::try_from(got).unwrap_or(-1)
}
